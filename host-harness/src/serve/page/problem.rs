//! What is wrong, what it is about, and what a person does.

use std::collections::BTreeSet;

use maud::{Markup, html};

use super::headline::Headline;
use super::{light, user, words};
use crate::board::view::{Light, Problem, Severity, Subject, TenantView};

/// The code of whatever ends with a sign-in.
const SIGN_IN_NEEDED: &str = "sign-in-needed";
/// Codes for which a person signs in.
const BY_SIGN_IN: [&str; 3] = [SIGN_IN_NEEDED, "token-expires", "token"];

/// A problem and whose it is.
#[derive(Clone, Copy)]
pub(super) struct Told<'a> {
    pub(super) problem: &'a Problem,
    /// None: of the program.
    pub(super) tenant: Option<&'a TenantView>,
}

/// Problems of a tenant and of the program, the worst first; what follows from another that is here is left out.
pub(super) fn of<'a>(tenant: &'a TenantView, program: &'a [Problem]) -> Vec<Told<'a>> {
    let is_first_start = user::nobody_has_signed_in(tenant);
    let users: BTreeSet<&str> = tenant.problems.iter().filter_map(user_to_sign_in).collect();
    let follows = |problem: &Problem| {
        let Subject::Stream(name) = &problem.subject else { return is_first_start && problem.code == SIGN_IN_NEEDED };
        let is_of_user = |stream: &&str| users.contains(stream);
        let user = tenant.streams.iter().find(|stream| stream.name == *name).map(|stream| stream.user.as_str());
        problem.code == SIGN_IN_NEEDED && user.as_ref().is_some_and(is_of_user)
    };
    let own = tenant.problems.iter().filter(|problem| !follows(problem));
    let mut told: Vec<Told<'_>> = program.iter().map(|problem| Told { problem, tenant: None }).collect();
    told.extend(own.map(|problem| Told { problem, tenant: Some(tenant) }));
    told.sort_by_key(|told| std::cmp::Reverse(told.problem.severity));
    told
}

fn user_to_sign_in(problem: &Problem) -> Option<&str> {
    match &problem.subject {
        Subject::User(name) if problem.code == SIGN_IN_NEEDED => Some(name),
        _ => None,
    }
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

    fn user(&self) -> Option<&crate::board::view::UserView> {
        let Subject::User(name) = &self.problem.subject else { return None };
        self.tenant?.users.iter().find(|user| user.name == *name)
    }

    /// What, why, and what to do. `is_named`: also whose it is.
    pub(super) fn show(&self, is_named: bool) -> Markup {
        let remedy = words::sentence(&self.problem.remedy);
        let name = self.tenant.and_then(|tenant| tenant.name.clone()).filter(|_| is_named);
        let subject = match (name, self.subject()) {
            (Some(name), Some(subject)) => Some(format!("{name}, {subject}")),
            (name, subject) => name.or(subject.as_deref().map(capital)),
        };
        let signs_in = self.user().filter(|_| BY_SIGN_IN.contains(&self.problem.code.as_str()));
        html! {
            p {
                @if let Some(subject) = subject { strong { (words::clean(&subject)) } ": " }
                (words::marked(&words::sentence(&self.problem.text))) " "
                code { (words::clean(&self.problem.code)) }
            }
            @if !remedy.is_empty() { p.remedy { strong { "What to do: " } (words::marked(&remedy)) } }
            @if let (Some(user), Some(tenant)) = (signs_in, self.tenant) {
                @if user::can_sign_in(user) { (user::sign_in(tenant.name.as_deref(), user)) }
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
