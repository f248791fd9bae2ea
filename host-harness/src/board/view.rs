//! One picture of everything at one moment: what the status page, the metrics and the answers about health are made from.
//!
//! Times are milliseconds since the epoch. Texts come from Webex, the plugin or the disk: whoever shows them escapes them.

use std::time::Duration;

use crate::courier::Standing;

/// The whole program.
#[derive(Clone, Debug)]
pub struct View {
    /// When this was so.
    pub now: i64,
    /// When the program began.
    pub started: i64,
    /// Whether a tenant simulated in this program is collected from, and no real one.
    pub simulated: bool,
    /// What concerns no tenant alone, the worst first.
    pub problems: Vec<Problem>,
    /// By name; the one tenant of a program without many has none.
    pub tenants: Vec<TenantView>,
}

/// One tenant.
#[derive(Clone, Debug)]
pub struct TenantView {
    /// None: the only one.
    pub name: Option<String>,
    /// The worst of all that is below.
    pub light: Light,
    /// Why data does not flow, or might not soon; the worst first. Empty: all is well.
    pub problems: Vec<Problem>,
    /// Streams, in the plugin's order; those that are off stand here, too.
    pub streams: Vec<StreamView>,
    /// Users, in the plugin's order.
    pub users: Vec<UserView>,
    /// In the order of the settings.
    pub sinks: Vec<SinkView>,
    /// What waits on the disk; none: events go to the one file directly.
    pub spool: Option<SpoolView>,
    /// The latest delivered events, the latest first; as they were delivered, so `privacy.message_text` has been applied.
    pub recent: Vec<RecentEvent>,
    /// The pause between two rounds.
    pub interval: Duration,
    /// Rounds since the start.
    pub rounds: Rounds,
}

/// How something stands, from best to worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Light {
    /// Switched off, or its user is not configured.
    Off,
    /// Data flows.
    Ok,
    /// Nothing is known yet: the first round is under way.
    Waiting,
    /// It flows; a person should look.
    Warn,
    /// It does not flow.
    Fail,
}

/// How much a problem matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// A person should look; `/readyz` does not fail.
    Warn,
    /// Data does not flow; `/readyz` fails.
    Fail,
}

/// One reason for a light.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// How much it matters.
    pub severity: Severity,
    /// A failure's or warning's code.
    pub code: String,
    /// What it is about.
    pub subject: Subject,
    /// One sentence.
    pub text: String,
    /// What a person does; empty where waiting is enough.
    pub remedy: String,
}

/// What a problem is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// The program, or a tenant as a whole.
    Collector,
    /// A stream, by name.
    Stream(String),
    /// A user, by name.
    User(String),
    /// A sink, by name.
    Sink(String),
}

/// One stream.
#[derive(Clone, Debug)]
pub struct StreamView {
    /// As in settings.
    pub name: String,
    /// For people.
    pub title: String,
    /// Who reads it, by name.
    pub user: String,
    /// How it stands.
    pub light: Light,
    /// Why, in one sentence.
    pub reason: String,
    /// How far the watermark is behind the product's clock, in milliseconds.
    pub lag_ms: Option<u64>,
    /// Everything listed up to here is delivered.
    pub watermark: Option<i64>,
    /// The latest time that was taken up.
    pub frontier: Option<i64>,
    /// What is taken up and not drained; none: nothing.
    pub backlog: Option<Backlog>,
    /// Events of each of the last 60 minutes, the oldest first; the last one is the minute that has begun.
    pub per_minute: Vec<u64>,
    /// When an event was delivered last, over restarts.
    pub last_event: Option<i64>,
    /// Counts since the start.
    pub counts: Counts,
    /// The last failure, also where it is over.
    pub failure: Option<Trouble>,
    /// What a person should know though the stream goes on.
    pub warnings: Vec<Trouble>,
}

/// What is taken up and not drained.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Backlog {
    /// Intervals.
    pub intervals: u32,
    /// The share of the time from the first watermark to the frontier that is complete, 0 to 1.
    pub done: f64,
    /// When it will be drained at the present rate; none: not known yet, or it stands still.
    pub ends: Option<i64>,
}

/// Sums since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Items in the pages that were read.
    pub listed: u64,
    /// Events that were delivered.
    pub delivered: u64,
    /// Items dropped because they were delivered before.
    pub repeated: u64,
    /// Delivered events that were listed late.
    pub late: u64,
    /// Delivered items that are not as documented.
    pub odd: u64,
    /// Stretches of time that were not and will not be collected.
    pub gaps: u64,
    /// HTTP requests.
    pub requests: u64,
    /// Of these, repetitions after a fault.
    pub retries: u64,
    /// Time that requests waited, in milliseconds.
    pub waited_ms: u64,
    /// Calls in which the stream could not go on, by the failure's code.
    pub failures: std::collections::BTreeMap<String, u64>,
}

/// A failure or a warning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// When it was told last.
    pub at: i64,
    /// Its code.
    pub code: String,
    /// What happened.
    pub text: String,
    /// What a person does; may be empty.
    pub remedy: String,
    /// Whether it still holds.
    pub holds: bool,
}

/// One user.
#[derive(Clone, Debug)]
pub struct UserView {
    /// As in settings.
    pub name: String,
    /// For people.
    pub title: String,
    /// What it reads: titles of the streams that are on.
    pub streams: Vec<String>,
    /// Whether it has an integration.
    pub configured: bool,
    /// Whether there are tokens that serve.
    pub signed_in: bool,
    /// Whether its tokens come from a Service App, so that nobody signs in.
    pub service_app: bool,
    /// How it stands.
    pub light: Light,
    /// What is wrong, and what to do; empty if nothing.
    pub problem: String,
    /// What to do about it.
    pub remedy: String,
    /// The access token, which is refreshed by itself.
    pub access: Option<TokenLife>,
    /// The refresh token: when it ends, somebody has to sign in.
    pub refresh: Option<TokenLife>,
    /// Requests of the last 60 seconds,
    pub requests_last_minute: u64,
    /// of so many that are allowed.
    pub request_limit: u64,
}

/// How long a token lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenLife {
    /// Since when; none: not known.
    pub issued: Option<i64>,
    /// Until when.
    pub expires: i64,
}

/// One sink.
#[derive(Clone, Debug)]
pub enum SinkView {
    /// A file that is written without a spool.
    Direct {
        /// Its name.
        name: String,
        /// Where it is; `-` is standard output.
        place: String,
        /// Events that were written since the start.
        delivered: u64,
        /// When the last one was.
        last: Option<i64>,
    },
    /// Behind the spool.
    Spooled {
        /// How it stands.
        light: Light,
        /// What it has, and what waits for it.
        standing: Standing,
    },
}

/// What waits on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpoolView {
    /// Bytes.
    pub bytes: u64,
    /// How many there may be.
    pub limit: u64,
    /// Whether collecting pauses for it.
    pub is_full: bool,
}

/// One delivered event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecentEvent {
    /// Its id.
    pub id: String,
    /// The stream's name.
    pub stream: String,
    /// When it happened, if that could be read.
    pub created: Option<i64>,
    /// When it was delivered.
    pub delivered: i64,
    /// Its body, one line of JSON; its beginning where it is long.
    pub body: String,
    /// Whether that is only its beginning.
    pub is_cut: bool,
}

/// Rounds since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rounds {
    /// That ended as they should.
    pub done: u64,
    /// That failed as a whole.
    pub failed: u64,
    /// When the last one ended.
    pub last: Option<i64>,
}
