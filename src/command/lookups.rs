//! `cisco-webex-list-organizations` and `cisco-webex-list-event-categories`: what settings need.

use serde::Deserialize;
use serde_json::{Value, json};

use super::Outcome;
use crate::answer::Verdict;
use crate::client::{Client, Trouble};
use crate::effect::{Io, Response};
use crate::failure::{Code, Failure};
use crate::markdown::table;
use crate::settings::Settings;
use crate::stream::User;
use crate::time::Span;

/// The scope that listing organizations needs (`webex-api` 1.6).
const ORGANIZATIONS_SCOPE: &str = "spark-admin:organizations_read";

/// The organizations that the admin sees; not paged.
pub(super) async fn organizations(io: Io, settings: &Settings, deadline: Span) -> Result<Outcome, Failure> {
    let what = "listing organizations";
    let client = Client::of_command(io.clone(), settings, User::Admin, deadline)?;
    let answer = client.get(settings.api.endpoint("organizations")).await;
    let response = answer.map_err(|trouble| {
        let failure = trouble.failure(what, User::Admin, io.now());
        match trouble {
            Trouble::Answer(Verdict::Refused(_) | Verdict::Unauthorized(_)) => Failure {
                remedy: format!(
                    "add {ORGANIZATIONS_SCOPE} to the integration on developer.webex.com and to `admin_scopes`, and sign \
                     the admin in again; or copy the organization id from Control Hub, where it stands under Account"
                ),
                ..failure
            },
            _ => failure,
        }
    })?;
    let items = read::<Organizations>(&response, what)?.items.unwrap_or_default();
    let text = |item: &Value, name: &str| item.get(name).and_then(Value::as_str).map(str::to_owned);
    let found: Vec<[Option<String>; 3]> =
        items.iter().map(|item| ["id", "displayName", "created"].map(|name| text(item, name))).collect();
    let rows: Vec<Vec<String>> =
        found.iter().map(|cells| cells.iter().map(|cell| cell.clone().unwrap_or_default()).collect()).collect();
    let outputs: Vec<Value> =
        found.iter().map(|[id, name, created]| json!({"id": id, "displayName": name, "created": created})).collect();
    let readable = table(&["id (for `admin_org_id`)", "name", "created"], &rows, "The admin sees no organization.");
    Ok(Outcome::new(readable, json!({"Organization": outputs})))
}

/// The categories of admin audits.
pub(super) async fn categories(io: Io, settings: &Settings, deadline: Span) -> Result<Outcome, Failure> {
    let what = "listing event categories";
    let client = Client::of_command(io.clone(), settings, User::Admin, deadline)?;
    let answer = client.get(settings.api.endpoint("adminAudit/eventCategories")).await;
    let response = answer.map_err(|trouble| trouble.failure(what, User::Admin, io.now()))?;
    let names = read::<Categories>(&response, what)?.names;
    let rows: Vec<Vec<String>> = names.iter().map(|name| vec![name.clone()]).collect();
    let outputs: Vec<Value> = names.iter().map(|name| json!({"name": name})).collect();
    let readable = table(&["category"], &rows, "Webex names no category.");
    Ok(Outcome::new(readable, json!({"EventCategory": outputs})))
}

#[derive(Deserialize)]
struct Organizations {
    items: Option<Vec<Value>>,
}

#[derive(Deserialize)]
struct Categories {
    #[serde(rename = "eventCategories")]
    names: Vec<String>,
}

fn read<'a, T: Deserialize<'a>>(response: &'a Response, what: &str) -> Result<T, Failure> {
    serde_json::from_slice(&response.body).map_err(|error| {
        let message = format!("{what}: the answer is not what Webex documents: {:?} error", error.classify());
        Failure::new(Code::NotUnderstood, message, "try again; if it stays so, report it").of_user(User::Admin)
    })
}
