//! What the collector costs: wall time, CPU, memory and requests, beside what else one could run, in one run.
//!
//! Every measured process is one of its own: the [`tenant`], the [`subject`], and between bench and subject the small
//! [`measured`] process that reads what exactly that one child has used. A figure counts only if each event
//! [`arrived`] once.
//!
//! `sinks` measures how fast each sink is, from a full spool to a receiver that only answers.
//!
//! `plan` says what is measured, `case` does it once, `results` keeps it, `table` and `bars` show it, `readme` and `ci` use it.

pub mod arrived;
pub mod bars;
pub mod case;
pub mod ci;
pub mod error;
mod kept;
pub mod machine;
pub mod measured;
pub mod plan;
pub mod readme;
pub mod results;
pub mod sinks;
pub mod subject;
pub mod table;
pub mod tenant;
