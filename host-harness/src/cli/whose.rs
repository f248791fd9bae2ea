//! Whose command it is: the one tenant's, one of many tenants', or all of theirs.

use serde_json::json;

use super::session;
use super::{CliError, Exit, Global, output};
use crate::config::{ALL, Config, Setup, TenantName, Tenants, nearest};
use crate::runtime::Plugin;

/// Before what a tenant's answer says, below its name.
pub(super) const INDENT: &str = "  ";
/// Names that an error lists.
const LISTED: usize = 10;

/// Those whom a command is for.
#[allow(clippy::large_enum_variant, reason = "there is one of them, at the start")]
pub(super) enum Whose {
    /// Of one, by `--tenant` where there are many.
    One(Box<Config>),
    /// Of all.
    All(Tenants),
}

impl Whose {
    /// By the settings file and `--tenant`. Where there are many tenants and none is named: `by_default` says whether all are meant.
    pub(super) fn of(global: &Global, by_default: Default) -> Result<Self, CliError> {
        let (tenants, name) = match (Setup::load(&global.config)?, global.tenant.as_deref()) {
            (Setup::One(config), None) => return Ok(Self::One(config)),
            (Setup::One(_), Some(_)) => {
                let file = global.config.display();
                return Err(CliError::Usage(format!("{file} is of one tenant, which has no name; leave --tenant out")));
            }
            (Setup::Many(tenants), Some(ALL)) => return Ok(Self::All(tenants)),
            (Setup::Many(tenants), None) if by_default == Default::All => return Ok(Self::All(tenants)),
            (Setup::Many(tenants), name) => (tenants, name),
        };
        let names: Vec<TenantName> = tenants.list()?.tenants.into_keys().collect();
        let known = names.iter().map(TenantName::as_str);
        match name {
            None => Err(CliError::Usage(format!("name a tenant with --tenant NAME; {}", listed(&tenants, &names)))),
            Some(name) => match names.iter().find(|known| known.as_str() == name) {
                Some(name) => Ok(Self::One(Box::new(tenants.config(name)?))),
                None => {
                    let hint = nearest::hint(name, known);
                    Err(CliError::Usage(format!("there is no tenant `{name}`{hint}; {}", listed(&tenants, &names))))
                }
            },
        }
    }
}

impl Whose {
    /// The component for them.
    pub(super) fn plugin(&self, global: &Global) -> Result<Plugin, CliError> {
        match self {
            Self::One(config) => session::compiled(global, &config.host_dir, &config.secrets_key),
            Self::All(tenants) => session::compiled(global, tenants.host_dir(), tenants.secrets_key()),
        }
    }
}

/// Who is meant if nobody is named.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Default {
    /// All tenants.
    All,
    /// Nobody: that is an error.
    Nobody,
}

fn listed(tenants: &Tenants, names: &[TenantName]) -> String {
    let dir = tenants.dir().display();
    if names.is_empty() {
        return format!("{dir} holds none: write a file NAME.toml there for each");
    }
    let shown: Vec<&str> = names.iter().take(LISTED).map(TenantName::as_str).collect();
    let more = names.len() - shown.len();
    let and_more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{dir} holds {}{and_more}", shown.join(", "))
}

/// What a command came to for one tenant, before it is written.
pub(super) struct Answer {
    pub(super) exit: Exit,
    /// For people.
    pub(super) text: String,
    /// For scripts: the text of a JSON value, which goes out as it is.
    pub(super) json: String,
}

/// Does something for each tenant, one after the other, and writes what came of it under its name. One that fails does not keep the
/// others from theirs.
pub(super) async fn each(
    global: &Global,
    tenants: &Tenants,
    mut answer: impl AsyncFnMut(Config) -> Result<Answer, CliError>,
) -> Result<Exit, CliError> {
    let listing = tenants.list()?;
    let names: Vec<TenantName> = listing.tenants.into_keys().collect();
    if names.is_empty() && listing.refused.is_empty() {
        return Err(CliError::Usage(listed(tenants, &names)));
    }
    let (mut exits, mut all) = (Vec::new(), Vec::new());
    for path in listing.refused {
        let error = CliError::from(crate::config::ConfigError::TenantName(path));
        output::error(&error, global.json);
        exits.push(error.exit());
    }
    for name in names {
        let answered = match tenants.config(&name) {
            Ok(config) => answer(config).await,
            Err(error) => Err(error.into()),
        };
        let answered = answered.unwrap_or_else(|error| {
            let json = json!({"error": error.as_json()}).to_string();
            Answer { exit: error.exit(), text: format!("error: {}\n", error.line()), json }
        });
        exits.push(answered.exit);
        if global.json {
            all.push(format!("\"{name}\": {}", answered.json.trim()));
        } else {
            let indented: String = answered.text.lines().map(|line| format!("{INDENT}{line}\n")).collect();
            output::report(&output::headed(&format!("{name}\n{indented}")))?;
        }
    }
    if global.json {
        output::report(&format!("{{\n{}\n}}", all.join(",\n")))?;
    }
    Ok(Exit::of_many(&exits))
}
