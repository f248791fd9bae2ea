//! What is wrong, what it is about, and what a person does.

use maud::{Markup, html};

use super::headline::Headline;
use super::{light, user, words};
use crate::board::SIGN_IN_NEEDED;
use crate::board::view::{Light, Problem, Severity, Subject, TenantView, UserView};

/// A problem and whose it is.
#[derive(Clone, Copy)]
pub(super) struct Told<'a> {
    pub(super) problem: &'a Problem,
    /// None: of the program.
    pub(super) tenant: Option<&'a TenantView>,
}

/// Problems of a tenant and of the program, the worst first. That nobody has signed in yet is no problem: the page is about that.
pub(super) fn of<'a>(tenant: &'a TenantView, program: &'a [Problem]) -> Vec<Told<'a>> {
    let is_first_start = user::nobody_has_signed_in(tenant);
    let own = tenant.problems.iter().filter(|problem| !is_first_start || problem.code != SIGN_IN_NEEDED);
    let mut told: Vec<Told<'_>> = program.iter().map(|problem| Told { problem, tenant: None }).collect();
    told.extend(own.map(|problem| Told { problem, tenant: Some(tenant) }));
    told.sort_by_key(|told| std::cmp::Reverse(told.problem.severity));
    told
}

/// All but the one of the headline.
pub(super) fn others(tenant: &TenantView, program: &[Problem], headline: &Headline<'_>) -> Markup {
    let told = of(tenant, program);
    list(told.iter().skip(usize::from(headline.problem.is_some())).copied(), "Also")
}

/// Each with its light.
pub(super) fn list<'a>(told: impl Iterator<Item = Told<'a>>, head: &str) -> Markup {
    let mut told = told.peekable();
    html! {
        @if told.peek().is_some() {
            section.problems data-key="problems" {
                h2 { (head) }
                ul {
                    @for told in told {
                        li class=(light::class(told.light())) {
                            (light::shape(told.light()))
                            span.hidden { (told.severity()) ": " }
                            div { (told.show(false)) }
                        }
                    }
                }
            }
        }
    }
}

impl Told<'_> {
    pub(super) fn light(&self) -> Light {
        match self.problem.severity {
            Severity::Warn => Light::Warn,
            Severity::Fail => Light::Fail,
        }
    }

    fn severity(&self) -> &'static str {
        match self.problem.severity {
            Severity::Warn => "Warning",
            Severity::Fail => "Failing",
        }
    }

    /// What it is about, as the page calls it; none: everything.
    pub(super) fn subject(&self) -> Option<String> {
        let titled = |known: Option<&str>, name: &str| known.unwrap_or(name).to_owned();
        let streams = self.tenant.map(|tenant| tenant.streams.as_slice()).unwrap_or_default();
        match &self.problem.subject {
            Subject::Collector => None,
            Subject::Stream(name) => {
                let known = streams.iter().find(|stream| stream.name == *name);
                Some(titled(known.map(|stream| stream.title.as_str()), name))
            }
            Subject::User(name) => Some(titled(self.user().map(|user| user.title.as_str()), name)),
            Subject::Sink(name) => Some(format!("sink {name}")),
        }
    }

    fn user(&self) -> Option<&UserView> {
        let Subject::User(name) = &self.problem.subject else { return None };
        self.tenant?.users.iter().find(|user| user.name == *name)
    }

    /// What, why, and what to do. `is_named`: also whose it is.
    pub(super) fn show(&self, is_named: bool) -> Markup {
        let name = self.tenant.and_then(|tenant| tenant.name.clone()).filter(|_| is_named);
        let subject = match (name, self.subject()) {
            (Some(name), Some(subject)) => Some(format!("{name}, {subject}")),
            (name, subject) => name.or(subject.as_deref().map(capital)),
        };
        let signs_in = self.user().filter(|user| user::can_sign_in(user));
        let remedy = match signs_in {
            // The button does it; what else does it would only be in the way.
            Some(user) if !user.signed_in => format!("Sign in as the {}.", words::clean(&user.title)),
            _ => words::sentence(&self.problem.remedy),
        };
        html! {
            p {
                @if let Some(subject) = subject { strong { (words::clean(&subject)) } ": " }
                (words::marked(&words::sentence(&self.problem.text))) " "
                code { (words::clean(&self.problem.code)) }
            }
            @if !remedy.is_empty() { p.remedy { strong { "What to do: " } (words::marked(&remedy)) } }
            @if let (Some(user), Some(tenant)) = (signs_in, self.tenant) {
                (user::sign_in(tenant.name.as_deref(), user))
            }
        }
    }

    /// In one line, for a row.
    pub(super) fn line(&self) -> String {
        let subject = self.subject().map(|subject| format!("{}: ", capital(&subject))).unwrap_or_default();
        words::clean(&format!("{subject}{}", self.problem.text))
    }
}

/// With a capital.
pub(super) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| format!("{}{}", first.to_uppercase(), letters.as_str())).unwrap_or_default()
}
