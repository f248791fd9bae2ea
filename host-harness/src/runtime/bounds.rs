//! Whether what a plugin returned is what the contract allows: files, sinks and the screen are made of it.
//!
//! A plugin that breaks it has a defect or is hostile; either way nothing of the call is taken.

use std::collections::BTreeSet;

use super::{Batch, Bundle, Description, LastRun, LastRunPart, Outcome};

/// Characters of an event's id (`wit/types.wit`, `event`).
const MAX_ID: usize = 400;
/// Characters of an organization's id; those of Webex have 60 to 80.
const MAX_ORG: usize = 200;
/// Bytes of a last-run's head: kilobytes, and some hundreds of them where every interval has a page in hand.
const MAX_HEAD: usize = 4 << 20;
/// Bytes of a part (`wit/types.wit`, `last-run-part`).
const MAX_PART: usize = 64 * 1024;
/// Characters of a part's name (likewise).
const MAX_PART_NAME: usize = 64;
/// Parts of a last-run: a million ids in parts of 4,096 are 250.
const MAX_PARTS: usize = 4_096;
/// Entries of each list of `describe`, and of one setting's choices: a form that a person reads.
const MAX_ENTRIES: usize = 200;
/// Characters of a name in `describe`.
const MAX_NAME: usize = 64;
/// Bytes of a command's text for a person and of its outputs.
const MAX_TEXT: usize = 16 << 20;

/// Something that the contract does not allow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsound {
    /// Not printable ASCII, empty, or too long.
    #[error("event {0} of the batch has an id that is not 1 to {MAX_ID} printable characters")]
    Id(usize),
    /// It could be read as several lines, or as no event.
    #[error("event {0} of the batch is not one JSON object in one line")]
    Body(usize),
    /// A stream that `describe` does not name.
    #[error("event {0} of the batch is of a stream that `describe` does not name")]
    Stream(usize),
    /// Too long, or with control characters.
    #[error("event {0} of the batch has an impossible organization")]
    Org(usize),
    /// Whose body is whose could not be told.
    #[error("event {0} of the batch stands where a bundle has no event, or no line for one")]
    Lines(usize),
    /// A report of no stream, or two of one.
    #[error("the reports are not one for each stream that `describe` names")]
    Reports,
    /// Its head is larger than any state needs.
    #[error("the last-run has a head of {0} bytes")]
    Head(usize),
    /// A part that a folder or a disk could suffer from.
    #[error("the last-run has a part whose name or size is not allowed, or the same part twice, or too many")]
    Part,
    /// A description that no person could read, or a name with other characters than a name has.
    #[error("`describe` names something that is not 1 to {MAX_NAME} letters, digits, `_`, `-` and `.`, or too much")]
    Description,
    /// More text than anybody reads.
    #[error("the command returned {0} bytes of text")]
    Text(usize),
}

/// Whether names are names, and lists are such that a person could read them.
pub(super) fn description(description: &Description) -> Result<(), Unsound> {
    let Description { settings, secrets, users, streams, origins, .. } = description;
    let lengths = [settings.len(), secrets.len(), users.len(), streams.len(), origins.len()];
    let lists = settings.iter().map(|setting| setting.choices.len());
    let lists = lists.chain(users.iter().flat_map(|user| [user.scopes.len(), user.sign_in.len()]));
    let names = settings.iter().map(|setting| &setting.name);
    let names = names.chain(secrets.iter().map(|secret| &secret.name));
    let mut names = names.chain(users.iter().map(|user| &user.name)).chain(streams.iter().map(|stream| &stream.name));
    let is_short = lengths.into_iter().chain(lists).all(|length| length <= MAX_ENTRIES);
    if is_short && names.all(|name| is_name(name)) { Ok(()) } else { Err(Unsound::Description) }
}

/// Whether a batch can be delivered and stored; `streams` are those of the description.
pub(super) fn batch(batch: &Batch, streams: &[String]) -> Result<(), Unsound> {
    let mut told = BTreeSet::new();
    if !batch.reports.iter().all(|report| is_stream(streams, &report.stream) && told.insert(report.stream.as_str())) {
        return Err(Unsound::Reports);
    }
    events(&batch.events, streams)?;
    last_run(&batch.last_run)
}

/// Whether a last-run can be stored.
pub(super) fn last_run(last_run: &LastRun) -> Result<(), Unsound> {
    if last_run.head.len() > MAX_HEAD {
        return Err(Unsound::Head(last_run.head.len()));
    }
    let mut names = BTreeSet::new();
    let is_part =
        |part: &LastRunPart| is_part_name(&part.name) && part.body.as_ref().is_none_or(|body| body.len() <= MAX_PART);
    let mut parts = last_run.parts.iter();
    let is_sound = parts.all(|part| is_part(part) && names.insert(part.name.as_str()));
    if is_sound && last_run.parts.len() <= MAX_PARTS { Ok(()) } else { Err(Unsound::Part) }
}

/// Whether what a command came to can be shown and delivered.
pub(super) fn outcome(outcome: &Outcome, streams: &[String]) -> Result<(), Unsound> {
    let text = outcome.readable.len() + outcome.outputs.len();
    if text > MAX_TEXT {
        return Err(Unsound::Text(text));
    }
    events(&outcome.events, streams)
}

/// Whether it names a part of a last-run, and nothing else in a folder.
pub(crate) fn is_part_name(name: &str) -> bool {
    (1..=MAX_PART_NAME).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

fn events(bundles: &[Bundle], streams: &[String]) -> Result<(), Unsound> {
    let mut index = 0;
    for Bundle { stream, org, events, lines } in bundles {
        if !is_stream(streams, stream) {
            return Err(Unsound::Stream(index));
        }
        if org.len() > MAX_ORG || org.chars().any(char::is_control) {
            return Err(Unsound::Org(index));
        }
        if events.is_empty() {
            return Err(Unsound::Lines(index));
        }
        let mut lines = lines.as_bytes();
        for event in events {
            let is_printable = event.id.bytes().all(|byte| matches!(byte, b' '..=b'~'));
            if !is_printable || !(1..=MAX_ID).contains(&event.id.len()) {
                return Err(Unsound::Id(index));
            }
            let (body, rest) = line(lines).ok_or(Unsound::Lines(index))?;
            if !is_object(body) {
                return Err(Unsound::Body(index));
            }
            (index, lines) = (index + 1, rest);
        }
        if !lines.is_empty() {
            return Err(Unsound::Lines(index));
        }
    }
    Ok(())
}

/// The first line without its end, and what follows; none: there is no whole line. It ends where anybody sees an end.
fn line(lines: &[u8]) -> Option<(&[u8], &[u8])> {
    let (body, rest) = lines.split_at_checked(memchr::memchr2(b'\n', b'\r', lines)?)?;
    Some((body, rest.strip_prefix(b"\n")?))
}

/// As far as framing goes: what is between the braces is the plugin's word, and that of whoever wrote the plugin.
fn is_object(body: &[u8]) -> bool {
    body.len() >= 2 && body.starts_with(b"{") && body.ends_with(b"}")
}

fn is_stream(streams: &[String], name: &str) -> bool {
    streams.iter().any(|stream| stream == name)
}

fn is_name(name: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(is_letter)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;
    use crate::runtime::{EventHead, Next, SecretUse};

    const STREAM: &str = "events";

    fn bundle() -> Bundle {
        let event = |id: &str| EventHead { id: id.to_owned(), created: None };
        Bundle {
            stream: STREAM.to_owned(),
            org: "an org".to_owned(),
            events: vec![event("an id"), event("another")],
            lines: "{}\n{}\n".to_owned(),
        }
    }

    /// Of a batch in which something of the second bundle is changed.
    fn check(change: impl FnOnce(&mut Bundle)) -> Result<(), Unsound> {
        let mut changed = bundle();
        change(&mut changed);
        let last_run = LastRun { head: String::new(), parts: Vec::new() };
        let made = Batch { events: vec![bundle(), changed], last_run, next: Next::Idle, reports: Vec::new() };
        batch(&made, &[STREAM.to_owned()])
    }

    #[test]
    fn an_event_is_one_object_in_one_line() {
        assert_eq!(check(|bundle| bundle.lines = "{\"a\":\"\\n\"}\n{}\n".to_owned()), Ok(()));
        for body in ["", "{", "[]", "null", " {}", "{} ", "\n{}"] {
            assert_eq!(check(|bundle| bundle.lines = format!("{{}}\n{body}\n")), Err(Unsound::Body(3)), "{body:?}");
        }
    }

    #[test]
    fn a_bundle_has_a_line_for_each_event_and_no_other() {
        for (lines, at) in [
            ("", 2),
            ("{}", 2),
            ("{}\r\n{}\r\n", 2),
            ("{}\r{}\n{}\n", 2),
            ("{}\n", 3),
            ("{}\n{}", 3),
            ("{}\n{\r}\n", 3),
            ("{}\n{}\n{}", 4),
            ("{}\n{}\n{}\n", 4),
            ("{}\n{}\n\n", 4),
        ] {
            assert_eq!(check(|bundle| bundle.lines = lines.to_owned()), Err(Unsound::Lines(at)), "{lines:?}");
        }
        let nothing = |bundle: &mut Bundle| (bundle.events, bundle.lines) = (Vec::new(), String::new());
        assert_eq!(check(nothing), Err(Unsound::Lines(2)), "a batch without events has no bundles");
    }

    #[test]
    fn an_event_has_an_id_a_stream_and_an_organization() {
        for id in ["", "ä", "a\nb", "\u{1b}[0m", &"x".repeat(MAX_ID + 1)] {
            let last = |bundle: &mut Bundle| bundle.events.last_mut().unwrap().id = id.to_owned();
            assert_eq!(check(last), Err(Unsound::Id(3)), "{id:?}");
        }
        assert_eq!(check(|bundle| bundle.stream = "../events".to_owned()), Err(Unsound::Stream(2)));
        assert_eq!(check(|bundle| bundle.org = "a\nb".to_owned()), Err(Unsound::Org(2)));
        assert_eq!(check(|bundle| bundle.org = String::new()), Ok(()));
    }

    #[test]
    fn a_part_is_a_small_text_under_a_plain_name() {
        let of = |parts: &[(&str, usize)]| {
            let part = |(name, length): &(&str, usize)| LastRunPart {
                name: (*name).to_owned(),
                body: Some("x".repeat(*length)),
            };
            last_run(&LastRun { head: String::new(), parts: parts.iter().map(part).collect() })
        };
        assert_eq!(of(&[("seen-0a", MAX_PART), ("b", 0)]), Ok(()));
        let long = "x".repeat(MAX_PART_NAME + 1);
        for name in ["", "..", "a/b", "../a", "/a", "A", "a.b", "a\0", "ä", &long] {
            assert_eq!(of(&[(name, 1)]), Err(Unsound::Part), "{name:?}");
        }
        assert_eq!(of(&[("a", MAX_PART + 1)]), Err(Unsound::Part));
        assert_eq!(of(&[("a", 1), ("a", 1)]), Err(Unsound::Part));
        let head = "x".repeat(MAX_HEAD + 1);
        assert_eq!(last_run(&LastRun { head, parts: Vec::new() }), Err(Unsound::Head(MAX_HEAD + 1)));
    }

    #[test]
    fn a_description_has_names_and_is_short() {
        let mut of = Description {
            name: String::new(),
            version: String::new(),
            vendor: String::new(),
            product: String::new(),
            settings: Vec::new(),
            secrets: Vec::new(),
            users: Vec::new(),
            streams: Vec::new(),
            origins: Vec::new(),
            origin_setting: None,
            help: String::new(),
        };
        assert_eq!(description(&of), Ok(()));
        let secret = |name: &str| SecretUse { name: name.to_owned(), help: String::new(), written: true };
        for name in ["", "../key", "a/b", "a b", "a\n", "ä"] {
            of.secrets = vec![secret(name)];
            assert_eq!(description(&of), Err(Unsound::Description), "{name:?}");
        }
        of.secrets = vec![secret("a_token.1-2")];
        assert_eq!(description(&of), Ok(()));
        of.secrets = vec![secret("a"); MAX_ENTRIES + 1];
        assert_eq!(description(&of), Err(Unsound::Description));
    }
}
