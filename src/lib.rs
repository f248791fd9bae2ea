//! Collects Cisco Webex security events: a SIEM plugin as a WebAssembly component.
//!
//! All of it but `guest` is a pure core: it does no I/O and reads no clock, it asks for [`effect`]s and is driven from
//! outside. A call flows one way: `guest` → [`fetch`] → [`page`], [`item`] → [`window`], [`seen`] → [`last_run`] → `guest`.
//!
//! | what | modules |
//! | --- | --- |
//! | the shell: contract, clock, random, network, secrets | `guest` (only on wasm32) |
//! | what the plugin offers | [`fetch`], [`command`], [`check`], [`describe`] |
//! | which time is collected | [`window`], [`seen`], [`lateness`], [`last_run`], [`origin_clock`] |
//! | what is read and delivered | [`query`], [`link`], [`page`], [`json`], [`item`], [`event`] |
//! | whom it asks, as whom | [`client`], [`budget`], [`wire`], [`answer`], [`oauth`], [`api`] |
//! | words that everything shares | [`stream`], [`settings`], [`orgs`], [`secret`], [`time`], [`failure`], [`warning`] |
//! | how the core is driven | [`effect`] |
//! | how its tests are tested | [`defect`] |
//! | what people see | [`markdown`], [`redaction`] |

pub mod answer;
pub mod api;
pub mod budget;
pub mod bundle;
pub mod check;
pub mod client;
pub mod command;
pub mod defect;
pub mod describe;
pub mod effect;
pub mod event;
pub mod failure;
pub mod fetch;
#[cfg(target_arch = "wasm32")]
mod guest;
pub mod item;
pub mod json;
pub mod last_run;
pub mod lateness;
pub mod link;
pub mod markdown;
pub mod oauth;
pub mod orgs;
pub mod origin_clock;
pub mod page;
pub mod query;
pub mod redaction;
pub mod secret;
pub mod seen;
pub mod settings;
pub mod stream;
pub mod time;
pub mod warning;
pub mod window;
pub mod wire;

#[cfg(test)]
mod fake;
