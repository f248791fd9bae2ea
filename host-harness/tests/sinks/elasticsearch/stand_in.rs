//! A stand-in for Elasticsearch, made from its documentation and the messages of its source. Each rule says where it is from:
//!
//! | rule | from |
//! | --- | --- |
//! | lines end with `\n`, the last one too | elastic.co/docs/api/doc/elasticsearch/operation/operation-bulk, "NDJSON" |
//! | the content type is JSON or NDJSON, else 406 | the same, "Content-Type"; `RestController.dispatchRequest` |
//! | an action is an object of one of four names, with known members | `BulkRequestParser` |
//! | an unknown parameter of the query is refused | `BaseRestHandler.handleRequest` |
//! | an id has 1 to 512 bytes, else the whole request is refused | `DocWriteRequest.validateDocIdLength`, `IndexRequest.validate` |
//! | `create` of an id that is there: 409 for the item | operation-bulk, "create" |
//! | a data stream takes `create` only, and its documents have `@timestamp` | manage-data/data-store/data-streams/use-data-stream |
//! | an id is unique in the write index only | manage-data/data-store/data-streams, "Rollover" |
//! | a data stream is made where a template matches, else the index is missing | operation-bulk, "automatic data stream creation" |
//! | a member that comes twice is refused | github.com/elastic/elasticsearch/pull/22073 |
//! | a flattened field is an object, at most so deep, its terms have 32,766 bytes at most with their path | reference/elasticsearch/mapping-reference/flattened; `FlattenedFieldParser` |
//! | a request has at most `http.max_content_length` bytes, else 413 | reference/elasticsearch/configuration-reference/networking-settings |
//! | a token that does not hold: 401 | deploy-manage/api-keys/elasticsearch-api-keys |
//! | with `create=true` a template is not replaced | operation-indices-put-index-template |

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use http_body_util::Full;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::conformance::Arrived;
use crate::http_receiver::{Asked, Protocol, Take, status};

/// The key that holds.
pub(crate) const KEY: &str = "aWQ6a2V5";
/// Bytes of a term of Lucene.
const LONGEST_TERM: usize = 32_766;

/// The cluster.
pub(crate) struct Cluster {
    pub(crate) inner: Mutex<Inner>,
}

pub(crate) struct Inner {
    /// By index and id. Those of an index that was rolled over stay.
    pub(crate) documents: BTreeMap<(String, u32, String), Document>,
    /// How often each data stream was rolled over.
    pub(crate) rollovers: BTreeMap<String, u32>,
    pub(crate) templates: BTreeMap<String, Value>,
    /// Ids that are refused.
    pub(crate) refused: BTreeSet<String>,
    pub(crate) max_content_length: usize,
    pub(crate) ignore_above: usize,
    pub(crate) depth_limit: usize,
    /// Items that are rejected before it has room again.
    pub(crate) rejections: usize,
    pub(crate) has_create_doc: bool,
    pub(crate) pipelines: BTreeSet<String>,
    pub(crate) requests: usize,
}

pub(crate) struct Document {
    pub(crate) source: String,
    acknowledged: bool,
    order: usize,
}

/// The members of an object, as they stand there.
type Members = Vec<(String, Box<RawValue>)>;

/// An error of a whole request or an item.
type Failure = (StatusCode, &'static str, String);

fn failure<T>(status: u16, kind: &'static str, reason: impl Into<String>) -> Result<T, Failure> {
    Err((StatusCode::from_u16(status).unwrap(), kind, reason.into()))
}

impl Default for Cluster {
    fn default() -> Self {
        Self {
            inner: Mutex::new(Inner {
                documents: BTreeMap::new(),
                rollovers: BTreeMap::new(),
                templates: BTreeMap::new(),
                refused: BTreeSet::new(),
                max_content_length: 100 << 20,
                ignore_above: 4_096,
                depth_limit: 100,
                rejections: 0,
                has_create_doc: true,
                pipelines: BTreeSet::new(),
                requests: 0,
            }),
        }
    }
}

impl Cluster {
    /// In the order of arrival.
    pub(crate) fn arrived(&self) -> Vec<Arrived> {
        let inner = self.inner.lock().unwrap();
        let mut all: Vec<_> = inner.documents.iter().collect();
        all.sort_by_key(|(_, document)| document.order);
        let arrived = |((_, _, id), document): (&(String, u32, String), &Document)| {
            let source: BTreeMap<String, &RawValue> = serde_json::from_str(&document.source).unwrap();
            Arrived { id: id.clone(), body: source["data"].get().to_owned(), acknowledged: document.acknowledged }
        };
        all.into_iter().map(arrived).collect()
    }
}

impl Protocol for Cluster {
    fn delivers(&self, asked: &Asked) -> bool {
        asked.uri.path() == "/_bulk"
    }

    fn answer(&self, asked: &Asked, take: Take) -> Response<Full<Bytes>> {
        let mut inner = self.inner.lock().unwrap();
        let answer = match (&asked.method, asked.uri.path()) {
            _ if asked.headers.get("authorization").is_none_or(|key| *key != *format!("ApiKey {KEY}")) => {
                failure(401, "security_exception", "unable to authenticate with provided credentials")
            }
            (&Method::GET, "/") => {
                Ok(json!({"name": "node-1", "version": {"number": "9.1.0"}, "tagline": "You Know, for Search"}))
            }
            (&Method::POST, "/_bulk") => inner.bulk(asked, take),
            (&Method::POST, "/_security/user/_has_privileges") => Ok(inner.rights(&asked.body)),
            (&Method::PUT, path) if path.starts_with("/_index_template/") => inner.put_template(asked),
            (method, path) => failure(
                400,
                "illegal_argument_exception",
                format!("no handler found for uri [{path}] and method [{method}]"),
            ),
        };
        let json = [("content-type", "application/json")];
        match answer {
            Ok(body) => status(StatusCode::OK, &json, &body.to_string()),
            Err((code, kind, reason)) => {
                let cause = json!({"type": kind, "reason": reason});
                let body =
                    json!({"error": {"root_cause": [cause], "type": kind, "reason": reason}, "status": code.as_u16()});
                status(code, &json, &body.to_string())
            }
        }
    }
}

impl Inner {
    fn rights(&self, question: &[u8]) -> Value {
        let question: Value = serde_json::from_slice(question).unwrap();
        let (names, rights) = (&question["index"][0]["names"], &question["index"][0]["privileges"]);
        let of: serde_json::Map<String, Value> = rights
            .as_array()
            .unwrap()
            .iter()
            .map(|right| (right.as_str().unwrap().to_owned(), json!(self.has_create_doc || right != "create_doc")))
            .collect();
        let index: serde_json::Map<String, Value> =
            names.as_array().unwrap().iter().map(|name| (name.as_str().unwrap().to_owned(), json!(of))).collect();
        json!({"username": "webex", "has_all_requested": self.has_create_doc, "index": index})
    }

    fn put_template(&mut self, asked: &Asked) -> Result<Value, Failure> {
        let name = asked.uri.path().trim_start_matches("/_index_template/").to_owned();
        let Ok(template) = serde_json::from_slice::<Value>(&asked.body) else {
            return failure(400, "parse_exception", "no JSON");
        };
        let known = ["index_patterns", "priority", "template", "data_stream", "_meta", "composed_of", "version"];
        if let Some(odd) = template.as_object().unwrap().keys().find(|key| !known.contains(&key.as_str())) {
            return failure(400, "x_content_parse_exception", format!("[index_template] unknown field [{odd}]"));
        }
        if asked.uri.query() == Some("create=true") && self.templates.contains_key(&name) {
            return failure(400, "illegal_argument_exception", format!("index template [{name}] already exists"));
        }
        self.templates.insert(name, template);
        Ok(json!({"acknowledged": true}))
    }

    fn bulk(&mut self, asked: &Asked, take: Take) -> Result<Value, Failure> {
        self.requests += 1;
        let kind = asked.headers.get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !matches!(kind, "application/json" | "application/x-ndjson") {
            return failure(
                406,
                "media_type_header_exception",
                format!("Content-Type header [{kind}] is not supported"),
            );
        }
        if asked.body.len() > self.max_content_length {
            return failure(413, "content_too_long_exception", "");
        }
        let mut has_pipeline = true;
        for pair in asked.uri.query().into_iter().flat_map(|query| query.split('&')) {
            match pair.split_once('=').unwrap_or((pair, "")) {
                ("filter_path", paths) => assert_eq!(paths, "errors,items.*.status,items.*.error"),
                ("pipeline", name) => has_pipeline = self.pipelines.contains(name),
                (name, _) => {
                    let reason = format!("request [/_bulk] contains unrecognized parameter: [{name}]");
                    return failure(400, "illegal_argument_exception", reason);
                }
            }
        }
        let Ok(text) = std::str::from_utf8(&asked.body) else { return failure(400, "parse_exception", "no UTF-8") };
        let Some(text) = text.strip_suffix('\n') else {
            return failure(
                400,
                "illegal_argument_exception",
                "The bulk request must be terminated by a newline [\\n]",
            );
        };
        let mut lines = text.split('\n');
        let mut actions = Vec::new();
        for number in 1.. {
            let Some(line) = lines.next() else { break };
            let action = action(line, number)?;
            let source = if action.name == "delete" { Some("") } else { lines.next() };
            let Some(source) = source else { return failure(400, "illegal_argument_exception", "a source is missing") };
            actions.push((action, source));
        }
        let taken = if take == Take::Half { actions.len() / 2 } else { actions.len() };
        let mut items = Vec::new();
        for (action, source) in actions.into_iter().take(taken) {
            let done = if has_pipeline {
                self.item(&action, source, take == Take::All)
            } else {
                failure(400, "illegal_argument_exception", "pipeline with id [x] does not exist")
            };
            items.push(match done {
                Ok(()) => json!({action.name: {"status": 201}}),
                Err((code, kind, reason)) => {
                    let mut error = json!({"type": kind, "reason": reason});
                    if let Some(reason) = reason.strip_prefix("duplicate: ") {
                        error = json!({"type": kind, "reason": "[1:1] failed to parse",
                            "caused_by": {"type": "x_content_parse_exception", "reason": reason}});
                    }
                    json!({action.name: {"status": code.as_u16(), "error": error}})
                }
            });
        }
        let errors = items.iter().any(|item| item.to_string().contains("error"));
        Ok(json!({"errors": errors, "items": items}))
    }

    fn item(&mut self, action: &Action, source: &str, is_heard: bool) -> Result<(), Failure> {
        if self.rejections > 0 {
            self.rejections -= 1;
            return failure(429, "es_rejected_execution_exception", "rejected execution of coordinating operation");
        }
        let is_index_name = !action.index.is_empty()
            && !action.index.contains(|c: char| c.is_uppercase() || " \\/*?\"<>|,#".contains(c));
        if !is_index_name {
            return failure(400, "invalid_index_name_exception", format!("Invalid index name [{}]", action.index));
        }
        // The template that comes with it.
        let is_data_stream = action.index.starts_with("logs-") && action.index.matches('-').count() >= 2;
        if !is_data_stream {
            return failure(404, "index_not_found_exception", format!("no such index [{}]", action.index));
        }
        if action.name != "create" {
            return failure(
                400,
                "illegal_argument_exception",
                "only write ops with an op_type of create are allowed in data streams",
            );
        }
        self.document(source)?;
        if self.refused.contains(&action.id) {
            let reason =
                format!("[1:9] failed to parse field [data.x] of type [long] in document with id '{}'", action.id);
            return failure(400, "document_parsing_exception", reason);
        }
        let generation = self.rollovers.get(&action.index).copied().unwrap_or(0);
        let (order, place) = (self.documents.len(), (action.index.clone(), generation, action.id.clone()));
        if let Some(document) = self.documents.get_mut(&place) {
            document.acknowledged |= is_heard;
            let reason = format!("[{}]: version conflict, document already exists (current version [1])", action.id);
            return failure(409, "version_conflict_engine_exception", reason);
        }
        self.documents.insert(place, Document { source: source.to_owned(), acknowledged: is_heard, order });
        Ok(())
    }

    /// What the mapping of the template makes of it.
    fn document(&self, source: &str) -> Result<(), Failure> {
        let parsing = "document_parsing_exception";
        let Some(members) = members(source)? else { return failure(400, parsing, "not an object") };
        members.iter().try_for_each(|(_, value)| no_repeats(value))?;
        let member = |name: &str| members.iter().find(|(member, _)| member == name).map(|(_, value)| value.get());
        let time = member("@timestamp").and_then(|time| serde_json::from_str::<String>(time).ok());
        if time.is_none_or(|time| chrono::DateTime::parse_from_rfc3339(&time).is_err()) {
            return failure(400, parsing, "data stream timestamp field [@timestamp] is missing");
        }
        match member("data") {
            Some(data) if data.starts_with('{') => self.flattened(data, 0, 0),
            _ => failure(400, parsing, "failed to parse field [data] of type [flattened]: Expected BEGIN_OBJECT"),
        }
    }

    fn flattened(&self, value: &str, depth: usize, path: usize) -> Result<(), Failure> {
        if depth > self.depth_limit {
            return failure(
                400,
                "document_parsing_exception",
                "The provided [flattened] field [data] exceeds the maximum depth limit",
            );
        }
        if let Some(members) = members(value)? {
            let inner =
                |(name, value): &(String, Box<RawValue>)| self.flattened(value.get(), depth + 1, path + name.len() + 1);
            return members.iter().try_for_each(inner);
        }
        if value.starts_with('[') {
            let items: Vec<Box<RawValue>> = serde_json::from_str(value).unwrap();
            return items.iter().try_for_each(|item| self.flattened(item.get(), depth, path));
        }
        if value.chars().count() <= self.ignore_above && path + value.len() > LONGEST_TERM {
            return failure(
                400,
                "document_parsing_exception",
                "Flattened field [data] contains one immense field whose keyed encoding",
            );
        }
        Ok(())
    }
}

struct Action {
    name: &'static str,
    index: String,
    id: String,
}

fn action(line: &str, number: usize) -> Result<Action, Failure> {
    let malformed = |why: &str| {
        (
            StatusCode::BAD_REQUEST,
            "illegal_argument_exception",
            format!("Malformed action/metadata line [{number}], {why}"),
        )
    };
    let parsed: Value = serde_json::from_str(line).map_err(|_| malformed("expected START_OBJECT"))?;
    let object =
        parsed.as_object().filter(|object| object.len() == 1).ok_or_else(|| malformed("expected one action"))?;
    let (name, meta) = object.iter().next().unwrap();
    let name = ["create", "index", "update", "delete"]
        .into_iter()
        .find(|known| known == name)
        .ok_or_else(|| malformed("expected field [create], [delete], [index] or [update]"))?;
    let meta = meta.as_object().ok_or_else(|| malformed("expected START_OBJECT"))?;
    if let Some(odd) = meta.keys().find(|key| !matches!(key.as_str(), "_index" | "_id" | "routing" | "pipeline")) {
        return Err(malformed(&format!("contains an unknown parameter [{odd}]")));
    }
    let text = |key: &str| meta.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (index, id) = (text("_index"), text("_id"));
    if id.is_empty() || id.len() > 512 {
        let reason = format!(
            "Validation Failed: 1: id [{id}] is too long, must be no longer than 512 bytes but was: {};",
            id.len()
        );
        return failure(400, "action_request_validation_exception", reason);
    }
    Ok(Action { name, index, id })
}

/// The members of an object, as they stand there; none where it is no object.
fn members(text: &str) -> Result<Option<Members>, Failure> {
    struct Pairs(Vec<(String, Box<RawValue>)>);
    impl<'de> serde::Deserialize<'de> for Pairs {
        fn deserialize<D: serde::Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
            struct Visitor;
            impl<'de> serde::de::Visitor<'de> for Visitor {
                type Value = Pairs;
                fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str("an object")
                }
                fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                    let mut pairs = Vec::new();
                    while let Some(pair) = map.next_entry()? {
                        pairs.push(pair);
                    }
                    Ok(Pairs(pairs))
                }
            }
            reader.deserialize_map(Visitor)
        }
    }
    if !text.trim_start().starts_with('{') {
        return Ok(None);
    }
    let Ok(Pairs(pairs)) = serde_json::from_str(text) else {
        return failure(400, "document_parsing_exception", "failed to parse");
    };
    let mut seen = BTreeSet::new();
    match pairs.iter().find(|(name, _)| !seen.insert(name)) {
        Some((name, _)) => failure(400, "document_parsing_exception", format!("duplicate: Duplicate field '{name}'")),
        None => Ok(Some(pairs)),
    }
}

fn no_repeats(value: &RawValue) -> Result<(), Failure> {
    match members(value.get())? {
        Some(members) => members.iter().try_for_each(|(_, value)| no_repeats(value)),
        None if value.get().starts_with('[') => {
            let items: Vec<Box<RawValue>> = serde_json::from_str(value.get()).unwrap();
            items.iter().try_for_each(|item| no_repeats(item))
        }
        None => Ok(()),
    }
}
