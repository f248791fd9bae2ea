//! What a page shows of the program is what the program says: each block of `console` is run against a simulated tenant, in the order of
//! the page, and its lines are compared by their shape. `…` stands for anything. A command without any line below it is run, and with
//! `UPDATE_DOCS=1` shown with what it says.

use host_harness::simulator::TenantSettings;

use super::page::{Block, Page, TURN};
use crate::program::Place;

/// What stands for the simulated tenant's address.
const ORIGIN: &str = "https://webexapis.com";

/// A command and the lines that it is said to print.
struct Shown {
    command: String,
    lines: Vec<String>,
}

fn shown(block: &Block) -> Vec<Shown> {
    let mut all: Vec<Shown> = Vec::new();
    for line in block.text.lines() {
        match (line.strip_prefix("$ "), all.last_mut()) {
            (Some(command), _) => all.push(Shown { command: command.to_owned(), lines: Vec::new() }),
            (None, Some(shown)) => shown.lines.push(line.to_owned()),
            (None, None) => panic!("line {}: a block of console begins with a command", block.line),
        }
    }
    // Blank lines between two commands are for the eye.
    for shown in &mut all {
        while shown.lines.last().is_some_and(|line| line.is_empty()) {
            shown.lines.pop();
        }
    }
    all
}

/// Words of a command line, without what the shell would take for a comment.
fn words(command: &str) -> Vec<String> {
    let command = command.split(" # ").next().unwrap_or_default();
    let (mut words, mut quote) = (vec![String::new()], None);
    for c in command.trim().chars() {
        match (quote, c) {
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            (None, ' ') => words.push(String::new()),
            (_, c) => words.last_mut().unwrap().push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// A line without what differs from run to run: numbers, whether one or many, times, hashes.
fn shape(line: &str) -> String {
    let mut shape = String::new();
    for word in line.split_whitespace().flat_map(pieces) {
        let is_counted = shape.trim_end().ends_with('N');
        match shape_of(word) {
            // 1s 5ms is a length as 5ms is.
            piece if piece == "LENGTH" && shape.ends_with("LENGTH ") => shape.truncate(shape.len() - 1),
            piece if is_counted => shape.push_str(piece.strip_suffix('s').unwrap_or(&piece)),
            piece => shape.push_str(&piece),
        }
        shape.push(' ');
    }
    shape.trim_end().to_owned()
}

/// A word, and what stands around it.
fn pieces(word: &str) -> impl Iterator<Item = &str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "-:.+_".contains(c);
    let begin = word.find(is_part).unwrap_or(word.len());
    let end = word.rfind(|c: char| c.is_ascii_alphanumeric()).map_or(begin, |at| at + 1).max(begin);
    [&word[..begin], &word[begin..end], &word[end..]].into_iter().filter(|piece| !piece.is_empty())
}

fn shape_of(word: &str) -> String {
    let is_hash = word.len() >= 12 && word.chars().all(|c| c.is_ascii_hexdigit());
    let is_time = word.len() >= 20 && word.ends_with('Z') && word.contains('T') && word.contains(':');
    let unit = word.trim_start_matches(|c: char| c.is_ascii_digit());
    let is_length = unit.len() < word.len() && matches!(unit, "ms" | "s" | "m" | "h");
    if is_hash || is_time || is_length {
        return if is_hash {
            "HASH"
        } else if is_time {
            "TIME"
        } else {
            "LENGTH"
        }
        .to_owned();
    }
    let mut shape = String::new();
    for c in word.chars() {
        if !c.is_ascii_digit() {
            shape.push(c);
        } else if !shape.ends_with('N') {
            shape.push('N');
        }
    }
    shape
}

/// Whether a line has the shape of what is shown, in which `…` stands for anything.
fn fits(shown: &str, said: &str) -> bool {
    let (shown, said) = (shape(shown), shape(said));
    let parts: Vec<&str> = shown.split('…').map(str::trim).collect();
    let [first, between @ .., last] = parts.as_slice() else { return shown == said };
    let Some(mut rest) = said.strip_prefix(first) else { return false };
    for part in between {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

/// What a run said, as a page shows it.
fn said(place: &Place, ran: &crate::program::Ran) -> String {
    let folder = place.path("").display().to_string();
    format!("{}{}", ran.stdout, ran.stderr).replace(&place.webex.origin(), ORIGIN).replace(&folder, "")
}

/// A place for all pages, so that the component is compiled once.
async fn place() -> Place {
    let place = Place::start(TenantSettings::default()).await;
    place.backlog(5);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // As `init` writes it: there are secrets in it.
        std::fs::set_permissions(place.path("webex.toml"), std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    place
}

/// Runs the blocks of a page from where nothing was collected yet; returns it with what they say.
async fn run(page: &Page, place: &Place) -> String {
    let _ = std::fs::remove_dir_all(place.path("webex-state/last-run"));
    let _ = std::fs::remove_file(place.path("events.ndjson"));
    let blocks = page.blocks();
    // A file that the page shows under its name.
    for block in &blocks {
        if let Some((_, name)) = block.info.split_once(' ') {
            place.write(name, &block.text);
        }
    }
    let mut after = page.text.clone();
    let mut changes = Vec::new();
    for block in blocks.iter().filter(|block| block.info == "console") {
        let mut text = String::new();
        for shown in shown(block) {
            let words = words(&shown.command);
            let [program, arguments @ ..] = words.as_slice() else { panic!("{}: {}", page.name(), shown.command) };
            assert_eq!(program, "webex-collector", "{}: only the program is run", page.name());
            let ran = place.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).await;
            let said = said(place, &ran);
            let mut missing = shown.lines.iter().filter(|line| !said.lines().any(|said| fits(line, said)));
            let missing =
                if shown.lines.is_empty() { Some("what it says") } else { missing.next().map(String::as_str) };
            let is_failure = said.lines().any(|line| line.starts_with("error: "));
            assert_eq!(ran.code != Some(0), is_failure, "{}: {}: {ran:?}", page.name(), shown.command);
            let lines = if let Some(missing) = missing {
                let place = format!("{}:{}: {}", page.name(), block.line, shown.command);
                let asked = std::env::var_os("UPDATE_DOCS").is_some();
                assert!(
                    asked,
                    "{place}\nis not said: {missing}\nbut:\n{said}\nrun this test with UPDATE_DOCS=1, or mend the page"
                );
                said.trim_end().lines().map(str::to_owned).collect()
            } else {
                shown.lines
            };
            let gap = if text.is_empty() { "" } else { "\n" };
            text.push_str(&format!("{gap}$ {}\n", shown.command));
            lines.iter().for_each(|line| text.push_str(&format!("{line}\n")));
        }
        let indented = text.lines().map(|line| match line {
            "" => "\n".to_owned(),
            line => format!("{}{line}\n", block.indent),
        });
        changes.push((block.place.clone(), indented.collect::<String>()));
    }
    for (place, text) in changes.into_iter().rev() {
        after.replace_range(place, &text);
    }
    after
}

#[tokio::test]
async fn each_command_in_a_page_says_what_the_page_shows() {
    let _turn = TURN.lock().await;
    let (place, mut seen) = (place().await, 0);
    for page in Page::all() {
        let blocks = page.blocks().iter().filter(|block| block.info == "console").count();
        if blocks > 0 {
            seen += blocks;
            let after = run(&page, &place).await;
            page.must_be(&after);
        }
    }
    assert!(seen > 15, "{seen}");
}

#[test]
fn a_shape_leaves_out_what_differs_from_run_to_run() {
    for (shown, said, want) in [
        ("signed in; until 2026-12-07T02:35:44.592Z", "signed in; until 2027-01-01T00:00:00.000Z", true),
        ("5 events of 7 listed, lag 5ms", "140 events of 140 listed, lag 12ms", true),
        ("key 6db2df5d50376037 in the file", "key 0f3a51c2d4e69b78 in the file", true),
        ("a   b", "a b", true),
        ("imported; …", "imported; nothing was stored before", true),
        ("…complete up to…", "  complete up to        2026", true),
        ("1 request, lag 5ms", "12 requests, lag 1s 20ms", true),
        ("5 events", "5 slices", false),
        ("signed in; …", "signed in; until then", true),
        ("ok …", "fail  x", false),
    ] {
        assert_eq!(fits(shown, said), want, "{shown} | {said}");
    }
}
