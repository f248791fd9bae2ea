//! What people read at a terminal: colours, widths, bars. The terminal is the one that `script` makes.

use std::path::Path;

use console::{measure_text_width, strip_ansi_codes};

use crate::support::{PROGRAM, Ran, Webex, ended};

/// The sign that begins a colour.
const ESCAPE: char = '\u{1b}';

/// Runs the program at a terminal of so many columns; all that it shows is in `stdout`.
async fn at_terminal(webex: &Webex, columns: u16, variables: &[(&str, &str)], arguments: &str) -> Ran {
    let line = format!("stty cols {columns} rows 40; exec '{PROGRAM}' {arguments}");
    let mut command = webex.place.command_of(Path::new("script"), &["-qec", &line, "/dev/null"]);
    command.env("TERM", "xterm-256color").env_remove("NO_COLOR").env_remove("CLICOLOR");
    command.envs(variables.iter().copied());
    ended(command.spawn().expect("`script` of util-linux is there")).await
}

/// As a person reads it.
fn shown(ran: &Ran) -> Vec<String> {
    ran.stdout.split(['\n', '\r']).map(|line| strip_ansi_codes(line).into_owned()).collect()
}

/// A line as the terminal breaks it.
fn cut(line: &str, columns: usize) -> Vec<String> {
    let signs: Vec<char> = line.chars().collect();
    signs.chunks(columns).map(|row| row.iter().collect()).collect()
}

#[tokio::test]
async fn tables_and_findings_fit_the_terminal() {
    let webex = Webex::start().await;
    webex.backlog(10);
    webex.sign_in().await;
    webex.place.run(&["collect"]).await.exits(0);
    for columns in [40, 60, 100] {
        for arguments in ["run cisco-webex-status", "check"] {
            let ran = at_terminal(&webex, columns, &[], arguments).await.exits(0);
            assert!(!ran.stdout.contains("| --- |"), "{}", ran.stdout);
            assert!(ran.stdout.contains("security_audits"), "{}", ran.stdout);
            if arguments == "check" && columns < 60 {
                // Too narrow for its columns; the terminal wraps.
                continue;
            }
            for line in shown(&ran) {
                let width = measure_text_width(&line);
                assert!(width <= usize::from(columns), "{width} of {columns}: {line}");
            }
        }
    }
}

#[tokio::test]
async fn colours_are_shown_at_a_terminal_and_can_be_turned_off() {
    let webex = Webex::start().await;
    webex.sign_in().await;
    let ran = at_terminal(&webex, 80, &[], "check").await.exits(0);
    assert!(ran.stdout.contains("\u{1b}[32mok\u{1b}[0m"), "{}", ran.stdout);
    let ran = at_terminal(&webex, 80, &[], "nonsense").await.exits(2);
    assert!(ran.stdout.contains("error\u{1b}[0m: "), "{:?}", ran.stdout);
    for variables in [&[("NO_COLOR", "1")][..], &[("CLICOLOR", "0")], &[("TERM", "dumb")]] {
        for arguments in ["check", "nonsense", "run cisco-webex-status"] {
            let ran = at_terminal(&webex, 80, variables, arguments).await;
            assert!(!ran.stdout.contains(ESCAPE), "{variables:?} {arguments}: {:?}", ran.stdout);
        }
    }
}

#[tokio::test]
async fn an_error_has_its_remedy_on_a_line_of_its_own() {
    let webex = Webex::start().await;
    std::fs::remove_file(webex.place.path("webex.toml")).unwrap();
    let ran = at_terminal(&webex, 80, &[], "check").await.exits(2);
    let shown = shown(&ran);
    let at = shown.iter().position(|line| line == "error: webex.toml does not exist").expect("the error");
    assert!(shown[at + 1..].iter().any(|line| line.starts_with("   do: write one with")), "{shown:?}");
}

#[tokio::test]
async fn a_collection_shows_a_bar_for_each_stream_that_fits() {
    let webex = Webex::start().await;
    webex.backlog(1_500);
    webex.sign_in().await;
    for columns in [60, 120] {
        webex.place.run(&["last-run", "reset", "--since", "2020-01-01"]).await;
        let ran = at_terminal(&webex, columns, &[], "collect").await.exits(0);
        let streams = ["admin_audits ", "events ", "security_audits "];
        // Each bar fills its row, so that the next one begins in the next row.
        let rows = shown(&ran).into_iter().filter(|line| streams.iter().any(|stream| line.starts_with(stream)));
        let rows: Vec<String> = rows.flat_map(|line| cut(&line, usize::from(columns))).collect();
        let bars: Vec<&String> = rows.iter().filter(|row| row.contains("/s") || row.contains("up to date")).collect();
        for stream in streams {
            assert!(bars.iter().any(|row| row.starts_with(stream)), "{stream}: {bars:?}");
        }
        let is_bar = |row: &String| streams.iter().any(|stream| row.starts_with(stream));
        assert!(bars.iter().all(|row| is_bar(row)), "{bars:?}");
    }
}
