//! The first sentence: whether data flows, else what is worst and what to do.

use maud::{Markup, html};

use super::problem::{self, Told};
use super::{light, user, words};
use crate::board::view::{Light, Problem, Severity, StreamView, Subject, TenantView, View};

/// What whoever carries the pager reads first.
pub(super) struct Headline<'a> {
    pub(super) light: Light,
    /// One sentence, without its full stop.
    pub(super) sentence: String,
    /// What else is to be said where nothing is wrong.
    more: String,
    /// The worst; it stands below the sentence.
    pub(super) problem: Option<Told<'a>>,
}

impl<'a> Headline<'a> {
    /// Of one tenant.
    pub(super) fn of_one(view: &'a View, tenant: &'a TenantView) -> Self {
        let worst = problem::of(tenant, &view.problems).into_iter().next();
        let on: Vec<&StreamView> = tenant.streams.iter().filter(|stream| stream.light != Light::Off).collect();
        if user::nobody_has_signed_in(tenant) && view.problems.is_empty() {
            return Self {
                light: worst.as_ref().map_or(Light::Waiting, Told::light),
                sentence: "Nobody has signed in yet".to_owned(),
                more: "Collecting begins by itself as soon as a user has signed in.".to_owned(),
                problem: worst,
            };
        }
        match worst {
            Some(told) if told.problem.severity == Severity::Fail => Self {
                light: Light::Fail,
                sentence: failing(told.problem, &on),
                more: String::new(),
                problem: Some(told),
            },
            _ if tenant.light == Light::Waiting => Self {
                light: Light::Waiting,
                sentence: "Starting: the first round is under way".to_owned(),
                more: String::new(),
                problem: worst,
            },
            Some(told) => Self {
                light: Light::Warn,
                sentence: "Data flows, and something needs a look".to_owned(),
                more: String::new(),
                problem: Some(told),
            },
            None if on.is_empty() => Self {
                light: tenant.light,
                sentence: "No stream is on".to_owned(),
                more: "Configure a user in the settings file, or switch a stream on.".to_owned(),
                problem: None,
            },
            None => {
                let is_behind = on.iter().any(|stream| stream.backlog.is_some());
                let sentence = if is_behind { "Data flows, and a backlog is being read" } else { "Data flows" };
                let more = if is_behind { backlog(&on, view.now) } else { lag(&on) };
                Self { light: tenant.light, sentence: sentence.to_owned(), more, problem: None }
            }
        }
    }

    /// Of all of them.
    pub(super) fn of_all(view: &'a View) -> Self {
        let all = words::count(view.tenants.len() as u64, "tenant");
        let so = |light: Light| view.tenants.iter().filter(|tenant| tenant.light == light).count();
        if let Some(problem) = view.problems.first() {
            let sentence = "Data does not flow as it should".to_owned();
            let problem = Some(Told { problem, tenant: None });
            return Self { light: Light::Fail, sentence, more: String::new(), problem };
        }
        let say = |light, sentence: String| Self { light, sentence, more: String::new(), problem: None };
        let (failing, warned, starting) = (so(Light::Fail), so(Light::Warn), so(Light::Waiting));
        if view.tenants.is_empty() {
            let more = "Each settings file in the folder of `[tenants]` is one.".to_owned();
            return Self { more, ..say(Light::Waiting, "There is no tenant yet".to_owned()) };
        }
        if failing > 0 {
            let sentence = format!("Data does not flow as it should for {failing} of {all}");
            return Self { problem: worst(view, Severity::Fail), ..say(Light::Fail, sentence) };
        }
        if warned > 0 {
            let sentence = format!("Data flows, and {warned} of {all} should be looked at");
            return Self { problem: worst(view, Severity::Warn), ..say(Light::Warn, sentence) };
        }
        if starting > 0 {
            return say(Light::Waiting, format!("{starting} of {all} are starting"));
        }
        let on: Vec<&StreamView> = view.tenants.iter().flat_map(|tenant| &tenant.streams).collect();
        Self { more: lag(&on), ..say(Light::Ok, format!("Data flows for {all}")) }
    }

    pub(super) fn show(&self) -> Markup {
        html! {
            section class={ "headline " (light::class(self.light)) } data-key="headline" {
                (light::shape(self.light))
                div {
                    h1 { (self.sentence) }
                    @if let Some(told) = &self.problem { (told.show(true)) }
                    @if !self.more.is_empty() { p { (self.more) } }
                }
            }
        }
    }
}

/// The first one of all tenants that is so severe.
fn worst(view: &View, severity: Severity) -> Option<Told<'_>> {
    let told = view.tenants.iter().flat_map(|tenant| problem::of(tenant, &[]));
    told.into_iter().find(|told| told.problem.severity == severity)
}

fn failing(problem: &Problem, on: &[&StreamView]) -> String {
    let flowing = on.iter().filter(|stream| matches!(stream.light, Light::Ok | Light::Warn)).count();
    match &problem.subject {
        Subject::Sink(_) if flowing > 0 => "Data is collected, and a sink does not take it".to_owned(),
        Subject::User(_) if flowing > 0 && flowing == on.len() => "Data flows, but not for long".to_owned(),
        Subject::Stream(_) | Subject::User(_) if flowing > 0 => {
            format!("Data flows in {flowing} of {} streams only", on.len())
        }
        _ => "Data does not flow".to_owned(),
    }
}

fn lag(on: &[&StreamView]) -> String {
    let streams = words::count(on.iter().filter(|stream| stream.light != Light::Off).count() as u64, "stream");
    match on.iter().filter_map(|stream| stream.lag_ms).max() {
        Some(lag) => format!("{streams}, at most {} behind Webex.", words::length(lag)),
        None => format!("{streams}."),
    }
}

fn backlog(on: &[&StreamView], now: i64) -> String {
    let behind = || on.iter().filter_map(|stream| stream.backlog);
    let ends = behind().map(|backlog| backlog.ends).collect::<Option<Vec<i64>>>();
    let meanwhile = "New events come in meanwhile.";
    match ends.and_then(|ends| ends.into_iter().max()) {
        Some(end) => format!("About {} are left. {meanwhile}", words::length(words::between(now, end))),
        None => meanwhile.to_owned(),
    }
}
