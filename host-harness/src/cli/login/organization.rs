//! The organization whose events are read: found once the user is signed in, and written into the settings file.

use std::convert::Infallible;
use std::str::FromStr;

use serde_json::Value;

use super::Login;
use crate::cli::input::Lines;
use crate::cli::{CliError, output};
use crate::config::keys::{self, Key};
use crate::config::{self, Config};
use crate::runtime::{Command, User, in_words};
use crate::sign_in::Completed;

/// What `--org-id` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// The first that is listed.
    First,
    /// This one.
    Id(String),
}

impl FromStr for Choice {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(if text == "first" { Self::First } else { Self::Id(text.to_owned()) })
    }
}

/// One that the user sees.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    id: String,
    name: String,
}

/// Whether one is to be written, and how it is chosen.
pub(super) struct Organization {
    /// None: the user needs none, or has one.
    key: Option<&'static Key>,
    choice: Option<Choice>,
}

impl Organization {
    /// By the key `USER.org_id`, if there is one.
    pub(super) fn of(config: &Config, user: &User, choice: Option<Choice>) -> Result<Self, CliError> {
        let key = keys::of_path(&format!("{}.org_id", user.name));
        let is_set = |key: &Key| match key.target {
            keys::Target::Setting(name) => config.settings.contains_key(name),
            keys::Target::Secret(_) | keys::Target::Host => false,
        };
        match (key, &choice) {
            (None, Some(_)) => Err(CliError::Usage(format!("the {} needs no --org-id", user.title))),
            (Some(key), Some(_)) if is_set(key) => {
                let place = config.place_of_key(key);
                Err(CliError::Usage(format!("{place}: `{}` is set; empty it, or leave --org-id out", key.path)))
            }
            (key, _) => Ok(Self { key: key.filter(|key| !is_set(key)), choice }),
        }
    }

    /// Finds one and writes it, if that is wanted. Gives what was written.
    pub(super) async fn settle(
        self,
        login: &Login,
        completed: &Completed,
        lines: &mut Lines,
    ) -> Result<Option<String>, CliError> {
        let Some(key) = self.key else { return Ok(None) };
        let chosen = match self.choice {
            Some(Choice::Id(id)) => Some(id),
            Some(Choice::First) => seen(login, completed).await?.into_iter().next().map(|seen| seen.id),
            None => choose(login, seen(login, completed).await?, key, lines).await?,
        };
        let Some(id) = chosen else { return Ok(None) };
        let file = login.session.config.file();
        config::set_text(file, key, &id)?;
        output::words(&format!("`{}` is written into {}.", key.path, file.display()));
        Ok(Some(id))
    }
}

/// Those that the plugin lists, else that of the account. Why there is none is told.
async fn seen(login: &Login, completed: &Completed) -> Result<Vec<Seen>, CliError> {
    let tenant = &login.session.tenant;
    let mut seen = Vec::new();
    if let Some(command) = tenant.list_commands().await?.iter().find(|command| lists_organizations(command)) {
        match tenant.run_command(&command.name, &[]).await? {
            Ok(outcome) => seen = listed(&outcome.outputs),
            Err(failure) if completed.org_id.is_none() => {
                output::words(&format!("The organization has to be named in the settings file: {}", in_words(&failure)))
            }
            Err(_) => {}
        }
    }
    if let (true, Some(id)) = (seen.is_empty(), &completed.org_id) {
        seen.push(Seen { id: id.clone(), name: String::new() });
    }
    Ok(seen)
}

/// By what it gives, and that it can be run without a question.
fn lists_organizations(command: &Command) -> bool {
    command.arguments.iter().all(|argument| !argument.required)
        && command.outputs.iter().any(|output| output.path.ends_with(".Organization.id"))
}

/// `PRODUCT.Organization`, a list.
fn listed(outputs: &str) -> Vec<Seen> {
    let outputs: Value = serde_json::from_str(outputs).unwrap_or_default();
    let all = outputs.as_object().into_iter().flat_map(|all| all.values()).filter_map(|all| all.get("Organization"));
    let seen = |item: &Value| {
        let text = |name: &str| item.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        Seen { id: text("id"), name: text("displayName") }
    };
    all.filter_map(Value::as_array).flatten().map(seen).filter(|seen| !seen.id.is_empty()).collect()
}

/// Asks; where nobody can be asked, says what to do.
async fn choose(login: &Login, seen: Vec<Seen>, key: &Key, lines: &mut Lines) -> Result<Option<String>, CliError> {
    let shown = |seen: &Seen| output::shown(format!("{}  {}", seen.id, seen.name).trim_end());
    let file = login.session.config.file().display();
    for (number, seen) in (1..).zip(&seen) {
        output::words(&format!("{number:3}  {}", shown(seen)));
    }
    let question = match seen.len() {
        0 => return Ok(None),
        _ if !login.is_asked => {
            let path = key.path;
            output::words(&format!(
                "`{path}` is not in {file}: write it, or sign in with --org-id ID or --org-id first"
            ));
            return Ok(None);
        }
        1 => format!("Write it into {file} as `{}`? [y/N]", key.path),
        _ => format!("Which one is to be `{}` in {file}? Its number, or nothing for none:", key.path),
    };
    output::words(&question);
    Ok(picked(seen, &lines.answer().await?))
}

/// A yes to the only one, or the number of one of several.
fn picked(mut seen: Vec<Seen>, answer: &str) -> Option<String> {
    let at = match (seen.len(), answer.to_ascii_lowercase().as_str()) {
        (1, "y" | "yes") => 0,
        (1, _) => return None,
        (_, number) => number.parse::<usize>().ok()?.checked_sub(1)?,
    };
    (at < seen.len()).then(|| seen.swap_remove(at).id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_only_one_needs_a_yes_and_of_several_a_number_is_needed() {
        let seen =
            |ids: &[&str]| ids.iter().map(|id| Seen { id: (*id).into(), name: String::new() }).collect::<Vec<_>>();
        for (answer, want) in [("y", Some("a")), ("YES", Some("a")), ("", None), ("1", None), ("no", None)] {
            assert_eq!(picked(seen(&["a"]), answer).as_deref(), want, "{answer}");
        }
        for (answer, want) in [("1", Some("a")), ("2", Some("b")), ("", None), ("0", None), ("3", None), ("y", None)] {
            assert_eq!(picked(seen(&["a", "b"]), answer).as_deref(), want, "{answer}");
        }
        assert_eq!(picked(Vec::new(), "1"), None);
    }

    #[test]
    fn organizations_are_found_whatever_the_product() {
        let outputs =
            r#"{"Product":{"Organization":[{"id":"a","displayName":"One"},{"displayName":"no id"},{"id":"b"}]}}"#;
        let names: Vec<_> = listed(outputs).into_iter().map(|seen| (seen.id, seen.name)).collect();
        assert_eq!(names, [("a".to_owned(), "One".to_owned()), ("b".to_owned(), String::new())]);
        assert_eq!(listed("[]"), []);
    }
}
