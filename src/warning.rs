//! What a person should know though things go on.

/// A warning: stable code, one sentence, what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// For programs.
    pub code: &'static str,
    /// One sentence.
    pub text: String,
    /// What a person does; empty if nothing.
    pub remedy: String,
}
