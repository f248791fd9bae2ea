//! Deterministic worlds that try to break the collecting engine, and an oracle that judges it by its contract.
//!
//! A number becomes a [`scenario`]: what the server is like, what happens in the organization, and what happens to the
//! collector. A [`world`] runs it on one clock that nobody waits for: the simulated tenant of the harness as a value in the
//! process, the real core of the plugin (its futures, driven effect by effect) or the real component (as the harness runs it,
//! on a runtime whose time is paused), and a host by the contract - call, deliver
//! durably, store the last-run, obey `next`. Requests arrive some time after they are sent and are answered some time
//! after that; a run can die at any effect, before or after it is carried out; sinks, state and secrets fail; clocks jump.
//! At the end everything works again, and collecting must come to an end by itself.
//!
//! The [`oracle`] knows the contract and the items, not the core. It checks after every call and at the end:
//!
//! | | by |
//! | --- | --- |
//! | I1 | every item listed within the overlap is delivered or lies in a reported gap; a gap has a cause |
//! | I2 | the watermark goes back only by an operator, and passes no item that was listed in time and is not delivered; the frontier stays behind the origin's clock |
//! | I3 | nothing comes again that is in a recorded batch, but before the time since when all is remembered, after a reset or by request |
//! | I4 | a body is the served item, token by token, and the two fields; id, organization, stream and time are right; nothing is invented |
//! | I5 | a stream fails only after something of its own or of its user's did |
//! | I6 | no secret was sent where it does not belong (the tenant watches) |
//! | I7 | intervals, ids, head, parts, events, bytes and requests of a call are bounded |
//! | I8 | a call ends within its budget and one timeout, a wait within a day, the world within bounded calls and time; nothing turns without change |
//! | I9 | one world in sixteen runs twice and must leave the same trace |
//! | I10 | every last-run is read back as what was written |
//! | tokens | a user whose tokens nothing has ended is never told to sign in, however many refresh side by side |
//!
//! ```text
//! cargo test -p webex-simulation                          3,000 worlds, deliberate defects, directed worlds, 100 with the component
//! cargo run  -p webex-simulation -- soak --seeds 100000   as many as one likes; --from, --jobs, --lying, --defect, --component
//! cargo run  -p webex-simulation -- replay SEED           one world, line by line
//! cargo run  -p webex-simulation -- shrink SEED           made small as long as the same promise is broken
//! cargo run  -p webex-simulation -- rate                  what a busy organization costs; --stream, --per-second, --minutes
//! ```
//!
//! Servers here do not lie about the end of a list: no collector could know. Those of `--lying` do, with `items` that are
//! missing where there are some, and expired links that answer with an empty last page.

pub mod dice;
pub mod oracle;
pub mod rate;
pub mod scenario;
pub mod shrink;
pub mod soak;
pub mod trace;
pub mod world;
