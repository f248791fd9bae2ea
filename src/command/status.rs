//! `cisco-webex-status`: how users, tokens and streams stand, without asking Webex.

use std::rc::Rc;

use serde_json::{Value, json};

use super::Outcome;
use crate::budget::Budget;
use crate::effect::Io;
use crate::failure::Failure;
use crate::markdown::table;
use crate::oauth::pending::Pending;
use crate::oauth::session::{Session, Standing};
use crate::oauth::store::Store;
use crate::oauth::tokens::Token;
use crate::secret::SecretName;
use crate::settings::{Integration, Settings};
use crate::stream::{Stream, User};
use crate::time::{Span, Timestamp};
use crate::wire::Wire;

/// One user.
#[derive(Debug, Default)]
struct Row {
    configured: bool,
    signed_in: bool,
    service_app: bool,
    problem: String,
    remedy: String,
    access_issued: Option<Timestamp>,
    access_expires: Option<Timestamp>,
    refresh_expires: Option<Timestamp>,
    scopes: Vec<String>,
    claim: Option<Timestamp>,
    pending: usize,
}

/// Says how everything stands.
pub(super) async fn status(io: Io, settings: &Settings, deadline: Span) -> Result<Outcome, Failure> {
    let (mut users, mut user_rows) = (Vec::new(), Vec::new());
    for user in User::ALL {
        let row = match settings.integration(user) {
            Some(integration) => row(&io, settings, integration, deadline).await,
            None => Row::default(),
        };
        user_rows.push(row.cells(user));
        users.push(row.output(user));
    }
    let on = settings.streams();
    let is_on = |stream: &Stream| on.contains(stream);
    let streams: Vec<Value> = Stream::ALL
        .iter()
        .map(|stream| json!({"name": stream.name(), "user": stream.user().name(), "on": is_on(stream)}))
        .collect();
    let stream_rows: Vec<Vec<String>> = Stream::ALL
        .iter()
        .map(|stream| {
            let state = if is_on(stream) { "on" } else { "off" };
            vec![stream.name().to_owned(), stream.user().name().to_owned(), state.to_owned()]
        })
        .collect();
    let head = ["user", "state", "access token until", "refresh token until", "scopes", "what to do"];
    let readable =
        format!("{}\n{}", table(&head, &user_rows, ""), table(&["stream", "user", "state"], &stream_rows, ""));
    Ok(Outcome::new(readable, json!({"User": users, "Stream": streams})))
}

/// What cannot be read about a user is its problem, and hides nothing about the other.
async fn row(io: &Io, settings: &Settings, integration: &Integration, deadline: Span) -> Row {
    let user = integration.user;
    let wire = Rc::new(Wire::new(io.clone(), deadline, Rc::new(Budget::of_command())));
    let session = Session::new(io.clone(), wire, settings.api.clone(), integration.clone());
    let pending = pending(io, settings, integration).await;
    let standing = session.standing().await;
    let of_failure =
        |failure: Failure| Row { configured: true, problem: failure.message, remedy: failure.remedy, ..Row::default() };
    match (standing, pending) {
        (Ok(standing), Ok(pending)) => Row { pending, ..Row::of(standing) },
        (Err(failure), _) => of_failure(failure),
        (Ok(standing), Err(failure)) => {
            let failure = failure.of_user(user);
            Row { problem: failure.message, remedy: failure.remedy, ..Row::of(standing) }
        }
    }
}

async fn pending(io: &Io, settings: &Settings, integration: &Integration) -> Result<usize, Failure> {
    let user = integration.user;
    let stored = Store::new(io.clone(), user).read(SecretName::SignIns(user)).await?;
    let mut pending = Pending::read(user, stored)?;
    pending.tidy(&settings.api, integration, io.now());
    Ok(pending.len())
}

impl Row {
    fn of(standing: Standing) -> Self {
        let expires = |token: Option<&Token>| token.and_then(|token| token.expires);
        let tokens = standing.tokens.as_ref();
        let (problem, remedy) = standing.problem.map(|failure| (failure.message, failure.remedy)).unwrap_or_default();
        Self {
            configured: true,
            signed_in: standing.serves,
            service_app: standing.is_service_app,
            problem,
            remedy,
            access_issued: tokens.filter(|tokens| tokens.access.is_some()).map(|tokens| tokens.issued),
            access_expires: expires(tokens.and_then(|tokens| tokens.access.as_ref())),
            refresh_expires: expires(tokens.and_then(|tokens| tokens.refresh.as_ref())),
            scopes: tokens.map(|tokens| tokens.scopes.clone()).unwrap_or_default(),
            claim: standing.claim,
            pending: 0,
        }
    }

    fn state(&self) -> String {
        let state = match (self.configured, self.signed_in, self.service_app) {
            (false, ..) => return "not configured".to_owned(),
            (true, true, true) => "Service App",
            (true, true, false) => "signed in",
            (true, false, _) => "not signed in",
        };
        let problem = (!self.problem.is_empty()).then(|| self.problem.clone());
        let claim = self.claim.map(|until| format!("being refreshed until {until}"));
        let pending = (self.pending > 0).then(|| format!("{} pending sign-ins", self.pending));
        let more = [problem, claim, pending].into_iter().flatten().map(|part| format!("; {part}"));
        std::iter::once(state.to_owned()).chain(more).collect()
    }

    fn cells(&self, user: User) -> Vec<String> {
        let time = |time: Option<Timestamp>| time.map_or_else(|| "-".to_owned(), |time| time.to_string());
        vec![
            user.name().to_owned(),
            self.state(),
            time(self.access_expires),
            time(self.refresh_expires),
            self.scopes.join(" "),
            self.remedy.clone(),
        ]
    }

    fn output(&self, user: User) -> Value {
        let time = |time: Option<Timestamp>| time.map(|time| time.to_string());
        json!({
            "name": user.name(),
            "configured": self.configured,
            "signed_in": self.signed_in,
            "service_app": self.service_app,
            "problem": self.problem,
            "remedy": self.remedy,
            "access_issued": time(self.access_issued),
            "access_expires": time(self.access_expires),
            "refresh_expires": time(self.refresh_expires),
            "scopes": self.scopes,
            "refreshing_until": time(self.claim),
            "pending_sign_ins": self.pending,
        })
    }
}
