//! `cisco-webex-oauth-start` and `cisco-webex-oauth-complete`.

use serde_json::{Value, json};

use super::Outcome;
use super::table::{TABLE, Verb};
use crate::client::Client;
use crate::effect::Io;
use crate::failure::Failure;
use crate::markdown::{code, escape};
use crate::oauth::sign_in::SignIn;
use crate::oauth::tokens::{Token, Tokens};
use crate::secret::Secret;
use crate::settings::Settings;
use crate::stream::User;
use crate::time::Span;

/// Begins a sign-in.
pub(super) async fn start(io: Io, settings: &Settings, user: User, deadline: Span) -> Result<Outcome, Failure> {
    let begun = SignIn::new(io, settings, user, deadline)?.start().await?;
    let title = user.title();
    let complete = TABLE.iter().find(|spec| spec.verb == Verb::OauthComplete).map_or("", |spec| spec.name);
    let readable = format!(
        "1. Open this link in a browser where the {title} of Webex is signed in, or nobody:\n\n{}\n\n\
         2. Accept. Webex leads to {} with a code; that the page may not load does not matter.\n\
         3. Before {} run `{complete} user={user} code='ADDRESS'` with the whole address of that page.\n",
        begun.link,
        code(&begun.redirect_uri),
        begun.until,
    );
    let outputs = json!({"SignIn": {
        "user": user.name(),
        "url": begun.link.as_str(),
        "redirect_uri": begun.redirect_uri,
        "until": begun.until.to_string(),
    }});
    Ok(Outcome::new(readable, outputs))
}

/// Completes it.
pub(super) async fn complete(
    io: Io,
    settings: &Settings,
    user: User,
    given: &Secret,
    deadline: Span,
) -> Result<Outcome, Failure> {
    let tokens = SignIn::new(io.clone(), settings, user, deadline)?.complete(given).await?;
    let account = account(io, settings, user, &tokens, deadline).await;
    let expires = |token: &Option<Token>| token.as_ref().and_then(|token| token.expires).map(|time| time.to_string());
    let (access, refresh) = (expires(&tokens.access), expires(&tokens.refresh));
    let name = account.get("emails").and_then(|emails| emails.get(0)).and_then(Value::as_str);
    let named = name.map(|name| format!(" as {}", escape(name))).unwrap_or_default();
    let mut readable = format!("The {} has signed in{named}.\n", user.title());
    match (&tokens.refresh, &refresh) {
        (None, _) => readable += "\nWebex gave no refresh token: the sign-in ends with its access token.\n",
        (Some(_), Some(end)) => {
            readable += &format!("\nThe refresh token ends on {end}, if Webex does not renew it.\n")
        }
        (Some(_), None) => {}
    }
    let asked = settings.integration(user).map(|integration| integration.scopes.clone()).unwrap_or_default();
    let missing: Vec<String> = asked.into_iter().filter(|scope| !tokens.scopes.contains(scope)).collect();
    if !missing.is_empty() {
        readable += &format!("\nWebex did not grant {}.\n", escape(&missing.join(", ")));
    }
    let test = TABLE.iter().find(|spec| spec.verb == Verb::OauthTest).map_or("", |spec| spec.name);
    readable += &format!("\nSee whether it works: `{test} user={user}`.\n");
    let outputs = json!({"SignIn": {
        "user": user.name(),
        "account": name,
        "org_id": account.get("orgId").and_then(Value::as_str),
        "scopes": tokens.scopes,
        "access_expires": access,
        "refresh_expires": refresh,
    }});
    Ok(Outcome::new(readable, outputs))
}

/// The person behind the tokens, if the integration may ask for it; null where it may not or Webex does not say. The sign-in is
/// done either way.
async fn account(io: Io, settings: &Settings, user: User, tokens: &Tokens, deadline: Span) -> Value {
    if !tokens.scopes.iter().any(|scope| scope.ends_with(":people_read")) {
        return Value::Null;
    }
    let Ok(client) = Client::of_command(io, settings, user, deadline) else { return Value::Null };
    let answer = client.get(settings.api.endpoint("people/me")).await;
    answer.ok().and_then(|response| serde_json::from_slice(&response.body).ok()).unwrap_or_default()
}
