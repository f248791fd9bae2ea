//! A component that offers the contract and breaks everything else.
//!
//! What it does in `commands.run` is the command's name; what it does in the other exports is its mode, which a test writes
//! into the component before it loads it, or into the settings of a tenant.
#![cfg(target_arch = "wasm32")]

mod bindings;
mod machine;
mod mode;
mod network;
mod resources;
mod secrets;

use bindings::exports::siem::plugin::{collector, commands};
use bindings::siem::plugin::types::{Bundle, Event, Failure, LastRun, LastRunPart, Retry};

struct Hostile;

/// What an escape came to, in a word and what belongs to it.
type Said = Result<String, String>;

impl commands::Guest for Hostile {
    fn list() -> Vec<commands::Command> {
        mode::obey("list");
        Vec::new()
    }

    fn run(name: String, arguments: Vec<(String, String)>) -> Result<commands::Outcome, Failure> {
        let of = |wanted: &str| {
            arguments.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone()).unwrap_or_default()
        };
        let number = |wanted: &str| of(wanted).parse::<usize>().unwrap_or(0);
        let said = match name.as_str() {
            "nothing" => Ok("did nothing".to_owned()),
            "request" => network::request(&of),
            "open-many" => network::open_many(number("count")),
            "never-read" => network::never_read(),
            "read-secret" => secrets::read(&of("name")),
            "write-secret" => secrets::write(&of("name"), number("bytes")),
            "files" => machine::files(),
            "environment" => machine::environment(),
            "connect" => machine::connect(&of("address")),
            "exit" => std::process::exit(0),
            "loop" => resources::endless(),
            "loop-on-host" => resources::endless_on_the_host(),
            "sleep" => resources::sleep(),
            "memory" => resources::memory(),
            "recursion" => Ok(resources::recursion(0).to_string()),
            "print" => resources::print(number("mebibytes")),
            "log" => resources::log(number("count")),
            "text" => Ok("x".repeat(number("bytes"))),
            "trap" => mode::trap(),
            _ => Err("no such escape".to_owned()),
        };
        let readable = match said {
            Ok(said) => said,
            Err(said) => format!("refused: {said}"),
        };
        Ok(commands::Outcome { readable, outputs: "{}".to_owned(), events: Vec::new() })
    }
}

impl collector::Guest for Hostile {
    fn describe() -> collector::Description {
        mode::obey("describe");
        let secret = |name: &str, written| collector::SecretUse { name: name.to_owned(), help: String::new(), written };
        let mut secrets = vec![secret("own", true), secret("password", false)];
        if mode::is("secret-with-a-path") {
            secrets.push(secret("../../webex-state.key", true));
        }
        if mode::is("thousands-of-secrets") {
            secrets.extend((0..10_000).map(|number| secret(&format!("s{number}"), true)));
        }
        let stream = |name: &str| collector::Stream {
            name: name.to_owned(),
            title: String::new(),
            user: "admin".to_owned(),
            on_by_default: true,
            help: String::new(),
        };
        let origins = if mode::is("origins-of-the-inside") {
            ["http://169.254.169.254", "http://localhost", "http://10.0.0.1"].map(str::to_owned).into()
        } else {
            vec!["https://webexapis.com".to_owned()]
        };
        collector::Description {
            name: "hostile".to_owned(),
            version: "0".to_owned(),
            vendor: String::new(),
            product: String::new(),
            settings: Vec::new(),
            secrets,
            users: Vec::new(),
            streams: vec![stream("events")],
            origins,
            origin_setting: mode::is("another-origin-setting").then(|| "admin_redirect_uri".to_owned()),
            help: String::new(),
        }
    }

    fn check() -> Vec<collector::Finding> {
        mode::obey("check");
        Vec::new()
    }

    fn fetch_events(_: Option<LastRun>, _: collector::FetchRequest) -> Result<collector::Batch, Failure> {
        mode::obey("fetch-events");
        let event = |id: &str| Event { id: id.to_owned(), created: None };
        let bundle = |id: &str, stream: &str, lines: &str| Bundle {
            stream: stream.to_owned(),
            org: String::new(),
            events: vec![event(id)],
            lines: lines.to_owned(),
        };
        let sound = || bundle("1", "events", "{}\n");
        let part = |name: &str, bytes: usize| LastRunPart { name: name.to_owned(), body: Some("x".repeat(bytes)) };
        let (mut events, mut parts, mut head) = (vec![sound()], Vec::new(), "{}".to_owned());
        let mut next = collector::Next::Idle;
        match mode::get().as_str() {
            "two-lines-in-one" => events.push(bundle("2", "events", "{}\n{\"forged\":true}\n")),
            "no-line" => events.push(bundle("2", "events", "")),
            "line-without-end" => events.push(bundle("2", "events", "{}")),
            "bundle-of-nothing" => events.push(Bundle { events: Vec::new(), ..bundle("2", "events", "") }),
            "no-object" => events.push(bundle("2", "events", "null\n")),
            "id-with-a-line-break" => events.push(bundle("2\n", "events", "{}\n")),
            "stream-of-nobody" => events.push(bundle("2", "../../etc", "{}\n")),
            "events-in-the-millions" => events = (0..20_000_000).map(|_| sound()).collect(),
            "events-of-half-a-gigabyte" => events.push(bundle("2", "events", &"x".repeat(400 << 20))),
            "part-with-a-path" => parts.push(part("../../../tmp/evil", 1)),
            "part-of-the-root" => parts.push(part("/etc/cron.d/evil", 1)),
            "part-too-large" => parts.push(part("large", 1 << 20)),
            "parts-in-the-thousands" => parts.extend((0..50_000).map(|number| part(&format!("p{number}"), 1))),
            "head-too-large" => head = "x".repeat(16 << 20),
            "again-and-again" => (events, next) = (Vec::new(), collector::Next::Now),
            _ => {}
        }
        Ok(collector::Batch { events, last_run: LastRun { head, parts }, next, reports: Vec::new() })
    }

    fn get_last_run(_: Option<LastRun>) -> Result<collector::LastRunView, Failure> {
        mode::obey("get-last-run");
        Err(failure())
    }

    fn change_last_run(_: Option<LastRun>, _: collector::Reset) -> Result<LastRun, Failure> {
        mode::obey("change-last-run");
        Err(failure())
    }
}

fn failure() -> Failure {
    Failure {
        code: "not-understood".to_owned(),
        user: None,
        stream: None,
        message: "nothing is stored".to_owned(),
        remedy: String::new(),
        tracking_id: None,
        retry: Retry::Never,
    }
}
