//! Deterministic worlds that try to break the collecting engine, and an oracle that judges it by its contract.
pub mod dice;
pub mod oracle;
pub mod scenario;
pub mod shrink;
pub mod soak;
pub mod trace;
pub mod world;
