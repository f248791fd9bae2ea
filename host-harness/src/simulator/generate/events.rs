//! Events: messages above all, then memberships, card submits, spaces and meetings.

use super::super::canary::PROSE;
use super::super::event_store::Facets;
use super::draft::{Draft, Oddity, Written};
use super::json_object::JsonObject;

pub(super) const ODDITIES: &[Oddity] = &[
    Oddity::Tenth,
    Oddity::WholeSecond,
    Oddity::OffsetForm,
    Oddity::NullActor,
    Oddity::Bare,
    Oddity::Nested,
    Oddity::LongText,
    Oddity::Scripts,
    Oddity::Spelling,
    Oddity::KmsFailure,
    Oddity::Deleted,
];

/// Resource and type. Messages stand several times: they are most of what is listed.
const KINDS: [(&str, &str); 9] = [
    ("messages", "created"),
    ("messages", "created"),
    ("messages", "created"),
    ("messages", "updated"),
    ("memberships", "created"),
    ("memberships", "deleted"),
    ("attachmentActions", "created"),
    ("rooms", "updated"),
    ("meetings", "ended"),
];

/// What follows the long text.
const TAIL_BYTES: usize = 330;

const CARD: &str = r#"[{"contentType":"application/vnd.microsoft.card.adaptive","content":{"type":"AdaptiveCard","version":"1.3","body":[{"type":"ColumnSet","columns":[[{"type":"TextBlock","text":"nested","wrap":true,"items":[[],{}]}]]}],"actions":[{"type":"Action.Submit","title":"OK","data":{"n":9007199254740993}}]}}]"#;

/// A text that could not be decrypted, as it is listed.
const UNDECRYPTED: &str = "eyJhbGciOiIiLCJraWQiOiIiLCJlbmMiOiIifQ....";
const KMS_FAILURE: &str = r#"{"text":{"code":"kms_failure","reason":"Key management server failed to respond appropriately. For more information: https://developer.webex.com/errors"}}"#;

pub(super) fn write(mut draft: Draft<'_>) -> Written {
    let (resource, kind) = match draft.oddity {
        Some(Oddity::Deleted) => ("messages", "deleted"),
        Some(Oddity::KmsFailure | Oddity::LongText | Oddity::Nested) => ("messages", "created"),
        Some(Oddity::Bare) => ("memberships", "created"),
        _ => draft.pick(&KINDS),
    };
    let (actor_id, actor_name, actor_email) = draft.person();
    let id = draft.id("EVENT");

    let mut data = JsonObject::new().text("id", &draft.id("MESSAGE")).text("roomId", &draft.id("ROOM"));
    // Rows that come from a team lack the type of the room.
    if !draft.is(Oddity::Bare) {
        data = data.text("roomType", if resource == "messages" { "direct" } else { "group" });
    }
    data = data.text("personId", &actor_id).text("personEmail", &actor_email);
    let mended = draft.is(Oddity::KmsFailure).then_some("The text, now that the key is there.");
    let (data, mended_data) = match (resource, kind, mended) {
        ("messages", "deleted", _) => (data.close(), None),
        (_, _, Some(text)) => {
            let readable = data.clone().text("text", text).close();
            (data.text("text", UNDECRYPTED).json("errors", KMS_FAILURE).close(), Some(readable))
        }
        _ => {
            data = data.text("created", &draft.created);
            data = match resource {
                "memberships" => {
                    data.text("personDisplayName", &actor_name).json("isModerator", "false").json("isMonitor", "false")
                }
                "meetings" => data.text("transcriptionEnabled", "yes").json("attendees", "[]").json("host", "{}"),
                "attachmentActions" => data.text("type", "submit").json("inputs", r#"{"changeId":"9007199254740993"}"#),
                _ => data,
            };
            if draft.is(Oddity::Nested) {
                data = data.json("attachments", CARD);
            }
            let key = match resource {
                "messages" => "text",
                "memberships" => "personOrgName",
                _ => "title",
            };
            let prose = draft.prose(PROSE, data.len() + TAIL_BYTES);
            (data.text(key, &prose).close(), None)
        }
    };

    let item = |data: &str| envelope(&draft, (&id, resource, kind), &actor_id, data);
    let raw = item(&data);
    let mended = mended_data.map(|data| item(&data));
    let actor_id = (!matches!(draft.oddity, Some(Oddity::Bare | Oddity::NullActor))).then_some(actor_id);
    let facets = Facets {
        id: Some(id),
        actor_id,
        resource: Some(resource.to_owned()),
        kind: Some(kind.to_owned()),
        category: None,
    };
    Written { raw, facets, mended }
}

/// The members around `data`. Captures have neither `orgId` nor `appId`; documents show both.
fn envelope(draft: &Draft<'_>, (id, resource, kind): (&str, &str, &str), actor_id: &str, data: &str) -> String {
    let item = JsonObject::new().text("id", id).text("resource", resource).text("type", kind);
    let item = match draft.oddity {
        Some(Oddity::Bare) => item,
        Some(Oddity::NullActor) => item.json("actorId", "null").json("orgId", "null"),
        Some(Oddity::Spelling) => {
            item.text("appId", "null").text("actorId", actor_id).text("orgId", &draft.organization.id)
        }
        _ => item.text("actorId", actor_id),
    };
    item.text("created", &draft.created).json("data", data).close()
}
