//! The engine, the component, and one call into it.
//!
//! Each call has an instance of its own, with a memory and a time budget, so that a trap, a leak or an endless loop ends one
//! call and never the host, and so that nothing but last-run and secrets lives from one call to the next.
//!
//! [`Runtime`] is the engine, [`Plugin`] a component that was loaded, [`Tenant`] a plugin with its settings, secrets and
//! network. A call answers in two levels: the outer error is a defect or a limit ([`RuntimeError`]), the inner one is the
//! plugin's own [`Failure`].

mod bindings;
mod bounds;
mod bundle;
mod clock;
mod error;
mod failure;
mod guest;
mod last_run;
pub mod listed;
mod native;
mod output;
mod plugin;
mod source;
mod tenant;

pub use bindings::exports::siem::plugin::collector::{
    Batch, Description, FetchRequest, Finding, Gap, LastRunView, Lateness, Next, PendingView, ReRead, Report, Reset,
    SecretUse, Setting, SettingKind, Stream, StreamView, TimeRange, User, Verdict, Warning,
};
pub use bindings::exports::siem::plugin::commands::{
    Argument, ArgumentKind, Command, Effect, Outcome, Output as CommandOutput, OutputKind,
};
pub use bindings::siem::plugin::types::{Bundle, Event as EventHead, Failure, LastRun, LastRunPart, Retry};
pub use bounds::Unsound;
pub(crate) use bounds::is_part_name;
pub use bundle::Event;
pub use clock::{Clock, Random};
pub use error::RuntimeError;
pub use failure::{cause, in_words, time, what_to_do};
pub use guest::Parts;
pub use native::NativeCache;
pub use plugin::{Imports, Plugin, Runtime};
pub use source::Source;
pub use tenant::{Tenant, TenantBuilder};
