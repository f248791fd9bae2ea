//! From what was typed to a [`Command`]: the one place where names of commands and arguments are matched.

use std::collections::BTreeMap;

use super::table::{Argument, ArgumentKind, MOST_EVENTS, Spec, TABLE, Verb};
use super::{Command, GetEvents};
use crate::failure::{Code, Failure};
use crate::secret::Secret;
use crate::stream::User;
use crate::time::{Span, Timestamp};

/// Reads a command. `now` is what times such as `3 hours ago` count from.
pub fn read(name: &str, args: Vec<(String, String)>, now: Timestamp) -> Result<Command, Failure> {
    let Some(spec) = TABLE.iter().find(|spec| spec.name == name) else {
        let names: Vec<&str> = TABLE.iter().map(|spec| spec.name).collect();
        let remedy = suggestion(name, &names, "commands");
        return Err(Failure::new(Code::InvalidArgument, format_args!("command `{name}` is not known"), remedy));
    };
    let values = Values::new(spec, args, now)?;
    Ok(match spec.verb {
        Verb::OauthStart => Command::OauthStart(values.user()?),
        Verb::OauthComplete => Command::OauthComplete(values.user()?, Secret::new(values.text("code")?)),
        Verb::OauthTest => Command::OauthTest(values.user()?),
        Verb::GetEvents(stream) => Command::GetEvents(GetEvents {
            stream,
            should_push: values.boolean("should_push_events")?,
            limit: values.integer("limit", 1, MOST_EVENTS)?,
            since: values.timestamp("since_datetime")?,
        }),
        Verb::ListOrganizations => Command::ListOrganizations,
        Verb::ListEventCategories => Command::ListEventCategories,
        Verb::GetEvent => Command::GetEvent(values.text("id")?),
        Verb::Status => Command::Status,
        Verb::TestModule => Command::TestModule,
    })
}

/// The texts of one call, known names only. An empty value counts as absent.
struct Values {
    spec: &'static Spec,
    texts: BTreeMap<&'static str, String>,
    now: Timestamp,
}

impl Values {
    fn new(spec: &'static Spec, args: Vec<(String, String)>, now: Timestamp) -> Result<Self, Failure> {
        let mut texts = BTreeMap::new();
        for (name, value) in args {
            let Some(argument) = spec.arguments.iter().find(|argument| argument.name == name) else {
                let names: Vec<&str> = spec.arguments.iter().map(|argument| argument.name).collect();
                let problem = format!("is not known to `{}`", spec.name);
                return Err(Failure::argument(&name, problem, suggestion(&name, &names, "arguments")));
            };
            let value = value.trim();
            if !value.is_empty() && texts.insert(argument.name, value.to_owned()).is_some() {
                return Err(Failure::argument(argument.name, "is given twice", "give it once"));
            }
        }
        Ok(Self { spec, texts, now })
    }

    /// What was typed, or the default.
    fn text(&self, name: &'static str) -> Result<String, Failure> {
        let default = || self.argument(name).and_then(|argument| argument.default).map(str::to_owned);
        self.texts.get(name).cloned().or_else(default).ok_or_else(|| {
            Failure::argument(
                name,
                format!("of `{}` is missing", self.spec.name),
                format!("as in: {}", self.spec.example),
            )
        })
    }

    fn argument(&self, name: &str) -> Option<&'static Argument> {
        self.spec.arguments.iter().find(|argument| argument.name == name)
    }

    fn user(&self) -> Result<User, Failure> {
        self.text("user")?.parse::<User>().map_err(|_| {
            let known = self.argument("user").map(|argument| argument.kind);
            let known =
                if let Some(ArgumentKind::Choice(choices)) = known { choices.join(" or ") } else { String::new() };
            Failure::argument("user", "names no user", format!("write {known}"))
        })
    }

    fn boolean(&self, name: &'static str) -> Result<bool, Failure> {
        // `yes` and `no` are what the Cortex collector's playbooks may hold.
        match self.text(name)?.to_ascii_lowercase().as_str() {
            "true" | "yes" => Ok(true),
            "false" | "no" => Ok(false),
            _ => Err(Failure::argument(name, "is neither true nor false", "write true or false")),
        }
    }

    fn integer(&self, name: &'static str, min: u32, max: u32) -> Result<u32, Failure> {
        let number = self.text(name)?.parse::<u32>().ok().filter(|number| (min..=max).contains(number));
        number.ok_or_else(|| Failure::argument(name, format!("is no number from {min} to {max}"), "write one, as 50"))
    }

    fn timestamp(&self, name: &'static str) -> Result<Timestamp, Failure> {
        let text = self.text(name)?;
        let ago = || text.strip_suffix("ago").and_then(Span::parse).map(|span| self.now - span);
        Timestamp::parse_lenient(&text)
            .or_else(ago)
            .ok_or_else(|| Failure::argument(name, "is no time", "write it as 2026-01-31T10:00:00Z or `3 hours ago`"))
    }
}

/// The nearest known name, or all of them.
fn suggestion(name: &str, known: &[&str], what: &str) -> String {
    /// Longest name that is compared; the table's own are far shorter.
    const LONGEST: usize = 100;
    if known.is_empty() {
        return format!("it takes no {what}");
    }
    let nearest = known.iter().filter(|_| name.len() <= LONGEST).min_by_key(|known| distance(name, known));
    match nearest {
        Some(nearest) if distance(name, nearest) <= nearest.len() / 2 => {
            format!("did you mean `{nearest}`? There are the {what} {}", known.join(", "))
        }
        _ => format!("there are the {what} {}", known.join(", ")),
    }
}

/// How many characters have to be put in, left out or changed to come from one to the other.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.chars().enumerate() {
        let mut next = vec![i + 1];
        for ((b, above_left), above) in other.iter().zip(&row).zip(row.iter().skip(1)) {
            let left = next.last().copied().unwrap_or_default();
            let change = above_left + usize::from(a.to_ascii_lowercase() != *b);
            next.push(change.min(above + 1).min(left + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;
    use crate::fake::START;
    use crate::stream::Stream;

    fn parse(line: &str) -> Result<Command, Failure> {
        let mut words = line.split(" & ");
        let name = words.next().unwrap();
        let args = words.map(|word| word.split_once('=').unwrap()).map(|(n, v)| (n.to_owned(), v.to_owned()));
        read(name, args.collect(), START)
    }

    #[track_caller]
    fn check_wrong(line: &str, message: &str, remedy: &str) {
        let failure = parse(line).unwrap_err();
        assert_eq!(failure.code, Code::InvalidArgument);
        assert_eq!(failure.message, message, "{line}");
        assert!(failure.remedy.contains(remedy), "{line}: {}", failure.remedy);
    }

    const LIST: &str = "cisco-webex-get-admin-audit-events";

    #[test]
    fn defaults_are_those_of_the_cortex_collector() {
        let want =
            GetEvents { stream: Stream::AdminAudits, should_push: false, limit: 5, since: START - Span::secs(10_800) };
        assert_eq!(parse(LIST), Ok(Command::GetEvents(want)));
        assert_eq!(
            parse(&format!("{LIST} & limit= & since_datetime=  & should_push_events=")),
            Ok(Command::GetEvents(want))
        );
    }

    #[test]
    fn arguments_are_read_as_people_and_playbooks_write_them() {
        let line = format!("{LIST} & should_push_events=True & limit=10000 & since_datetime=2026-01-01");
        let since = Timestamp::parse_lenient("2026-01-01").unwrap();
        let want = GetEvents { stream: Stream::AdminAudits, should_push: true, limit: 10_000, since };
        assert_eq!(parse(&line), Ok(Command::GetEvents(want)));
        for user in ["compliance officer", "compliance_officer", "Compliance-Officer"] {
            assert_eq!(
                parse(&format!("cisco-webex-oauth-start & user={user}")),
                Ok(Command::OauthStart(User::ComplianceOfficer))
            );
        }
    }

    #[test]
    fn what_is_wrong_is_named_and_the_nearest_known_is_said() {
        check_wrong(
            "cisco-webex-oath-start",
            "command `cisco-webex-oath-start` is not known",
            "`cisco-webex-oauth-start`?",
        );
        check_wrong("reboot", "command `reboot` is not known", "test-module");
        let unknown = format!("argument `limits` is not known to `{LIST}`");
        check_wrong(&format!("{LIST} & limits=5"), &unknown, "`limit`?");
        check_wrong(
            "cisco-webex-status & user=admin",
            "argument `user` is not known to `cisco-webex-status`",
            "no arguments",
        );
        check_wrong("cisco-webex-oauth-start", "argument `user` of `cisco-webex-oauth-start` is missing", "user=admin");
        check_wrong(
            "cisco-webex-oauth-start & user=root",
            "argument `user` names no user",
            "admin or compliance_officer",
        );
        check_wrong(
            "cisco-webex-oauth-complete & user=admin & code=",
            "argument `code` of `cisco-webex-oauth-complete` is missing",
            "code=",
        );
        for limit in ["0", "10001", "-1", "1.5", "five", "99999999999"] {
            check_wrong(&format!("{LIST} & limit={limit}"), "argument `limit` is no number from 1 to 10000", "as 50");
        }
        for since in ["yesterday", "2026-13-01", "ago", "ago ago", "1700000000"] {
            check_wrong(
                &format!("{LIST} & since_datetime={since}"),
                "argument `since_datetime` is no time",
                "3 hours ago",
            );
        }
        check_wrong(
            &format!("{LIST} & should_push_events=maybe"),
            "argument `should_push_events` is neither true nor false",
            "true",
        );
        check_wrong(&format!("{LIST} & limit=5 & limit=6"), "argument `limit` is given twice", "once");
    }

    #[test]
    fn a_very_long_name_is_refused_quickly() {
        assert!(parse(&"x".repeat(1_000_000)).is_err());
    }

    #[test]
    fn distance_counts_edits() {
        for (one, other, want) in
            [("", "", 0), ("a", "", 1), ("", "ab", 2), ("kitten", "sitting", 3), ("LIMIT", "limit", 0)]
        {
            assert_eq!(distance(one, other), want, "{one} {other}");
        }
    }
}
