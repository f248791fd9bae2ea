//! Admin audits: an administrator, a target, and data whose keys nobody has published in full.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use rand::Rng;

use super::audit_item;
use super::draft::{Draft, Oddity, Written};
use super::json_object::JsonObject;

pub(super) const ODDITIES: &[Oddity] = &[
    Oddity::Tenth,
    Oddity::WholeSecond,
    Oddity::OffsetForm,
    Oddity::NullActor,
    Oddity::Bare,
    Oddity::JsonInText,
    Oddity::Nested,
    Oddity::LongText,
    Oddity::Scripts,
    Oddity::Spelling,
];

/// Category, description, type of the target.
const KINDS: [(&str, &str, &str); 7] = [
    ("LOGINS", "An admin logged in.", "ORG"),
    ("ORG_SETTINGS", "An org setting was created or updated.", "ORG"),
    ("USERS", "User was updated.", "PERSON"),
    ("LICENSE", "User license was assigned.", "PERSON"),
    ("DEVICES", "Device was created.", "DEVICE"),
    ("LOCATIONS", "Location was updated.", "LOCATION"),
    ("WEBEX_CALLING", "Numbers were added to a location.", "LOCATION"),
];

const USER_AGENT: &str = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36";

/// What follows the long text: `created`, the ids and their keys.
const TAIL_BYTES: usize = 350;

pub(super) fn write(mut draft: Draft<'_>) -> Written {
    let (category, description, target_type) = draft.pick(&KINDS);
    let (actor_id, actor_name, actor_email) = draft.person();
    let organization = draft.organization.clone();
    let category = if draft.is(Oddity::Spelling) { format!("EventCategory.{category}") } else { category.to_owned() };
    let target_type =
        if draft.is(Oddity::Spelling) { format!("TargetResourceType.{target_type}") } else { target_type.to_owned() };

    let mut data = JsonObject::new();
    if !draft.is(Oddity::Bare) {
        let tracking_id = format!("ATLAS_{}_{}", draft.uuid(), draft.dice.random_range(0..9));
        data = data
            .text("actorOrgName", &organization.name)
            .text("targetName", &organization.name)
            .text("actorName", &actor_name);
        data = if draft.is(Oddity::NullActor) {
            data.json("actorEmail", "null")
                .json("adminRoles", "[]")
                .json("actorIp", "null")
                .json("actorUserAgent", "null")
        } else {
            data.text("actorEmail", &actor_email)
                .json("adminRoles", r#"["User","Full_Admin","id_full_admin"]"#)
                .text("actorIp", &draft.address())
                .text("actorUserAgent", USER_AGENT)
        };
        data = data
            .text("trackingId", &tracking_id)
            .text("targetType", &target_type)
            .text("targetId", &STANDARD_NO_PAD.encode(draft.uuid()))
            .text("targetOrgId", &organization.id)
            .text("targetOrgName", &organization.name);
    }
    data = data.text("eventDescription", description).text("eventCategory", &category);
    if draft.is(Oddity::JsonInText) {
        data = data
            .text("settingKey", "retentionPolicyConfig")
            .text("settingValue", r#"{"messages": {"days": "9007199254740993"}, "note": "line1\nline2\t\"quoted\""}"#)
            .text("previousValue", "Null");
    }
    if draft.is(Oddity::Nested) {
        data = data
            .json("services", r#"[["webex-squared","ciscouc"],["spark-room"],[]]"#)
            .json("offerMap", r#"{"MS":["Webex Messaging"],"CO":[],"empty":{}}"#)
            .json(
                "changeSet",
                r#"[{"op":"add","path":"/numbers","value":["+15550100",["range",null,12.50,1e3,true]]}]"#,
            );
    }
    let prose = draft.prose(&format!("{actor_name}: {description}"), data.len() + TAIL_BYTES);
    let data = data.text("actionText", &prose).close();

    audit_item::write(draft, &data, actor_id, category)
}
