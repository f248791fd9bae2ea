//! Which endpoint asks for which scope and role, and the small endpoints' answers.

use http::StatusCode;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::super::answer::{Answer, Refusal};
use super::super::endpoint::Endpoint;
use super::super::faults::too_many_requests;
use super::super::generate::{Organization, hydra_id};
use super::super::oauth::{Bearer, Role, Subject};
use super::super::params::Params;
use super::super::stream::Stream;
use super::{Asked, Tenant};

/// Categories that sources name; the real list is longer and grows.
const EVENT_CATEGORIES: [&str; 12] = [
    "CONTACT_CENTER",
    "CUSTOMERS",
    "DEVICES",
    "LICENSE",
    "LOCATIONS",
    "LOGINS",
    "LOGOUT",
    "ORG_SETTINGS",
    "ROLES",
    "SERVICE_APPS",
    "USERS",
    "WEBEX_CALLING",
];

const AUDIT_SCOPES: &[&str] = &["audit:events_read"];
const EVENT_SCOPES: &[&str] = &["spark-compliance:events_read"];
/// Sources differ in the name; either is taken.
const ORGANIZATION_SCOPES: &[&str] = &["spark-admin:organizations_read", "spark:organizations_read"];
const PEOPLE_SCOPES: &[&str] = &["spark:people_read", "spark-admin:people_read"];

/// The role without which a scope is of no use.
pub(super) fn role_of(scope: &str) -> Option<Role> {
    if AUDIT_SCOPES.contains(&scope) {
        Some(Role::FullAdmin)
    } else if EVENT_SCOPES.contains(&scope) {
        Some(Role::ComplianceOfficer)
    } else {
        None
    }
}

impl Tenant {
    pub(super) fn route(&mut self, asked: &Asked<'_>) -> Result<Answer, Refusal> {
        let &Asked { request, endpoint, params, bearer, fault, tracking_id } = asked;
        match endpoint {
            Endpoint::Authorize => return Ok(self.authorize_page(request, params)),
            Endpoint::AccessToken => return Ok(self.token_answer(request, tracking_id)),
            _ => {}
        }
        let Bearer::Valid(subject) = bearer else {
            return Err(Refusal::unauthorized());
        };
        if let Some(limit) = &self.settings.rate_limit {
            let now_ms = self.settings.clock.now_ms();
            if let Err(retry_after) = self.calls.take(limit, &subject.account, now_ms) {
                return Ok(match retry_after.header(now_ms) {
                    Some(value) => too_many_requests().header("retry-after", value),
                    None => too_many_requests(),
                });
            }
        }
        match endpoint {
            Endpoint::AdminAudits | Endpoint::SecurityAudits | Endpoint::Events => {
                let Some(stream) = endpoint.stream() else {
                    return Err(Refusal::unauthorized());
                };
                let (scopes, role) = match stream {
                    Stream::AdminAudits | Stream::SecurityAudits => (AUDIT_SCOPES, Role::FullAdmin),
                    Stream::Events => (EVENT_SCOPES, Role::ComplianceOfficer),
                };
                self.may(subject, scopes, Some(role))?;
                self.list_answer(stream, params, request, fault)
            }
            Endpoint::EventById => {
                self.may(subject, EVENT_SCOPES, Some(Role::ComplianceOfficer))?;
                self.event_by_id(&request.path)
            }
            Endpoint::EventCategories => {
                self.may(subject, AUDIT_SCOPES, Some(Role::FullAdmin))?;
                Ok(Answer::json(StatusCode::OK, json!({ "eventCategories": EVENT_CATEGORIES }).to_string()))
            }
            Endpoint::Organizations => {
                self.may(subject, ORGANIZATION_SCOPES, None)?;
                let own = std::iter::once(&self.settings.organization);
                let all = own.chain(self.customers.iter().map(|customer| &customer.organization));
                let item = |organization: &Organization| {
                    json!({
                        "id": organization.id,
                        "displayName": organization.name,
                        "created": "2020-01-01T00:00:00.000Z",
                    })
                };
                let items: Vec<_> = all.map(item).collect();
                Ok(Answer::json(StatusCode::OK, json!({ "items": items }).to_string()))
            }
            Endpoint::PeopleMe => {
                self.may(subject, PEOPLE_SCOPES, None)?;
                Ok(self.person(subject))
            }
            Endpoint::Authorize | Endpoint::AccessToken | Endpoint::Other => Err(Refusal::unauthorized()),
        }
    }

    /// Whether a token has one of the scopes, and its account the role.
    fn may(&self, subject: &Subject, scopes: &[&str], role: Option<Role>) -> Result<(), Refusal> {
        if !scopes.iter().any(|&scope| subject.scopes.contains(scope)) {
            return Err(Refusal::missing_scope());
        }
        let account = self.settings.accounts.iter().find(|account| account.name == subject.account);
        let has_role = role.is_none_or(|role| account.is_some_and(|account| account.roles.contains(&role)));
        if has_role { Ok(()) } else { Err(Refusal::missing_role()) }
    }

    fn event_by_id(&self, path: &str) -> Result<Answer, Refusal> {
        let id = decoded(path.rsplit('/').next().unwrap_or_default());
        let fails_one_in = self.settings.event_by_id_fails_one_in;
        self.store
            .by_id(&id, self.now_ms())
            .filter(|_| fails_one_in == 0 || !lot(&id).is_multiple_of(fails_one_in))
            .map(|raw| Answer::json(StatusCode::OK, raw.to_owned()))
            .ok_or_else(|| Refusal::new(StatusCode::NOT_FOUND, "Event not found."))
    }

    fn person(&self, subject: &Subject) -> Answer {
        let account = self.settings.accounts.iter().find(|account| account.name == subject.account);
        let number = lot(&subject.account);
        let body = json!({
            "id": hydra_id("PEOPLE", &format!("00000000-0000-4000-9000-{number:012x}")),
            "emails": account.map(|account| vec![account.email.clone()]),
            "displayName": subject.account,
            "orgId": self.settings.organization.id,
            "type": "person",
        });
        Answer::json(StatusCode::OK, body.to_string())
    }
}

/// A segment of a path without its percent signs. Unlike in a query, `+` and `&` stand for themselves.
fn decoded(segment: &str) -> String {
    let value = segment.replace('+', "%2B").replace('&', "%26");
    Params::parse(&format!("segment={value}")).get("segment").unwrap_or_default().to_owned()
}

/// A number that a text always draws.
fn lot(text: &str) -> u32 {
    Sha256::digest(text).iter().take(4).fold(0, |number, &byte| (number << 8) | u32::from(byte))
}
