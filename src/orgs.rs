//! Which organizations' audits are read: one, several that a partner's admin sees, or all of them.

use serde::Deserialize;
use serde_json::Value;

use crate::answer::Verdict;
use crate::client::{Client, Trouble};
use crate::effect::{Io, Response};
use crate::failure::{Code, Failure};
use crate::settings::Settings;
use crate::stream::User;
use crate::time::Timestamp;

/// Organizations of one user: each is some requests in every call, and some hundred bytes of state.
pub const MOST_ORGS: usize = 256;

/// What stands for all of them.
const ALL: &str = "all";

/// The scope that listing organizations needs (`webex-api` 1.6).
const SCOPE: &str = "spark-admin:organizations_read";

/// The setting `admin_org_id`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Orgs {
    /// None is named.
    #[default]
    None,
    /// This one.
    One(String),
    /// These, each by itself.
    Several(Vec<String>),
    /// All that the admin sees, as Webex lists them.
    All,
}

impl Orgs {
    /// Reads ids with commas between them, or `all`.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        let mut ids: Vec<String> = Vec::new();
        for id in text.split(',').map(str::trim).filter(|id| !id.is_empty()) {
            if !ids.iter().any(|known| known == id) {
                ids.push(id.to_owned());
            }
        }
        if ids.len() > MOST_ORGS {
            return Err(too_many(ids.len()));
        }
        Ok(match ids.as_slice() {
            [] => Self::None,
            [one] if one.eq_ignore_ascii_case(ALL) => Self::All,
            [one] => Self::One(one.clone()),
            _ if ids.iter().any(|id| id.eq_ignore_ascii_case(ALL)) => {
                let problem = "names organizations beside `all`";
                return Err(Failure::setting(SETTING, problem, "write `all` alone, or ids alone"));
            }
            _ => Self::Several(ids),
        })
    }

    /// The only one there is.
    pub fn only(&self) -> Option<&str> {
        if let Self::One(id) = self { Some(id) } else { None }
    }

    /// Those that are named; of all, those that were `listed`.
    pub fn ids<'a>(&'a self, listed: &'a [String]) -> &'a [String] {
        match self {
            Self::None => &[],
            Self::One(id) => std::slice::from_ref(id),
            Self::Several(ids) => ids,
            Self::All => listed,
        }
    }

    /// A failure where none is named.
    pub fn required(&self) -> Result<(), Failure> {
        let remedy = "set it to the id of your organization; `cisco-webex-list-organizations` finds it";
        if *self == Self::None { Err(Failure::setting(SETTING, "is missing", remedy)) } else { Ok(()) }
    }
}

const SETTING: &str = "admin_org_id";

fn too_many(count: usize) -> Failure {
    let problem = format!("stands for {count} organizations, and {MOST_ORGS} are read at most");
    Failure::setting(SETTING, problem, "name those of one user in several tenants, each with a state of its own")
}

/// What Webex listed, and from when on it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Their ids.
    pub ids: Vec<String>,
    /// By this machine's clock; later, where it could not be listed again since, so that not every call asks for it.
    pub at: Timestamp,
}

/// An organization as Webex lists it; what is no text in it is left out.
#[derive(Clone, Debug)]
pub struct Organization {
    /// For `admin_org_id`.
    pub id: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// When it was made, as listed.
    pub created: Option<String>,
}

#[derive(Deserialize)]
struct Organizations {
    items: Option<Vec<Value>>,
}

/// The organizations that the admin sees; not paged (`webex-api` 1.6).
pub async fn list(io: &Io, settings: &Settings, client: &Client) -> Result<Vec<Organization>, Failure> {
    let what = "listing organizations";
    let answer = client.get(settings.api.endpoint("organizations")).await;
    let response: Response = answer.map_err(|trouble| {
        let failure = trouble.failure(what, User::Admin, io.now());
        match trouble {
            Trouble::Answer(Verdict::Refused(_) | Verdict::Unauthorized(_)) => Failure {
                remedy: format!(
                    "add {SCOPE} to the integration on developer.webex.com and to `admin_scopes`, and sign the admin in \
                     again; or copy the organization id from Control Hub, where it stands under Account"
                ),
                ..failure
            },
            _ => failure,
        }
    })?;
    let items = read::<Organizations>(&response, what)?.items.unwrap_or_default();
    let text = |item: &Value, name: &str| item.get(name).and_then(Value::as_str).map(str::to_owned);
    let one = |item: &Value| Organization {
        id: text(item, "id"),
        name: text(item, "displayName"),
        created: text(item, "created"),
    };
    Ok(items.iter().map(one).collect())
}

/// A list that the admin asked for.
pub(crate) fn read<'a, T: Deserialize<'a>>(response: &'a Response, what: &str) -> Result<T, Failure> {
    serde_json::from_slice(&response.body).map_err(|error| {
        let message = format!("{what}: the answer is not what Webex documents: {:?} error", error.classify());
        Failure::new(Code::NotUnderstood, message, "try again; if it stays so, report it").of_user(User::Admin)
    })
}

/// The ids of those, as [`Orgs::All`] stands for them.
pub async fn list_ids(io: &Io, settings: &Settings, client: &Client) -> Result<Vec<String>, Failure> {
    let mut ids: Vec<String> = Vec::new();
    for id in list(io, settings, client).await?.into_iter().filter_map(|org| org.id) {
        if !id.trim().is_empty() && !ids.contains(&id) {
            ids.push(id);
        }
    }
    match ids.len() {
        0 => Err(Failure::setting(SETTING, "is `all`, and the admin sees no organization", "see the admin's roles")),
        count if count > MOST_ORGS => Err(too_many(count)),
        _ => Ok(ids),
    }
}

/// Those that a command asks about: those that are named, of all those that Webex lists now.
pub async fn asked(io: &Io, settings: &Settings, client: &Client) -> Result<Vec<String>, Failure> {
    match &settings.orgs {
        Orgs::All => list_ids(io, settings, client).await,
        named => Ok(named.ids(&[]).to_vec()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn it_is_one_id_several_or_all() {
        let some = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
        assert_eq!(Orgs::parse(" ").unwrap(), Orgs::None);
        assert_eq!(Orgs::parse("a").unwrap(), Orgs::One("a".to_owned()));
        assert_eq!(Orgs::parse("a, a ,").unwrap(), Orgs::One("a".to_owned()));
        assert_eq!(Orgs::parse("b,a").unwrap(), Orgs::Several(some(&["b", "a"])));
        assert_eq!(Orgs::parse("All").unwrap(), Orgs::All);
        assert!(Orgs::parse("all,a").unwrap_err().message.contains("beside `all`"));
        let many: Vec<String> = (0..=MOST_ORGS).map(|n| n.to_string()).collect();
        assert!(Orgs::parse(&many.join(",")).unwrap_err().message.contains("257 organizations"));
    }
}
