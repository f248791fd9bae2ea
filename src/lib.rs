//! Collects Cisco Webex security events: a SIEM plugin as a WebAssembly component.
pub mod answer;
pub mod api;
pub mod check;
pub mod client;
pub mod command;
pub mod describe;
pub mod effect;
pub mod event;
pub mod failure;
pub mod fetch;
#[cfg(target_arch = "wasm32")]
mod guest;
pub mod item;
pub mod last_run;
pub mod link;
pub mod markdown;
pub mod oauth;
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
