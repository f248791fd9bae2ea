//! The oracle: what the contract promises, checked against what happened. It knows nothing of how the core works.

mod body;
mod call;
mod cause;
mod ledger;

use std::fmt;

pub use call::CallFacts;
pub use ledger::Ledger;

/// The invariants of the design, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Invariant {
    /// What is listed in time is delivered, or lies in a reported gap.
    I1,
    /// The watermark passes nothing that is not delivered, and the frontier not the origin's clock.
    I2,
    /// No id twice.
    I3,
    /// What is delivered was served, and is unchanged.
    I4,
    /// What fails stops only itself.
    I5,
    /// No secret where it does not belong.
    I6,
    /// Memory, state and requests are bounded.
    I7,
    /// Every wait ends, every loop makes progress.
    I8,
    /// The same seed, the same trace.
    I9,
    /// What was written is read.
    I10,
    /// Design section 4: refreshing side by side keeps the user signed in.
    Tokens,
    /// The world itself is wrong.
    Host,
}

/// Something that must not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// What it breaks.
    pub invariant: Invariant,
    /// What happened.
    pub what: String,
}

impl Violation {
    /// Of this invariant.
    pub fn new(invariant: Invariant, what: impl Into<String>) -> Self {
        Self { invariant, what: what.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.invariant, self.what)
    }
}
