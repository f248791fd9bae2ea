//! What a Test button shows: settings, clock, tokens, and one small page of each stream.

use crate::client::Client;
use crate::effect::Io;
use crate::failure::{Code, Failure};
use crate::orgs;
use crate::origin_clock::SKEW_WORTH_A_WARNING;
use crate::page::Page;
use crate::query::Query;
use crate::settings::{Lane, Settings};
use crate::stream::{Stream, User};
use crate::time::Span;

/// How long a check goes on.
const BUDGET: Span = Span::secs(60);

/// How far back the page of each stream looks.
const PAGE: Span = Span::secs(3_600);

/// How far back it looks for security audits if the hour has none: an organization in use has a sign-in in a week.
const WEEK: Span = Span::days(7);

/// Organizations of which a page is listed: a command has some requests a minute.
const MOST_ORGS_ASKED: usize = 5;

/// Difference of clocks that fails: Webex refuses what lies in its future, and what collecting holds back for its own
/// lag is seconds.
const SKEW_THAT_FAILS: Span = Span::secs(300);

/// How something was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As it should be, or not used.
    Ok,
    /// It works; a person should look.
    Warn,
    /// It does not work.
    Fail,
}

impl Verdict {
    /// As people read it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// `settings`, `clock`, a user's or a stream's name.
    pub subject: &'static str,
    /// How it was found.
    pub verdict: Verdict,
    /// `ok`, `off`, a failure's or a warning's code.
    pub code: &'static str,
    /// One sentence.
    pub text: String,
    /// What a person does; empty if nothing.
    pub remedy: String,
    /// Of [`Verdict::Fail`]: the failure.
    pub failure: Option<Failure>,
}

impl Finding {
    fn ok(subject: &'static str, text: impl Into<String>) -> Self {
        Self { subject, verdict: Verdict::Ok, code: "ok", text: text.into(), remedy: String::new(), failure: None }
    }

    /// What is not used.
    fn off(subject: &'static str, text: &'static str) -> Self {
        Self { code: "off", ..Self::ok(subject, text) }
    }

    fn warn(subject: &'static str, code: &'static str, text: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { subject, verdict: Verdict::Warn, code, text: text.into(), remedy: remedy.into(), failure: None }
    }

    /// Something that does not work.
    pub fn fail(subject: &'static str, failure: Failure) -> Self {
        Self {
            subject,
            verdict: Verdict::Fail,
            code: failure.code.name(),
            text: failure.message.clone(),
            remedy: failure.remedy.clone(),
            failure: Some(failure),
        }
    }
}

/// Checks everything. `settings` as they were parsed; if they were not, that is all there is to find.
pub async fn run(io: Io, settings: Result<Settings, Failure>) -> Vec<Finding> {
    let settings = match settings {
        Ok(settings) => settings,
        Err(failure) => return vec![Finding::fail("settings", failure)],
    };
    let deadline = io.elapsed() + BUDGET;
    let on: Vec<&str> = settings.streams().into_iter().map(Stream::name).collect();
    let mut findings = vec![Finding::ok("settings", format!("understood; streams that are on: {}", on.join(", ")))];
    let mut clock = None;
    let mut of_users = Vec::new();
    for user in User::ALL {
        let (found, ahead) = user_and_streams(&io, &settings, user, deadline).await;
        of_users.extend(found);
        clock = clock.or(ahead);
    }
    findings.push(clock_finding(clock));
    findings.extend(of_users);
    findings
}

/// Checks one user and its streams.
pub async fn run_user(io: Io, settings: &Settings, user: User) -> Vec<Finding> {
    let deadline = io.elapsed() + BUDGET;
    user_and_streams(&io, settings, user, deadline).await.0
}

/// The findings, and how far the local clock is ahead of Webex's, as far as was heard.
async fn user_and_streams(io: &Io, settings: &Settings, user: User, deadline: Span) -> (Vec<Finding>, Option<Span>) {
    let client = match (settings.integration(user), Client::of_command(io.clone(), settings, user, deadline)) {
        (Some(_), Ok(client)) => client,
        (Some(_), Err(failure)) => return (vec![Finding::fail(user.name(), failure)], None),
        (None, _) => {
            let all = std::iter::once(user.name()).chain(user.streams().map(Stream::name));
            return (all.map(|subject| Finding::off(subject, "not configured")).collect(), None);
        }
    };
    let mut findings = Vec::new();
    let tokens = client.sign_in().await;
    match &tokens {
        Ok(ends) => findings.push(Finding::ok(user.name(), ends.clone())),
        Err(failure) => findings.push(Finding::fail(user.name(), failure.clone())),
    }
    findings.extend(
        client
            .warnings()
            .into_iter()
            .map(|warning| Finding::warn(user.name(), warning.code, warning.text, warning.remedy)),
    );
    let on = settings.streams();
    for stream in user.streams() {
        match &tokens {
            _ if !on.contains(&stream) => findings.push(Finding::off(stream.name(), "off")),
            Err(failure) => {
                let message = format!("not listed, for want of tokens of the {}", user.title());
                let failure = Failure { message, ..failure.clone().of_stream(stream) };
                findings.push(Finding::fail(stream.name(), failure));
            }
            Ok(_) => findings.extend(of_stream(io, settings, &client, stream).await),
        }
    }
    (findings, client.origin().local_ahead(io.now(), io.elapsed()))
}

/// One finding; of audits of several organizations one for each.
async fn of_stream(io: &Io, settings: &Settings, client: &Client, stream: Stream) -> Vec<Finding> {
    let asked = if stream.needs_org() { orgs::asked(io, settings, client).await } else { Ok(Vec::new()) };
    let mut orgs = match asked {
        Ok(ids) => ids,
        Err(failure) => return vec![Finding::fail(stream.name(), failure.of_stream(stream))],
    };
    if orgs.len() < 2 {
        return vec![page(io, settings, client, stream, orgs.pop().as_deref()).await];
    }
    let left = orgs.len().saturating_sub(MOST_ORGS_ASKED);
    orgs.truncate(MOST_ORGS_ASKED);
    let mut findings = Vec::new();
    for org in orgs {
        let found = page(io, settings, client, stream, Some(&org)).await;
        findings.push(Finding { text: format!("organization {org}: {}", found.text), ..found });
    }
    if left > 0 {
        findings.push(Finding::ok(stream.name(), format!("{left} more organizations were not asked")));
    }
    findings
}

/// Lists one item of the last hour; of security audits also of the last week, where there may be none.
async fn page(io: &Io, settings: &Settings, client: &Client, stream: Stream, org: Option<&str>) -> Finding {
    for back in [PAGE, WEEK] {
        match list_one(io, settings, client, stream, org, back).await {
            Err(failure) => return Finding::fail(stream.name(), failure),
            Ok(0) if stream == Stream::SecurityAudits => {}
            Ok(0) => return Finding::ok(stream.name(), "Webex answers, and lists nothing of the last hour"),
            Ok(_) if back == PAGE => return Finding::ok(stream.name(), "Webex lists events of the last hour"),
            Ok(_) => {
                return Finding::ok(stream.name(), "Webex lists events of the last 7 days, none of the last hour");
            }
        }
    }
    Finding::warn(
        stream.name(),
        "no-security-audits",
        "Webex answers, but lists nothing of the last 7 days",
        "if anybody has signed in since, the organization needs Pro Pack and the Control Hub setting \
         `Allow user authentication data` (Organization Settings); sign-ins are recorded from then on",
    )
}

async fn list_one(
    io: &Io,
    settings: &Settings,
    client: &Client,
    stream: Stream,
    org: Option<&str>,
    back: Span,
) -> Result<usize, Failure> {
    let what = format!("listing {stream}");
    if stream.needs_org() {
        settings.orgs.required().map_err(|failure| failure.of_stream(stream))?;
    }
    let to = io.now() - settings.lag;
    let lane = Lane::default();
    let query = Query { settings, org, stream, lane: &lane, from: to - back, to };
    let answer = client.get(query.first_page(1)).await;
    let response = answer.map_err(|trouble| trouble.failure(&what, stream.user(), io.now()).of_stream(stream))?;
    let page = Page::read(&response).map_err(|error| {
        let remedy = "see whether `base_url` is the address of the Webex API";
        Failure::new(Code::NotUnderstood, format_args!("{what}: {error}"), remedy).of_stream(stream)
    })?;
    Ok(page.items.len())
}

fn clock_finding(ahead: Option<Span>) -> Finding {
    let Some(ahead) = ahead else {
        return Finding::warn("clock", "clock-unknown", "not compared: Webex was not heard, or said no time", "");
    };
    let apart = Span::millis(ahead.as_millis().saturating_abs());
    let side = if ahead < Span::ZERO { "behind" } else { "ahead of" };
    let text = format!("this machine's clock is {} {side} Webex's", Span::secs(apart.as_millis() / 1_000));
    let remedy = "set this machine's clock, best by NTP";
    if apart > SKEW_THAT_FAILS {
        Finding::fail("clock", Failure::new(Code::ClockSkew, text, remedy))
    } else if apart > SKEW_WORTH_A_WARNING {
        Finding::warn("clock", Code::ClockSkew.name(), text, remedy)
    } else {
        Finding::ok("clock", "agrees with Webex's")
    }
}

#[cfg(test)]
mod tests;
