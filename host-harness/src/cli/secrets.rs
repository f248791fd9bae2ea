//! `secrets`: what is kept under which name and since when, and the key that seals it. Never a value.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::whose::{self, Answer, Default, Whose};
use super::{CliError, Exit, Global, input, output};
use crate::config::{Config, keys, nearest};
use crate::runtime::{Plugin, SecretUse, time};
use crate::secrets::{KeySource, SealedFile, Supplied, blocking, now};
use crate::tenants;

#[derive(Debug, Args)]
pub(super) struct Options {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Names, ages and purposes of what is kept; never values
    List,
    /// Keep a secret in the store; its value is read from standard input
    Set {
        /// Its name, as `list --json` or `inspect` shows it
        name: String,
    },
    /// Delete a secret from the store
    Delete {
        /// Its name
        name: String,
    },
    /// Seal the store with a new key
    ///
    /// Without --from the new key is made here and takes the place of the old one. With --from the store is opened with the key
    /// that is there and sealed with the one that webex.toml names: to move a key, or after a change of a variable.
    Rekey {
        /// Where the old key is: file:PATH, env:NAME or keyring
        #[arg(long, value_name = "PLACE")]
        from: Option<KeySource>,
    },
}

pub(super) async fn run(global: &Global, options: Options) -> Result<Exit, CliError> {
    let action = options.action.unwrap_or(Action::List);
    let whose = Whose::of(global, Default::Nobody)?;
    let plugin = || whose.plugin(global);
    match (&whose, action) {
        (Whose::One(config), Action::List) => {
            let answer = list(&plugin()?, config).await?;
            if global.json {
                output::result(&answer.json)?;
            } else if answer.text.is_empty() {
                output::words(NONE);
            } else {
                output::result(&answer.text)?;
            }
            Ok(answer.exit)
        }
        (Whose::One(config), Action::Set { name }) => set(global, &plugin()?, config, name).await,
        (Whose::One(config), Action::Delete { name }) => delete(global, tenants::store(config)?, name).await,
        (Whose::One(config), Action::Rekey { from }) => {
            let (text, json) = rekey(tenants::store(config)?, from.clone()).await?;
            output::words(&text);
            output::words(&whereabouts(from, &config.secrets_key));
            done(global, &json)
        }
        (Whose::All(all), Action::List) => {
            let plugin = plugin()?;
            let listed = async |config: Config| {
                let mut answer = list(&plugin, &config).await?;
                if answer.text.is_empty() {
                    answer.text = format!("{NONE}\n");
                }
                Ok(answer)
            };
            whose::each(global, all, listed).await
        }
        (Whose::All(all), Action::Rekey { from }) => {
            let rekeyed = async |config: Config| {
                let (text, json) = rekey(tenants::store(&config)?, from.clone()).await?;
                Ok(Answer { exit: Exit::Done, text, json: json.to_string() })
            };
            whose::each(global, all, rekeyed).await
        }
        (Whose::All(_), Action::Set { .. } | Action::Delete { .. }) => {
            Err(CliError::Usage("a secret is of one tenant; name it with --tenant NAME".to_owned()))
        }
    }
}

/// What is said where nothing is kept.
const NONE: &str = "no secret is kept yet";

/// One line of the list.
struct Row {
    name: String,
    /// In the store, or else in the settings file.
    in_store: bool,
    written: Option<i64>,
    /// Whether the plugin gets it.
    used: bool,
    what: String,
}

async fn list(plugin: &Plugin, config: &Config) -> Result<Answer, CliError> {
    let described = plugin.describe().await?.secrets;
    let store = tenants::store(config)?;
    let kept = blocking(&store, SealedFile::list).await?;
    let mut kept: BTreeMap<String, Option<i64>> =
        kept.into_iter().map(|listed| (listed.name, listed.written)).collect();
    let mut rows = Vec::new();
    for secret in described {
        let supplied = config.secrets.get(&secret.name);
        let row = |in_store, written, used| {
            let (name, what) = (secret.name.clone(), secret.help.clone());
            Row { name, in_store, written, used, what }
        };
        if let Some(Supplied::Value(_)) = supplied {
            rows.push(row(false, None, true));
        }
        if let Some(written) = kept.remove(&secret.name) {
            rows.push(row(true, written, secret.written || supplied == Some(&Supplied::InStore)));
        }
    }
    let what = || "Not of this plugin.".to_owned();
    rows.extend(kept.into_iter().map(|(name, written)| Row {
        name,
        in_store: true,
        written,
        used: false,
        what: what(),
    }));

    let now = now();
    let text = if rows.is_empty() { String::new() } else { output::shown(&in_words(&rows, config, now)) };
    let json = rows.iter().map(|row| as_json(row, now)).collect::<serde_json::Value>();
    Ok(Answer { exit: Exit::Done, text, json: format!("{json:#}") })
}

/// What was done was said in words; programs get it as a result.
fn done(global: &Global, json: &Value) -> Result<Exit, CliError> {
    if global.json {
        output::json(json)?;
    }
    Ok(Exit::Done)
}

async fn set(global: &Global, plugin: &Plugin, config: &Config, name: String) -> Result<Exit, CliError> {
    let store = tenants::store(config)?;
    let described = plugin.describe().await?.secrets;
    known(&described, &name)?;
    // What keeps it from being stored is told before it is typed.
    blocking(&store, SealedFile::ready).await?;
    let value = input::secret(&name)?;
    if value.expose().chars().any(char::is_control) {
        return Err(CliError::Usage(format!("the value of `{name}` must be one line of text")));
    }
    let kept = name.clone();
    blocking(&store, move |store| store.set(&kept, value)).await?;
    output::words(&format!("`{name}` is kept in {}, sealed with the key in {}", store.path().display(), store.place()));
    if config.secrets.get(&name) != Some(&Supplied::InStore)
        && let Some((table, key)) = keys::of_secret(&name).map(|key| key.parts())
    {
        let file = config.file().display();
        output::words(&format!("to use it, write `{key} = {{ store = true }}` under [{table}] in {file}"));
    }
    let is_used = config.secrets.get(&name) == Some(&Supplied::InStore);
    done(global, &json!({"set": name, "used": is_used}))
}

/// A name that a person may set.
fn known(described: &[SecretUse], name: &str) -> Result<(), CliError> {
    let of_person = described.iter().filter(|secret| !secret.written).map(|secret| secret.name.as_str());
    match described.iter().find(|secret| secret.name == name) {
        Some(secret) if secret.written => Err(CliError::Usage(format!(
            "`{name}` is written by the plugin alone, when a user signs in; see `webex-collector commands`"
        ))),
        Some(_) => Ok(()),
        None => {
            let hint = nearest::hint(name, of_person.clone());
            let all: Vec<&str> = of_person.collect();
            Err(CliError::Usage(format!("the plugin knows no secret `{name}`{hint}; there are {}", all.join(", "))))
        }
    }
}

async fn delete(global: &Global, store: Arc<SealedFile>, name: String) -> Result<Exit, CliError> {
    let kept = name.clone();
    if !blocking(&store, move |store| store.delete(&kept)).await? {
        let names = blocking(&store, SealedFile::list).await?;
        let hint = nearest::hint(&name, names.iter().map(|listed| listed.name.as_str()));
        return Err(CliError::Usage(format!("no secret `{name}` is kept in {}{hint}", store.path().display())));
    }
    output::words(&format!("`{name}` is deleted"));
    done(global, &json!({"deleted": name}))
}

async fn rekey(store: Arc<SealedFile>, from: Option<KeySource>) -> Result<(String, Value), CliError> {
    let rekeyed = blocking(&store, move |store| store.rekey(from.as_ref())).await?;
    let text = format!(
        "{} secrets in {} are sealed with the key {} in {}",
        rekeyed.secrets,
        store.path().display(),
        rekeyed.key,
        store.place()
    );
    let key = rekeyed.key.to_string();
    Ok((text, json!({"secrets": rekeyed.secrets, "key": key, "place": store.place().to_string()})))
}

/// What has become of the old key.
fn whereabouts(from: Option<KeySource>, place: &KeySource) -> String {
    match from.filter(|from| from != place) {
        None => "the old key is gone from there; it opens only copies that were made before".to_owned(),
        Some(from) => format!("the old key is still in {from}; it opens only copies that were made before: delete it"),
    }
}

fn in_words(rows: &[Row], config: &Config, now: i64) -> String {
    let width = rows.iter().map(|row| row.name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for row in rows {
        let place = match (row.in_store, keys::of_secret(&row.name)) {
            (true, _) if row.used => "store".to_owned(),
            (true, _) => "store, not used".to_owned(),
            (false, Some(key)) => config.place_of_key(key),
            (false, None) => config.file().display().to_string(),
        };
        let written = match row.written {
            Some(written) => format!("{}, {} ago", time(written), age(now - written)),
            None => "-".to_owned(),
        };
        let _ = writeln!(text, "{:width$}  {place:16}  {written:34}  {}", row.name, row.what);
    }
    text
}

/// In its largest unit, rounded down.
fn age(ms: i64) -> String {
    let seconds = Duration::from_millis(u64::try_from(ms).unwrap_or(0)).as_secs();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m", seconds / 60),
        3_600..86_400 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

fn as_json(row: &Row, now: i64) -> serde_json::Value {
    json!({
        "name": row.name,
        "kept": if row.in_store { "store" } else { "settings" },
        "used": row.used,
        "written": row.written.map(time),
        "age_ms": row.written.map(|written| (now - written).max(0)),
        "what": row.what,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_told_in_its_largest_unit() {
        let minute = 60_000;
        for (ms, want) in [
            (-5, "0s"),
            (0, "0s"),
            (59_999, "59s"),
            (minute, "1m"),
            (60 * minute - 1, "59m"),
            (60 * minute, "1h"),
            (24 * 60 * minute, "1d"),
            (400 * 24 * 60 * minute, "400d"),
        ] {
            assert_eq!(age(ms), want, "{ms}");
        }
    }
}
