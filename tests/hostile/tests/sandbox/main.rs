//! What a hostile plugin tries, and that nothing comes of it: each attempt is refused or ended within its budget, is told in one
//! line that names the tenant and the reason, and neither the tenant's next call nor its neighbour's suffers from it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod answers;
mod machine;
mod network;
mod resources;
mod secrets;
mod support;
mod tenants;
