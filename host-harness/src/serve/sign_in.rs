//! Signing in through the page: `POST /sign-in` leads the browser to Webex, and Webex leads it back to the redirect URI, which is
//! this server or, on another port of this machine, a [`Receiver`] for this one sign-in.
//!
//! The way back is the one GET that changes something. It needs the state of a sign-in that was begun here, which nobody else
//! knows and which counts once (RFC 6749, section 10.12).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use axum::body::Body;
use axum::extract::{Form, State};
use axum::response::{IntoResponse, Redirect, Response};
use chrono::{DateTime, Utc};
use http::{Method, StatusCode, Uri};
use serde::Deserialize;
use url::Url;

use super::Served;
use super::desk::DeskError;
use crate::log::Level;
use crate::runtime::User;
use crate::secrets::Secret;
use crate::sign_in::{self, Completed, Links, Page, Receiver, ReceiverError, SignInError, Started};

/// Sign-ins that are under way at a time; the oldest gives way.
const MOST: usize = 100;

/// Sign-ins whose browser will come back to this server, by state.
#[derive(Default)]
pub(super) struct SignIns(Mutex<BTreeMap<String, SignIn>>);

/// One of them.
struct SignIn {
    who: Who,
    redirect_uri: String,
    until: DateTime<Utc>,
}

/// Whose sign-in.
#[derive(Clone, Deserialize)]
pub(super) struct Who {
    /// Empty: the only one's.
    #[serde(default)]
    tenant: String,
    user: String,
}

impl Who {
    fn tenant(&self) -> Option<&str> {
        Some(self.tenant.as_str()).filter(|name| !name.is_empty())
    }
}

impl SignIns {
    fn add(&self, started: &Started, who: Who) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Utc::now();
        known.retain(|_, sign_in| sign_in.until > now);
        if known.len() >= MOST {
            let oldest = known.iter().min_by_key(|(_, sign_in)| sign_in.until).map(|(state, _)| state.clone());
            oldest.map(|state| known.remove(&state));
        }
        let sign_in = SignIn { who, redirect_uri: started.redirect_uri.clone(), until: started.until };
        known.insert(started.state().expose().to_owned(), sign_in);
    }

    /// Whose state it is, if the browser came to where it was sent. It counts once.
    fn take(&self, state: &str, path: &str) -> Option<SignIn> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let leads_here = |sign_in: &SignIn| Url::parse(&sign_in.redirect_uri).is_ok_and(|uri| uri.path() == path);
        if known.get(state).is_some_and(leads_here) { known.remove(state) } else { None }
    }
}

/// A person wants to sign a user in.
pub(super) async fn begin(State(served): State<Served>, Form(who): Form<Who>) -> Response {
    match start(&served, who).await {
        Ok(url) => Redirect::to(&url).into_response(),
        Err(error) => refused(&error, &links()),
    }
}

/// A browser comes back from Webex; anything else has no page here.
pub(super) async fn fallback(State(served): State<Served>, method: Method, uri: Uri) -> Response {
    let query = uri.query().unwrap_or_default();
    let state = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "state");
    let known = state.filter(|_| method == Method::GET).and_then(|(_, state)| served.sign_ins.take(&state, uri.path()));
    let Some(SignIn { who, redirect_uri, .. }) = known else {
        // Who is led back with a state that is not known any more deserves a word.
        if method == Method::GET && query.contains("state=") && query.contains("code=") {
            return page(Page::of_another_sign_in());
        }
        return (StatusCode::NOT_FOUND, "there is no such page; the status page is /\n").into_response();
    };
    let address = Secret::from(format!("{redirect_uri}?{query}").as_str());
    match finish(&served, &who, address).await {
        Ok(completed) if completed.is_whole() => Redirect::to("/").into_response(),
        Ok(completed) => page(Page::signed_in(&completed, links())),
        Err(error) => refused(&error, &links()),
    }
}

/// Why it did not come to a sign-in.
#[derive(Debug, thiserror::Error)]
enum NotSignedIn {
    #[error(transparent)]
    Desk(#[from] DeskError),
    #[error(transparent)]
    SignIn(#[from] SignInError),
    #[error("the plugin has no user `{0}`")]
    NoUser(String),
    #[error(transparent)]
    Receiver(#[from] ReceiverError),
}

fn links() -> Links<'static> {
    Links { back: Some("/"), again: None }
}

fn page(page: Page) -> Response {
    page.answer::<Body>()
}

fn refused(error: &NotSignedIn, links: &Links<'_>) -> Response {
    match error {
        NotSignedIn::SignIn(error) => page(Page::not_signed_in(error, Links { ..*links })),
        error => {
            let status = match error {
                NotSignedIn::NoUser(_) | NotSignedIn::Desk(DeskError::NoTenant(_) | DeskError::NoNames) => {
                    StatusCode::NOT_FOUND
                }
                NotSignedIn::Desk(DeskError::TenantNeeded) => StatusCode::BAD_REQUEST,
                _ => StatusCode::CONFLICT,
            };
            (status, format!("{}\n", crate::redaction::clean(&error.to_string()))).into_response()
        }
    }
}

fn user<'a>(served: &'a Served, name: &str) -> Result<&'a User, NotSignedIn> {
    let known = served.desk.description().users.iter().find(|user| user.name == name);
    known.ok_or_else(|| NotSignedIn::NoUser(crate::log::plain(name)))
}

/// Begins a sign-in and sees to it that somebody waits for the browser. Returns where the browser goes.
async fn start(served: &Served, who: Who) -> Result<String, NotSignedIn> {
    let user = user(served, &who.user)?;
    let tenant = served.desk.tenant(who.tenant()).await?;
    let started = sign_in::start(&tenant, user).await?;
    if comes_here(served, &started.redirect_uri) {
        served.sign_ins.add(&started, who);
        return Ok(started.url);
    }
    match Receiver::bind(&started).await {
        Ok(receiver) => {
            tokio::spawn(wait(served.clone(), receiver, who));
        }
        // It leads to some other machine, which may lead it here: a reverse proxy.
        Err(ReceiverError::Elsewhere { .. }) => served.sign_ins.add(&started, who),
        Err(error) => return Err(error.into()),
    }
    Ok(started.url)
}

/// Whether a redirect URI leads to this server itself.
fn comes_here(served: &Served, redirect_uri: &str) -> bool {
    let Ok(uri) = Url::parse(redirect_uri) else { return false };
    let is_this_machine = match uri.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => IpAddr::from(address).is_loopback(),
        Some(url::Host::Ipv6(address)) => IpAddr::from(address).is_loopback(),
        None => false,
    };
    is_this_machine && uri.port_or_known_default() == Some(served.address.port())
}

/// Waits at another port of this machine.
async fn wait(served: Served, mut receiver: Receiver, who: Who) {
    let stop = served.desk.stop().clone();
    let redirected = tokio::select! {
        redirected = receiver.redirected() => redirected,
        () = stop.requested() => return,
    };
    // Nobody came in time: the plugin forgets the sign-in, too.
    let Ok(redirected) = redirected else { return };
    let back = format!("http://{}/", served.address);
    let links = || Links { back: Some(&back), again: None };
    let shown = match finish(&served, &who, redirected.address().clone()).await {
        Ok(completed) => Page::signed_in(&completed, links()),
        Err(NotSignedIn::SignIn(error)) => Page::not_signed_in(&error, links()),
        Err(error) => {
            served.log.write(Level::Error, "sign-in-failed", &error.to_string(), &[]);
            Page::of_another_sign_in()
        }
    };
    redirected.answer(shown);
    receiver.close().await;
}

/// Completes the sign-in; a round begins now, and what is known of the users is asked anew.
async fn finish(served: &Served, who: &Who, address: Secret) -> Result<Completed, NotSignedIn> {
    let user = user(served, &who.user)?;
    let tenant = served.desk.tenant(who.tenant()).await?;
    let completed = sign_in::complete(&tenant, user, address).await;
    served.desk.ask_for_users(who.tenant()).await;
    let completed = completed?;
    served.desk.wake(who.tenant());
    Ok(completed)
}
