//! Generated from the workspace's `wit/`.
#![allow(
    unsafe_code,
    missing_docs,
    unreachable_pub,
    rust_2018_idioms,
    clippy::all,
    clippy::allow_attributes_without_reason,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "the canonical ABI is the generator's"
)]

use super::Hostile;

wit_bindgen::generate!({ path: "../../wit", world: "siem:plugin/plugin", generate_all });

export!(Hostile);
