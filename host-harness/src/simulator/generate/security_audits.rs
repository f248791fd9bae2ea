//! Security audits: sign-ins, good and bad, and sign-outs.

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
    Oddity::LongText,
    Oddity::Scripts,
    Oddity::Spelling,
];

const USER_AGENT: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36 Edg/131.0.0.0";

/// What follows the long text.
const TAIL_BYTES: usize = 380;

/// How a sign-in or sign-out went.
#[derive(Clone, Copy, Default)]
struct Outcome {
    description: &'static str,
    category: &'static str,
    method: Option<&'static str>,
    status: &'static str,
    /// One space where nothing failed, as captured.
    failed_reason: &'static str,
}

const SIGN_IN: &str = "A user attempted logging in";

const OUTCOMES: [Outcome; 4] = [
    Outcome {
        description: SIGN_IN,
        category: "LOGINS",
        method: Some("Password"),
        status: "SUCCESS",
        failed_reason: " ",
    },
    Outcome {
        description: SIGN_IN,
        category: "LOGINS",
        method: Some("Non-Interactive"),
        status: "SUCCESS",
        failed_reason: " ",
    },
    Outcome {
        description: SIGN_IN,
        category: "LOGINS",
        method: Some("Password"),
        status: "FAILURE",
        failed_reason: "Invalid Password.",
    },
    Outcome { description: "A user logged out", category: "LOGOUT", method: None, status: "N/A", failed_reason: " " },
];

pub(super) fn write(mut draft: Draft<'_>) -> Written {
    let outcome = draft.pick(&OUTCOMES);
    let (actor_id, actor_name, actor_email) = draft.person();
    let organization = draft.organization.clone();
    let category = if draft.is(Oddity::Spelling) {
        format!("EventCategory.{}", outcome.category)
    } else {
        outcome.category.to_owned()
    };

    let mut data = JsonObject::new();
    if !draft.is(Oddity::Bare) {
        let client = if draft.dice.random_ratio(1, 3) {
            "NA".to_owned()
        } else {
            format!("C{}", (0..4).map(|_| format!("{:016x}", draft.dice.random::<u64>())).collect::<String>())
        };
        let tracking_id = format!("IDB_{}_{}", draft.uuid(), draft.dice.random_range(0..9));
        data = data
            .text("actorOrgName", &organization.name)
            .text("actorName", &actor_name)
            .text("actorEmail", &actor_email)
            .text("trackingId", &tracking_id)
            .text("actorOauthClient", &client);
        if let Some(method) = outcome.method {
            data = data.text("authenticationMethod", method);
        }
        data = if draft.is(Oddity::NullActor) {
            data.json("actorIp", "null").json("actorUserAgent", "null")
        } else {
            data.text("actorIp", &draft.address()).text("actorUserAgent", USER_AGENT)
        };
        data = data.text("actorClientName", if client == "NA" { "NA" } else { "Webex Teams Desktop Client" });
    }
    data = data
        .text("eventDescription", outcome.description)
        .text("eventCategory", &category)
        .text("eventStatus", outcome.status)
        .text("failedReason", outcome.failed_reason);
    let prose = draft.prose(
        &format!("{actor_email}: {}. Login status: {}.", outcome.description, outcome.status),
        data.len() + TAIL_BYTES,
    );
    let data = data.text("actionText", &prose).close();

    audit_item::write(draft, &data, actor_id, category)
}
