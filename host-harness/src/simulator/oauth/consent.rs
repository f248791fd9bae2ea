//! The page on which a person at a browser agrees to what an integration asks for, or declines.

use maud::{DOCTYPE, PreEscaped, html};

use super::super::params::Params;
use super::{Account, Role};

/// Contrasts of 4.5 or more in both schemes.
const STYLE: &str = "\
:root{color-scheme:light dark}\
body{margin:0;font:1rem/1.5 system-ui,sans-serif;background:#fff;color:#1b1f24}\
main{max-width:36rem;margin:0 auto;padding:2rem 1rem;overflow-wrap:anywhere}\
h1{font-size:1.4rem;line-height:1.25}.note{border:.15rem solid #7d4e00;padding:.5rem .75rem}\
select,button{font:inherit;padding:.5rem .9rem;border:1px solid #57606a;border-radius:.3rem;max-width:100%;color:inherit;\
background:transparent}\
button[value=accept]{background:#0b4f94;border-color:#0b4f94;color:#fff}\
:focus-visible{outline:.2rem solid #0b4f94;outline-offset:.2rem}\
.buttons{display:flex;flex-wrap:wrap;gap:.75rem;margin-top:1.5rem}\
@media(prefers-color-scheme:dark){body{background:#14181d;color:#e6e9ed}.note{border-color:#eac54f}\
select,button{border-color:#a6aeb8}select option{background:#14181d}:focus-visible{outline-color:#8ab8ff}}";

/// What the person decides; none: the form holds neither.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum Decision {
    /// As this account.
    Accept(String),
    /// Not at all.
    Decline,
}

impl Decision {
    pub(in super::super) fn read(form: &Params) -> Option<Self> {
        match form.get("decision") {
            Some("accept") => form.get("account").map(|account| Self::Accept(account.to_owned())),
            Some("decline") => Some(Self::Decline),
            _ => None,
        }
    }
}

/// The page. Its form goes back to the address it came from, query and all.
pub(super) fn page<'a>(
    accounts: &[Account],
    client_id: &str,
    scopes: impl Iterator<Item = &'a str> + Clone,
    wanted: Option<Role>,
) -> String {
    let role = |account: &Account| {
        let roles = account.roles.iter().map(|role| role.title());
        let roles: Vec<&str> = roles.collect();
        if roles.is_empty() { "no role".to_owned() } else { roles.join(", ") }
    };
    let preselected = accounts.iter().find(|account| wanted.is_none_or(|role| account.roles.contains(&role)));
    let title = "SIMULATED sign-in to Webex";
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width,initial-scale=1";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    h1 { (title) }
                    p.note { "This page is part of a tenant that is simulated on this machine. No real account is asked." }
                    p { "The integration " code { (client_id) } " asks for:" }
                    ul { @for scope in scopes { li { code { (scope) } } } }
                    form method="post" {
                        p {
                            label for="account" { "Who signs in" }
                            br;
                            select id="account" name="account" {
                                @for account in accounts {
                                    option value=(account.name)
                                        selected[preselected.is_some_and(|one| one.name == account.name)]
                                        { (account.email) " (" (role(account)) ")" }
                                }
                            }
                        }
                        div.buttons {
                            button type="submit" name="decision" value="accept" { "Accept" }
                            button type="submit" name="decision" value="decline" { "Decline" }
                        }
                    }
                }
            }
        }
    }
    .into_string()
}
