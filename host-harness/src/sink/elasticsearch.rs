//! Elasticsearch and OpenSearch: `_bulk` with `create` and the event's id, so that a repeat is recognised.
//!
//! | file | holds |
//! | --- | --- |
//! | [`bulk`] | the lines of a request |
//! | [`outcome`] | what the answer says of each event |
//! | [`probe`] | the question whether it would take events |
//! | [`template`] | the index template that `elasticsearch init` makes |

mod bulk;
mod outcome;
mod probe;
mod template;

use crate::sink::Event;
use std::any::Any;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::future::BoxFuture;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, StatusCode};

use super::client::{self, Client, Endpoint};
pub(crate) use super::names::DATA_STREAMS;
use super::{
    Given, Kind, PerStream, Plan, Promise, Receipt, SendError, SetupError, Sink, SinkError, SinkKey, SinkTable, Traffic,
};
use super::{ValueKind, names};
pub(crate) use template::{Flavour, template};

const INDEX: &str = "index";
const API_KEY: &str = "api_key";
const USERNAME: &str = "username";
const PASSWORD: &str = "password";
const PIPELINE: &str = "pipeline";

/// What to do where it wants another token, right or address.
const REMEDY: &str = "see that `url` is the cluster's, and that `api_key` or `username` and `password` hold for it, with the \
                      privileges `create_doc` and `auto_configure` on the index";
/// Most of the names of an index, by the receiver.
const LONGEST_INDEX: usize = 255;

/// One document an event.
pub(in crate::sink) const KIND: Kind = Kind {
    name: "elasticsearch",
    about: "One document an event, to Elasticsearch or OpenSearch.",
    keys: &[
        &[
            SinkKey::new(
                INDEX,
                ValueKind::PerStream,
                "",
                "Data stream, index or alias of each stream. Absent: the data stream `logs-webex.STREAM-default`.",
            ),
            SinkKey::new(API_KEY, ValueKind::Secret, "", "API key, encoded as Kibana shows it, or as `ID:KEY`."),
            SinkKey::new(USERNAME, ValueKind::Text, "", "Name of a user, instead of an API key."),
            SinkKey::new(PASSWORD, ValueKind::Secret, "", "The user's password."),
            SinkKey::new(PIPELINE, ValueKind::Text, "", "Ingest pipeline that documents go through."),
        ],
        client::KEYS,
    ],
    promise: Promise {
        acknowledged: "status 201 of each document, or 409: it is there already",
        repeats: "never in an index; in a data stream only if it rolled over between a send and its repeat",
        order: "none; two requests are under way at a time",
        limits: "a request over `http.max_content_length` is halved; an event that is refused alone is a dead letter",
    },
    example: "url = \"https://elastic.example.com:9200\"\napi_key = { env = \"ELASTIC_API_KEY\" }",
    plan: |given| Ok(Arc::new(ElasticsearchPlan::of(given)?)),
};

/// Where documents go.
#[derive(Clone, Debug)]
pub(crate) struct ElasticsearchPlan {
    endpoint: Endpoint,
    /// Marked as sensitive.
    authorization: Option<HeaderValue>,
    index: PerStream,
    pipeline: Option<String>,
}

impl ElasticsearchPlan {
    fn of(given: &Given) -> Result<Self, SetupError> {
        let index = given.per_stream(INDEX);
        if let Some(name) = index.texts().find(|name| !is_index(name)) {
            let rule = "must be lower case, at most 255 bytes, without \\ / * ? \" < > | , # : and spaces, and begin with none of \
                        - _ + .";
            return Err(SetupError::of(INDEX, format!("`{name}` {rule}")));
        }
        let pipeline = given.text(PIPELINE);
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '@');
        if pipeline.is_some_and(|name| !name.chars().all(is_plain)) {
            return Err(SetupError::of(PIPELINE, "it must be a name of letters, digits, `-`, `_`, `.` and `@`"));
        }
        Ok(Self {
            endpoint: Endpoint::of(given)?,
            authorization: authorization(given)?,
            index,
            pipeline: pipeline.map(str::to_owned),
        })
    }

    /// The plan of a table, if it is one of this kind.
    pub(crate) fn of_table(table: &SinkTable) -> Option<&Self> {
        let plan: &dyn Any = table.plan.as_ref();
        plan.downcast_ref()
    }

    /// Names, and patterns of names, of the indices that events go to.
    pub(crate) fn patterns(&self) -> Vec<String> {
        let mut patterns: Vec<String> = self.index.texts().map(str::to_owned).collect();
        if !self.index.is_for_all() {
            patterns.push(DATA_STREAMS.to_owned());
        }
        patterns.sort();
        patterns.dedup();
        patterns
    }

    /// Stores an index template. False: one of this name is there already, and is not to be replaced.
    pub(crate) async fn install(&self, name: &str, template: &str, replace: bool) -> Result<bool, SendError> {
        let create = if replace { "" } else { "?create=true" };
        let json = [(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
        let path = format!("/_index_template/{name}{create}");
        let answer = self.client().request(Method::PUT, &path, &json, template.to_owned().into()).await?;
        match answer.status {
            StatusCode::OK => Ok(true),
            StatusCode::BAD_REQUEST if !replace && answer.words().contains("already exists") => Ok(false),
            _ => Err(answer.refusal("the account needs the cluster privilege `manage_index_templates`")),
        }
    }

    fn client(&self) -> Client {
        self.endpoint.open(self.authorization.iter().map(|value| (AUTHORIZATION, value.clone())))
    }

    fn index(&self, stream: &str) -> String {
        self.index.of(stream).map_or_else(|| names::data_stream(stream), str::to_owned)
    }
}

impl Plan for ElasticsearchPlan {
    fn open(&self) -> Result<Arc<dyn Sink>, SinkError> {
        // Only what is needed of the answer, which otherwise is as long as the request.
        let mut path = "/_bulk?filter_path=errors,items.*.status,items.*.error".to_owned();
        if let Some(pipeline) = &self.pipeline {
            path.push_str("&pipeline=");
            path.push_str(pipeline);
        }
        Ok(Arc::new(Elasticsearch { plan: self.clone(), client: self.client(), path }))
    }

    fn place(&self) -> String {
        self.endpoint.base().to_owned()
    }

    fn traffic(&self) -> Traffic {
        Traffic { max_bytes: 4 << 20, max_events: 5_000, side_by_side: 2 }
    }
}

/// The cluster.
struct Elasticsearch {
    plan: ElasticsearchPlan,
    client: Client,
    path: String,
}

impl Sink for Elasticsearch {
    fn send<'a>(&'a self, events: &'a [Event]) -> BoxFuture<'a, Result<Receipt, SendError>> {
        Box::pin(async move {
            let body = bulk::lines(events, |stream| self.plan.index(stream));
            let ndjson = [(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"))];
            let answer = self.client.post(&self.path, &ndjson, body).await?;
            match answer.status {
                StatusCode::OK => outcome::receipt(&answer.body, events.len()),
                StatusCode::PAYLOAD_TOO_LARGE => Err(SendError::unfit("413: the request is larger than it takes")),
                // Its words may quote what was sent.
                StatusCode::BAD_REQUEST => Err(SendError::unfit(format!("400: {}", outcome::of_request(&answer.body)))),
                StatusCode::NOT_ACCEPTABLE | StatusCode::UNSUPPORTED_MEDIA_TYPE => {
                    Err(SendError::closed(answer.words(), "see that `url` is the cluster's"))
                }
                _ => Err(answer.refusal(REMEDY)),
            }
        })
    }

    fn probe(&self) -> BoxFuture<'_, Result<String, SendError>> {
        Box::pin(probe::ask(&self.client, self.plan.patterns()))
    }
}

fn authorization(given: &Given) -> Result<Option<HeaderValue>, SetupError> {
    let (key, user, password) = (given.secret(API_KEY), given.text(USERNAME), given.secret(PASSWORD));
    let text = match (key, user, password) {
        (None, None, None) => return Ok(None),
        (Some(key), None, None) if key.expose().contains(':') => format!("ApiKey {}", STANDARD.encode(key.expose())),
        (Some(key), None, None) => format!("ApiKey {}", key.expose()),
        (None, Some(user), Some(password)) => {
            format!("Basic {}", STANDARD.encode(format!("{user}:{}", password.expose())))
        }
        (Some(_), ..) => return Err(SetupError::of(API_KEY, "either `api_key`, or `username` and `password`")),
        _ => return Err(SetupError::of(USERNAME, "`username` and `password` belong together")),
    };
    let mut value = HeaderValue::try_from(text).map_err(|_| SetupError::of(API_KEY, "it holds what cannot be sent"))?;
    value.set_sensitive(true);
    Ok(Some(value))
}

/// Names of data streams and indices: `PUT /_data_stream/NAME` and `PUT /INDEX` in the receiver's documentation.
fn is_index(name: &str) -> bool {
    let is_letter =
        |c: char| !c.is_uppercase() && !c.is_whitespace() && !c.is_control() && !"\\/*?\"<>|,#:".contains(c);
    !name.is_empty()
        && name.len() <= LONGEST_INDEX
        && !name.starts_with(['-', '_', '+', '.'])
        && name.chars().all(is_letter)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]
mod tests {
    use std::collections::BTreeMap;

    use super::super::Value;
    use super::*;
    use crate::secrets::Secret;

    fn plan(own: &[(&'static str, Value)]) -> Result<ElasticsearchPlan, SetupError> {
        let mut values: BTreeMap<&'static str, Value> = own.iter().cloned().collect();
        values.insert("url", text("https://elastic.example.com:9200/"));
        ElasticsearchPlan::of(&Given::new(values, "/".into()))
    }

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    fn secret(text: &str) -> Value {
        Value::Secret(Secret::from(text))
    }

    #[test]
    fn streams_without_an_index_go_to_data_streams_by_the_naming_scheme() {
        let events = Value::Table([("events".to_owned(), text("webex-events"))].into());
        let plan = plan(&[(INDEX, events)]).unwrap();
        assert_eq!(plan.index("events"), "webex-events");
        assert_eq!(plan.index("admin_audits"), "logs-webex.admin_audits-default");
        assert_eq!(plan.patterns(), ["logs-webex.*-*", "webex-events"]);
    }

    #[test]
    fn one_index_for_all_is_the_only_pattern() {
        assert_eq!(plan(&[(INDEX, text("webex"))]).unwrap().patterns(), ["webex"]);
    }

    #[test]
    fn a_name_that_no_index_can_have_is_refused() {
        for name in ["Webex", "a b", "a/b", "<logs-{now/d}>", "-a", "_a", ".ds-a", "a*", "a,b", &"a".repeat(256)] {
            assert_eq!(plan(&[(INDEX, text(name))]).unwrap_err().key, INDEX, "{name}");
        }
    }

    #[test]
    fn an_api_key_is_sent_encoded_and_shown_nowhere() {
        for (given, sent) in [("aWQ6a2V5", "ApiKey aWQ6a2V5"), ("id:key", "ApiKey aWQ6a2V5")] {
            let plan = plan(&[(API_KEY, secret(given))]).unwrap();
            assert_eq!(plan.authorization.as_ref().unwrap(), sent);
            assert!(!format!("{plan:?}").contains("aWQ6"), "{plan:?}");
        }
    }

    #[test]
    fn a_user_needs_a_password_and_no_key() {
        let both = plan(&[(USERNAME, text("elastic")), (PASSWORD, secret("pass"))]).unwrap();
        assert_eq!(both.authorization.unwrap(), "Basic ZWxhc3RpYzpwYXNz");
        assert_eq!(plan(&[(USERNAME, text("elastic"))]).unwrap_err().key, USERNAME);
        assert_eq!(plan(&[(USERNAME, text("elastic")), (API_KEY, secret("k"))]).unwrap_err().key, API_KEY);
    }
}
