//! What is done about a slice that cannot be read as it is: again in halves, in quarantine, or the stream pauses.

use super::slice::{Drain, End, MOST_EMPTY, Tally};
use crate::answer::FAULT_WAIT;
use crate::defect::{self, Defect};
use crate::effect::Level;
use crate::failure::{Code, Failure};
use crate::link::LinkError;
use crate::page::PageError;

/// Restarts in a call, after which the next call goes on: a day halved down to seconds twice.
const MOST_RESTARTS: u32 = 40;

/// Intervals that are set aside in a call before the stream pauses: where nothing can be read at all, a day is not asked for
/// second by second at full speed.
const MOST_SET_ASIDE: u32 = 8;

/// Unreadable answers in a row before the server as a whole is blamed: a month halved down to a second.
const MOST_MISSES: u32 = 24;

/// Where no page was read in this call: one cut, and only after this many calls in a row that ended so. Else an
/// outage would leave nothing but splinters.
const FAULTS_BEFORE_A_CUT: u32 = 3;

/// Why a slice cannot be read as it is.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreadable {
    #[error(transparent)]
    Page(#[from] PageError),
    #[error(transparent)]
    Link(#[from] LinkError),
    #[error("the next link leads to a page that was read before")]
    Loop,
    #[error("{MOST_EMPTY} empty pages in a row")]
    Empty,
    #[error("it has more pages than one slice may have")]
    TooLong,
    /// The server cannot give this much at once.
    #[error("{0}")]
    TooMuch(String),
    /// No answer, or the server's own error.
    #[error("{0}")]
    Fault(String),
    /// A next link is not taken any more.
    #[error("its next link is refused: {0}")]
    Stale(String),
    /// A next link of some time ago, or that was used before, leads to nothing.
    #[error("its next link may be over: it leads to an empty page")]
    Vanished,
    /// The server refuses this stretch, and halves of it would fare no better.
    #[error("it is refused: {0}")]
    Refused(String),
}

impl Unreadable {
    /// Whether the same request may bring something better.
    pub(super) fn may_pass(&self) -> bool {
        matches!(self, Self::Page(_) | Self::TooMuch(_))
    }

    /// Whether it may be the server as a whole that fails, and not this slice.
    fn may_be_an_outage(&self) -> bool {
        matches!(self, Self::Page(_) | Self::TooMuch(_) | Self::Fault(_))
    }
}

impl Drain<'_> {
    /// Begins the slice again in halves, so that restarts end; one too short for that waits in quarantine.
    pub(super) fn restart(&self, why: &Unreadable) -> Result<End, Failure> {
        let stream = self.call.stream;
        let ledger = &mut *self.ledger.borrow_mut();
        if why.may_be_an_outage() {
            ledger.tally.misses += 1;
            if !is_about_the_slice(&ledger.tally, why) {
                return Err(self.outage(why));
            }
        }
        ledger.tally.restarts += 1;
        let end = if ledger.tally.restarts < MOST_RESTARTS { End::Restart } else { End::Full };
        let Some(window) = ledger.window(self.place) else { return Ok(End::Drained) };
        let Some(index) = window.find(self.work) else { return Ok(End::Restart) };
        if defect::is(Defect::RestartWithoutHalving) {
            window.forget_cursor(index);
            return Ok(end);
        }
        if matches!(why, Unreadable::Vanished) {
            window.note_vanished(index);
        }
        match why {
            Unreadable::TooMuch(_) => window.ask_for_less(index),
            Unreadable::Stale(_) | Unreadable::Vanished | Unreadable::Loop | Unreadable::TooLong => {
                window.ask_for_more(index);
            }
            _ => {}
        }
        let may_be_cut = !matches!(why, Unreadable::Refused(_));
        if may_be_cut && window.halve(index) {
            let text = format!("{stream}: a slice is read again in halves: {why}");
            self.call.io.log(Level::Info, "slice-restarted", text);
            return Ok(end);
        }
        if matches!(why, Unreadable::Vanished) {
            // Nothing is wrong with the slice; it is read again as it is, and then to its end in one call.
            window.forget_cursor(index);
            return Ok(end);
        }
        if matches!(why, Unreadable::Fault(_) | Unreadable::Page(_)) {
            // A second cannot be cut, but its pages can be smaller.
            window.ask_for_less(index);
        }
        let now = self.call.io.now();
        let until = window.quarantine(index, now, &why.to_string());
        let text = format!("{stream}: an interval cannot be read and is tried again at {until}: {why}");
        self.call.io.log(Level::Warn, "interval-quarantined", text);
        ledger.tally.set_aside += 1;
        if ledger.tally.set_aside < MOST_SET_ASIDE {
            return Ok(End::SetAside);
        }
        let message =
            format!("listing {stream}: {MOST_SET_ASIDE} intervals in one call could not be read, the last one: {why}");
        let remedy = "if it lasts, give Webex's support the time range";
        Err(Failure::new(Code::NotUnderstood, message, remedy).of_stream(stream).at(now + FAULT_WAIT))
    }

    /// The server as a whole gives no answers that can be read.
    fn outage(&self, why: &Unreadable) -> Failure {
        let stream = self.call.stream;
        let code = if matches!(why, Unreadable::Page(_)) { Code::NotUnderstood } else { Code::Unavailable };
        let message = format!("listing {stream}: {why}");
        Failure::new(code, message, "").of_stream(stream).at(self.call.io.now())
    }
}

/// Whether an unreadable answer is to be blamed on the slice: others were read in this call, or nothing was for so long that
/// the slice itself may be what keeps the server from answering, or it says so.
fn is_about_the_slice(tally: &Tally, why: &Unreadable) -> bool {
    let Tally { pages, misses, faults, .. } = *tally;
    if pages > 0 || matches!(why, Unreadable::TooMuch(_)) {
        misses <= MOST_MISSES
    } else {
        misses <= 1 && faults >= FAULTS_BEFORE_A_CUT
    }
}
