//! `cisco-webex-list-organizations` and `cisco-webex-list-event-categories`: what settings need.

use serde::Deserialize;
use serde_json::{Value, json};

use super::Outcome;
use crate::client::Client;
use crate::effect::Io;
use crate::failure::Failure;
use crate::markdown::table;
use crate::orgs::{self, Organization, read};
use crate::settings::Settings;
use crate::stream::User;
use crate::time::Span;

/// The organizations that the admin sees.
pub(super) async fn organizations(io: Io, settings: &Settings, deadline: Span) -> Result<Outcome, Failure> {
    let client = Client::of_command(io.clone(), settings, User::Admin, deadline)?;
    let found = orgs::list(&io, settings, &client).await?;
    let cells = |org: &Organization| [&org.id, &org.name, &org.created].map(|cell| cell.clone().unwrap_or_default());
    let rows: Vec<Vec<String>> = found.iter().map(|org| cells(org).to_vec()).collect();
    let outputs: Vec<Value> = found
        .iter()
        .map(|Organization { id, name, created }| json!({"id": id, "displayName": name, "created": created}))
        .collect();
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
struct Categories {
    #[serde(rename = "eventCategories")]
    names: Vec<String>,
}
