//! What a platform needs to know before it runs the plugin. No I/O, the same for every tenant.

use crate::api::DEFAULT_BASE_URL;
use crate::command::table::{TABLE as COMMANDS, Verb};
use crate::secret::SecretName;
use crate::settings::{Row, TABLE};
use crate::stream::{Stream, User};

/// The plugin in words and tables (`wit/collector.wit`, `description`).
#[derive(Clone, Debug)]
pub struct Description {
    /// Of the plugin.
    pub name: &'static str,
    /// Of the plugin.
    pub version: &'static str,
    /// Whose product.
    pub vendor: &'static str,
    /// Which product.
    pub product: &'static str,
    /// In the order of a form.
    pub settings: &'static [Row],
    /// Those that it asks the host for.
    pub secrets: Vec<SecretName>,
    /// Whom it acts as.
    pub users: Vec<UserDescription>,
    /// What it collects.
    pub streams: Vec<StreamDescription>,
    /// Where it goes if the setting named by `origin_setting` is absent.
    pub origins: Vec<&'static str>,
    /// Which setting says otherwise.
    pub origin_setting: Option<&'static str>,
    /// The steps of setting it up, in Markdown.
    pub help: &'static str,
}

/// A user.
#[derive(Clone, Debug)]
pub struct UserDescription {
    /// Which.
    pub user: User,
    /// What a sign-in asks for by default.
    pub scopes: Vec<&'static str>,
    /// Role, licence and steps of the account.
    pub prerequisites: &'static str,
    /// The commands that sign it in, in order.
    pub sign_in: Vec<&'static str>,
}

/// A stream.
#[derive(Clone, Debug)]
pub struct StreamDescription {
    /// Which.
    pub stream: Stream,
    /// For a form.
    pub title: &'static str,
    /// Whether it is collected where settings do not say otherwise.
    pub on_by_default: bool,
    /// One or two sentences.
    pub help: &'static str,
}

/// Describes the plugin.
pub fn describe() -> Description {
    Description {
        name: env!("CARGO_PKG_NAME"),
        version: env!("CARGO_PKG_VERSION"),
        vendor: "cisco",
        product: "webex",
        settings: TABLE,
        secrets: SecretName::all().collect(),
        users: User::ALL.into_iter().map(user).collect(),
        streams: Stream::ALL.into_iter().map(stream).collect(),
        origins: vec![DEFAULT_BASE_URL],
        origin_setting: Some("base_url"),
        help: HELP,
    }
}

fn user(user: User) -> UserDescription {
    let (scopes, prerequisites) = match user {
        User::Admin => (
            "admin_scopes",
            "A full administrator of the organization, best an account of its own: Webex limits requests per account. One \
             from before 2019 that never signed in to Control Hub does so once. For security audits the organization needs \
             Pro Pack and the Control Hub setting `Allow user authentication data`.",
        ),
        User::ComplianceOfficer => (
            "compliance_officer_scopes",
            "An account with the role Compliance Officer, which a full administrator gives in Control Hub. Without Pro Pack \
             it reads 90 days back.",
        ),
    };
    let default = TABLE.iter().find(|row| row.name == scopes).and_then(|row| row.default).unwrap_or_default();
    let sign_in = [Verb::OauthStart, Verb::OauthComplete, Verb::OauthTest];
    let name = |verb: &Verb| COMMANDS.iter().find(|spec| spec.verb == *verb).map(|spec| spec.name);
    UserDescription {
        user,
        scopes: default.split_whitespace().collect(),
        prerequisites,
        sign_in: sign_in.iter().filter_map(name).collect(),
    }
}

fn stream(stream: Stream) -> StreamDescription {
    let (title, on_by_default, help) = match stream {
        Stream::AdminAudits => {
            ("Admin audit events", true, "What administrators changed in Control Hub. Webex serves one year.")
        }
        Stream::SecurityAudits => (
            "Security audit events",
            false,
            "Sign-ins and sign-outs of users. Needs Pro Pack and `Allow user authentication data`. Webex serves one year.",
        ),
        Stream::Events => (
            "Compliance events",
            true,
            "Messages, memberships, spaces, meetings, calls and more, with their content. Webex serves 90 days, more with \
             Pro Pack.",
        ),
    };
    StreamDescription { stream, title, on_by_default, help }
}

const HELP: &str = include_str!("describe/help.md");

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn everything_that_the_help_names_exists() {
        let words = HELP.split('`').skip(1).step_by(2);
        let settings: Vec<&str> = TABLE.iter().map(|row| row.name).collect();
        let commands: Vec<&str> = COMMANDS.iter().map(|spec| spec.name).collect();
        let secrets: Vec<&str> = SecretName::all().map(SecretName::name).collect();
        let mut named = 0;
        for word in words {
            let first = word.split(' ').next().unwrap();
            if first.starts_with("user=") {
                assert!(first.trim_start_matches("user=").parse::<User>().is_ok(), "{word}");
            } else if first.starts_with("cisco-") || first.starts_with("test-") {
                assert!(commands.contains(&first), "{word}");
                named += 1;
            } else if first.contains('_') && !first.contains(':') {
                let is_user = first.parse::<User>().is_ok();
                assert!(is_user || settings.contains(&first) || secrets.contains(&first), "{word}");
                named += 1;
            }
        }
        assert!(named > 10, "{named}");
    }

    #[test]
    fn the_help_names_every_default_scope() {
        for user in describe().users {
            assert!(!user.scopes.is_empty() && user.sign_in.len() == 3);
            for scope in user.scopes {
                assert!(HELP.contains(scope), "{scope}");
            }
        }
    }

    #[test]
    fn the_setting_of_the_origin_exists_and_has_the_origin_as_default() {
        let description = describe();
        let row = TABLE.iter().find(|row| Some(row.name) == description.origin_setting).unwrap();
        assert_eq!(description.origins, [row.default.unwrap()]);
    }

    #[test]
    fn failures_name_commands_that_exist() {
        let remedy = crate::failure::Failure::sign_in(User::Admin, "x").remedy;
        for name in describe().users.remove(0).sign_in.iter().take(2) {
            assert!(remedy.contains(name), "{remedy}");
        }
    }
}
