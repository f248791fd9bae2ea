//! Deliberate defects: what other collectors do wrong, to prove that the simulation would find it here.
//!
//! Only with the feature `defects`, which no component is built with; without it every question is `false` when the code is
//! compiled, and nothing is left of it.

/// A mistake that a collector may make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Defect {
    /// The watermark is the newest event that was met.
    WatermarkIsNewestEvent,
    /// Nothing is remembered as delivered.
    NothingIsSeen,
    /// A slice counts as drained where a batch ends within it.
    DrainedTooSoon,
    /// Of several events of one millisecond only one is delivered.
    SameMillisecondIsSame,
    /// Ids are forgotten by age, though older slices are still open.
    SeenForgetsBacklog,
    /// Twenty empty pages end a slice as if it were drained.
    EmptyPagesAreTheEnd,
    /// A slice that cannot be read begins again as long as it was.
    RestartWithoutHalving,
    /// Tokens are refreshed without asking who else does.
    RefreshWithoutClaim,
}

impl Defect {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::WatermarkIsNewestEvent,
        Self::NothingIsSeen,
        Self::DrainedTooSoon,
        Self::SameMillisecondIsSame,
        Self::SeenForgetsBacklog,
        Self::EmptyPagesAreTheEnd,
        Self::RestartWithoutHalving,
        Self::RefreshWithoutClaim,
    ];
}

#[cfg(feature = "defects")]
std::thread_local! {
    static PRESENT: std::cell::Cell<Option<Defect>> = const { std::cell::Cell::new(None) };
}

/// Gives the core of this thread a defect, or takes it away.
#[cfg(feature = "defects")]
pub fn set(defect: Option<Defect>) {
    PRESENT.set(defect);
}

/// Whether the core has it.
#[cfg(feature = "defects")]
pub(crate) fn is(defect: Defect) -> bool {
    PRESENT.get() == Some(defect)
}

/// Never.
#[cfg(not(feature = "defects"))]
pub(crate) const fn is(_: Defect) -> bool {
    false
}
