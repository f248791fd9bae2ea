//! Whether the receiver would take events, without leaving any.

use std::collections::BTreeMap;

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, StatusCode};
use serde::Deserialize;
use serde_json::json;

use super::super::SendError;
use super::super::client::Client;

const CREATE: &str = "create_doc";
const CONFIGURE: &str = "auto_configure";

#[derive(Deserialize)]
struct Greeting {
    version: Version,
}

#[derive(Deserialize)]
struct Version {
    number: String,
    /// OpenSearch says so.
    distribution: Option<String>,
}

#[derive(Deserialize)]
struct Rights {
    index: BTreeMap<String, BTreeMap<String, bool>>,
}

/// Asks for its version, and whether the account may write to these.
pub(super) async fn ask(client: &Client, patterns: Vec<String>) -> Result<String, SendError> {
    let answer = client.request(Method::GET, "/", &[], Default::default()).await?;
    let who = match answer.status {
        StatusCode::OK => {
            let greeting: Greeting = serde_json::from_slice(&answer.body).map_err(|_| {
                SendError::closed("what answers is neither Elasticsearch nor OpenSearch", "mend `url` of the sink")
            })?;
            let Version { number, distribution } = greeting.version;
            let name = if distribution.is_some() { "OpenSearch" } else { "Elasticsearch" };
            format!("{name} {} answers", crate::log::plain(&number))
        }
        // A key that may do nothing but write.
        StatusCode::FORBIDDEN => "it answers, and does not tell its version".to_owned(),
        _ => return Err(answer.refusal(super::REMEDY)),
    };
    let question = json!({"index": [{"names": patterns, "privileges": [CREATE, CONFIGURE]}]}).to_string();
    let json = [(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    let answer = client.request(Method::POST, "/_security/user/_has_privileges", &json, question.into()).await?;
    let rights: Option<Rights> = Some(answer.body)
        .filter(|_| answer.status == StatusCode::OK)
        .and_then(|body| serde_json::from_slice(&body).ok());
    // OpenSearch has no such question, nor has a cluster without security.
    let Some(rights) = rights else { return Ok(format!("{who}; rights are seen with the first events")) };
    let lacking = |right: &str| {
        let lacks = |(name, rights): (&String, &BTreeMap<String, bool>)| {
            (rights.get(right) == Some(&false)).then(|| name.clone())
        };
        rights.index.iter().filter_map(lacks).collect::<Vec<String>>().join(", ")
    };
    let (no_write, no_make) = (lacking(CREATE), lacking(CONFIGURE));
    if !no_write.is_empty() {
        let reason = format!("{who}, but the account lacks the privilege `{CREATE}` on {no_write}");
        return Err(SendError::closed(reason, "grant it"));
    }
    if !no_make.is_empty() {
        return Ok(format!("{who} and takes events, but the account may not make {no_make}, which must be there"));
    }
    Ok(format!("{who} and takes events"))
}
