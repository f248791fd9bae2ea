//! Tokens: how a user signs in, and how its tokens are kept and renewed.
//!
//! Everything stands in the host's secrets and is changed by compare-and-set alone, so that any number of calls, streams
//! and processes share one set of tokens: one of them refreshes, the others take what it stored.

pub mod endpoint;
pub mod pending;
mod plan;
pub mod redirected;
pub mod session;
pub mod sign_in;
pub mod store;
pub mod tokens;
