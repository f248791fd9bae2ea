//! What the items of both audits have in common: the top level around their data.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use super::super::event_store::Facets;
use super::draft::{Draft, Oddity, Written};
use super::json_object::JsonObject;

/// The whole item.
pub(super) fn write(mut draft: Draft<'_>, data: &str, actor_id: String, category: String) -> Written {
    let id = STANDARD_NO_PAD.encode(draft.uuid());
    let item = JsonObject::new()
        .json("data", data)
        .text("created", &draft.created)
        .text("actorOrgId", &draft.organization.id)
        .text("id", &id);
    let (item, actor_id) = match draft.oddity {
        Some(Oddity::Bare) => (item, None),
        Some(Oddity::NullActor) => (item.json("actorId", "null"), None),
        _ => (item.text("actorId", &actor_id), Some(actor_id)),
    };
    let facets = Facets { id: Some(id), actor_id, category: Some(category), ..Facets::default() };
    Written { raw: item.close(), facets, mended: None }
}
