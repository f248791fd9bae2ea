//! What is read in a stream's part of a call, and in which order: the tail first, so that a backlog never delays today, and
//! a quarter of the call for the backlog, whose slices are read side by side.

use std::cell::RefCell;

use futures_util::future::join_all;

use super::slice::{Drain, End, Limits, Tally};
use super::{Call, Next};
use crate::event::Maker;
use crate::failure::{Code, Failure};
use crate::last_run::StreamState;
use crate::time::{Span, Timestamp};
use crate::window::{Window, WorkId};

/// While older work is left, the tail is taken up no more often than this: each time the overlap is read again.
const TAIL_EVERY: Span = Span::secs(60);

/// The share of the user's budget that reading the whole overlap in every cycle may take: a tenth.
const SHARE_OF_OVERLAP: i64 = 10;

/// Slices of a backlog that are read at a time: at least, and at most. In between it is as many as requests are allowed in a
/// second. An answer takes 0.3 to 1 s, so they use what is allowed, and no more of them are under way than that takes.
const SIDE_BY_SIDE: (usize, usize) = (3, 16);

/// What the drains of a stream write into. Borrowed between two awaits, never over one.
#[derive(Debug)]
pub(super) struct Ledger {
    pub(super) state: StreamState,
    pub(super) tally: Tally,
    /// Pages that are asked for and not looked through.
    pub(super) coming: usize,
    /// The backlog's turn has come.
    pub(super) is_fair: bool,
    /// What is new was left for the sake of older work: another call has to take it up.
    is_tail_left: bool,
    /// One drain has met what ends the others, too, at their next page.
    pub(super) is_halted: bool,
}

impl Ledger {
    pub(super) fn new(state: StreamState) -> Self {
        let tally = Tally::new(state.faults);
        Self { state, tally, coming: 0, is_fair: false, is_tail_left: false, is_halted: false }
    }

    pub(super) fn peek(&self, place: Place) -> Option<&Window> {
        let lane = self.state.lanes.get(place.lane)?;
        if place.again { lane.re_read.as_ref() } else { Some(&lane.window) }
    }

    pub(super) fn window(&mut self, place: Place) -> Option<&mut Window> {
        let lane = self.state.lanes.get_mut(place.lane)?;
        if place.again { lane.re_read.as_mut() } else { Some(&mut lane.window) }
    }
}

/// Names one of a stream's windows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) lane: usize,
    /// The stretch that is read again by request.
    pub(super) again: bool,
}

/// Which of a lane's intervals are worked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The newest slice, up to three quarters of the call.
    Tail,
    /// The oldest slices, up to the whole of it.
    Backlog,
    /// What is left of the call goes to the newest slice again.
    Rest,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    /// Nothing is left that may be read now.
    Done,
    /// A limit of the phase is met.
    Full,
}

/// A stream's part of a call, at work.
pub(super) struct Reading<'a> {
    call: &'a Call<'a>,
    ledger: &'a RefCell<Ledger>,
}

impl<'a> Reading<'a> {
    pub(super) fn new(call: &'a Call<'a>, ledger: &'a RefCell<Ledger>) -> Self {
        Self { call, ledger }
    }

    /// Works through the phases until nothing is left or a limit is met.
    pub(super) async fn read(&self) -> Result<Next, Failure> {
        if self.call.re_read {
            return self.read_again().await;
        }
        let lanes = self.order();
        let mut is_all_looked_at = true;
        // A query that is refused, for example of a resource without licence, does not keep the others from being read.
        let mut refused: Vec<(usize, Failure)> = Vec::new();
        // Where a call cannot read more than the tails, every other one begins with the backlog.
        let is_starved = self.ledger.borrow().state.is_starved;
        let phases = if is_starved {
            [Phase::Backlog, Phase::Tail, Phase::Rest]
        } else {
            [Phase::Tail, Phase::Backlog, Phase::Rest]
        };
        for phase in phases {
            self.ledger.borrow_mut().is_fair |= phase == Phase::Backlog;
            let mut rest = lanes.as_slice();
            while !rest.is_empty() {
                let (some, others) = rest.split_at(self.at_a_time(phase).min(rest.len()));
                rest = others;
                let left = some.iter().filter(|lane| !refused.iter().any(|(other, _)| other == *lane));
                let works = left.map(async |lane| (*lane, self.work(*lane, phase).await));
                let mut is_full = false;
                for (lane, work) in join_all(works).await {
                    match work {
                        Err(failure) if failure.code == Code::Refused => {
                            refused.push((lane, self.named(lane, failure)))
                        }
                        work => is_full |= work? == Work::Full,
                    }
                }
                if is_full && phase == Phase::Tail {
                    // The tails of other lanes, or even this one, may not have been taken up.
                    is_all_looked_at = false;
                    break;
                }
                if is_full {
                    return Ok(Next::Now);
                }
            }
        }
        if !is_all_looked_at {
            return Ok(Next::Now);
        }
        if let Some((_, failure)) = refused.into_iter().next() {
            return Err(failure);
        }
        let now = self.call.io.now();
        let left = |window: &Window| window.pending().iter().any(|interval| interval.may_be_read(now));
        let ledger = self.ledger.borrow();
        let is_left = ledger.is_tail_left || ledger.state.lanes.iter().any(|lane| left(&lane.window));
        Ok(if is_left { Next::Now } else { Next::Idle })
    }

    /// Works off a stretch that is read again by request. Windows of lanes do not move.
    async fn read_again(&self) -> Result<Next, Failure> {
        let now = self.call.io.now();
        let mut is_left = false;
        for lane in self.order() {
            let place = Place { lane, again: true };
            let work = self.backlog(place, self.limits(Phase::Rest)).await;
            is_left |= self
                .window(place, |window| window.pending().iter().any(|interval| interval.may_be_read(now)))
                .unwrap_or(false);
            if work? == Work::Full {
                return Ok(Next::Now);
            }
        }
        Ok(if is_left { Next::Now } else { Next::Idle })
    }

    /// Lanes, the one that is most behind first, so that none starves.
    fn order(&self) -> Vec<usize> {
        let ledger = self.ledger.borrow();
        let mut lanes: Vec<_> = ledger.state.lanes.iter().map(|lane| lane.window.watermark()).enumerate().collect();
        lanes.sort_unstable_by_key(|(index, watermark)| (*watermark, *index));
        lanes.into_iter().map(|(index, _)| index).collect()
    }

    /// How many lanes are read side by side: of tails, which are a page each, as many as the batch has room for. A backlog's slices
    /// are read so.
    fn at_a_time(&self, phase: Phase) -> usize {
        if phase == Phase::Backlog {
            return 1;
        }
        let room = self.limits(phase).events.saturating_sub(self.ledger.borrow().tally.events.len());
        (room / self.call.page_size().max(1) as usize).clamp(1, self.side_by_side())
    }

    /// A failure with the organization that it is of, where there are several.
    fn named(&self, lane: usize, failure: Failure) -> Failure {
        let ledger = self.ledger.borrow();
        match ledger.state.lanes.get(lane).and_then(|lane| lane.lane.org.as_ref()) {
            Some(org) => Failure { message: format!("organization {org}: {}", failure.message), ..failure },
            None => failure,
        }
    }

    fn limits(&self, phase: Phase) -> Limits {
        let call = self.call;
        let whole = Limits { events: call.max_events, bytes: call.max_bytes, deadline: call.deadline };
        if phase != Phase::Tail {
            return whole;
        }
        let now = call.io.elapsed();
        Limits {
            events: whole.events.saturating_mul(3).div_ceil(4),
            bytes: whole.bytes.saturating_mul(3).div_ceil(4),
            deadline: whole.deadline - (whole.deadline - now).quarter(),
        }
    }

    fn window<T>(&self, place: Place, look: impl FnOnce(&mut Window) -> T) -> Option<T> {
        self.ledger.borrow_mut().window(place).map(look)
    }

    /// Works a lane's window in a phase.
    async fn work(&self, lane: usize, phase: Phase) -> Result<Work, Failure> {
        let place = Place { lane, again: false };
        match phase {
            Phase::Tail => self.tail(place).await,
            Phase::Backlog => self.backlog(place, self.limits(phase)).await,
            Phase::Rest => self.newest(place, self.limits(phase)).await,
        }
    }

    /// Takes the tail up and reads its newest slice.
    async fn tail(&self, place: Place) -> Result<Work, Failure> {
        let call = self.call;
        let Some((before, read_from)) = self.take_up(place) else {
            return self.newest(place, self.limits(Phase::Tail)).await;
        };
        let result = self.newest(place, self.limits(Phase::Tail)).await;
        let was_fresh = before.is_fresh();
        let start = before.start();
        let is_proven = self.window(place, |window| {
            if window.is_unproven() {
                // Nobody answered: whether the origin's clock has come this far is not known.
                // How much the server answers at once is not forgotten, for it may have been too much.
                *window = before.with_pace_of(window);
                return false;
            }
            window.settle(call.settings.overlap, read_from);
            true
        });
        if was_fresh && is_proven == Some(true) {
            self.begin_alike(place, start);
        }
        if is_proven == Some(false) && result == Ok(Work::Done) {
            let message = format!("listing {}: no answer could be read", call.stream);
            return Err(Failure::new(Code::Unavailable, message, "").of_stream(call.stream).at(call.io.now()));
        }
        result
    }

    /// Moves the frontier to where the clocks are. Returns the window as it was, and where the new interval begins; none: it
    /// is not time yet.
    fn take_up(&self, place: Place) -> Option<(Window, Timestamp)> {
        let Call { io, settings, .. } = self.call;
        let now = io.now();
        let to = self.call.latest() - settings.lag;
        let mut ledger = self.ledger.borrow_mut();
        let remembered = ledger.state.remembered;
        let delivered = |since| ledger.state.seen.count_since(since);
        let in_overlap =
            ledger.state.lanes.get(place.lane).map(|lane| delivered(lane.window.frontier() - settings.overlap))?;
        let window = ledger.window(place)?;
        let has_work = window.pending().iter().any(|interval| interval.may_be_read(now));
        if to <= window.frontier() {
            return None;
        }
        if has_work && window.is_tail_younger_than(TAIL_EVERY, now) && window.frontier() > window.watermark() {
            // At a rate that Webex has taught there may be no end to it; the next cycle will do.
            ledger.is_tail_left = !self.is_slow();
            return None;
        }
        let before = window.clone();
        window.note_tail(now);
        let cycle = to - window.frontier();
        let whole = window.overlap_begins(settings.overlap, remembered);
        // As much again as is new, where all of it would be too much: what is a little late still comes in the next cycle.
        let near = whole.max(window.frontier() - cycle);
        let pages = window.pages(in_overlap, self.call.page_size());
        let again = if self.is_cheap(pages, cycle) { whole } else { near };
        let read_from = window.take_up(to, again)?;
        Some((before, read_from))
    }

    /// The origin's clock has said where a lane begins: the same holds for those that this machine's clock had begun with it.
    fn begin_alike(&self, place: Place, before: Timestamp) {
        let lanes = &mut self.ledger.borrow_mut().state.lanes;
        let Some(start) = lanes.get(place.lane).map(|lane| lane.window.start()) else { return };
        for window in lanes.iter_mut().map(|lane| &mut lane.window) {
            if window.is_fresh() && window.start() == before {
                *window = Window::begin(start);
            }
        }
    }

    /// Whether this many pages can be read again in every cycle.
    fn is_cheap(&self, pages: usize, cycle: Span) -> bool {
        let pages = i64::try_from(pages).unwrap_or(i64::MAX);
        let budget = i64::from(self.call.client.rate()).saturating_mul(cycle.as_millis());
        pages.saturating_mul(SHARE_OF_OVERLAP).saturating_mul(Span::secs(60).as_millis()) <= budget
    }

    /// Reads the newest slice.
    async fn newest(&self, place: Place, limits: Limits) -> Result<Work, Failure> {
        loop {
            let now = self.call.io.now();
            let work = self.window(place, |window| {
                let newest = window.newest()?;
                window.interval(newest).filter(|i| i.to == window.frontier() && i.may_be_read(now))?;
                let slice = window.cut_newest(newest);
                window.begin_work(slice)
            });
            let Some(work) = work.flatten() else { return Ok(Work::Done) };
            match self.drain(place, work, limits).await? {
                End::Drained | End::SetAside => return Ok(Work::Done),
                End::Restart => {}
                End::Full | End::Crowded => return Ok(Work::Full),
            }
        }
    }

    /// Reads slices from the oldest on, some at a time.
    async fn backlog(&self, place: Place, limits: Limits) -> Result<Work, Failure> {
        let is_heard = self.call.client.origin().at_last_request().is_some() || self.ledger.borrow().tally.pages > 0;
        // Only once the origin has answered: this machine's clock may be a year ahead. What a person wants to be read again
        // is not given up by that.
        if let Some(reach) = self.call.stream.reach().filter(|_| is_heard || place.again) {
            let earliest = self.call.latest() - reach;
            let gaps = self.window(place, |window| window.clamp(earliest, "longer ago than Webex serves"));
            self.ledger.borrow_mut().tally.gaps.extend(gaps.unwrap_or_default());
        }
        // Where little of the rate is left, several that each break off would bring nothing.
        let side_by_side = if self.is_slow() { 1 } else { self.side_by_side() };
        let ends = join_all((0..side_by_side).map(|_| self.slices(place, limits))).await;
        self.ledger.borrow_mut().is_halted = false;
        let mut is_full = false;
        for end in ends {
            is_full |= end? == Work::Full;
        }
        Ok(if is_full { Work::Full } else { Work::Done })
    }

    /// Whether Webex has taught a rate, less than half of what is set, at which what was never read comes first.
    fn is_slow(&self) -> bool {
        self.call.client.rate() < self.call.settings.max_requests / 2
    }

    fn side_by_side(&self) -> usize {
        let (least, most) = SIDE_BY_SIDE;
        (self.call.client.rate() as usize / 60).clamp(least, most)
    }

    /// Reads one slice after the other.
    async fn slices(&self, place: Place, limits: Limits) -> Result<Work, Failure> {
        loop {
            let now = self.call.io.now();
            let is_halted = self.ledger.borrow().is_halted;
            let is_slow = self.is_slow();
            let work = self.window(place, |window| {
                let oldest = window.oldest(now, !is_slow).filter(|_| !is_halted)?;
                let slice = window.cut_oldest(oldest);
                window.begin_work(slice)
            });
            let Some(work) = work.flatten() else { return Ok(Work::Done) };
            let end = self.drain(place, work, limits).await;
            match end {
                Ok(End::Drained | End::SetAside | End::Restart) => continue,
                // The others take what is left of the batch, and of the slices: one of them is never crowded.
                Ok(End::Crowded) => return Ok(Work::Done),
                Ok(End::Full) | Err(_) => self.ledger.borrow_mut().is_halted = true,
            }
            return end.map(|_| Work::Full);
        }
    }

    /// Drains one slice.
    async fn drain(&self, place: Place, work: WorkId, limits: Limits) -> Result<End, Failure> {
        let lane = {
            let ledger = self.ledger.borrow();
            let Some(lane) = ledger.state.lanes.get(place.lane) else { return Ok(End::Drained) };
            lane.lane.clone()
        };
        let Call { stream, settings, last_run, .. } = self.call;
        let maker = Maker::new(*stream, last_run.org_of(&lane, settings), settings.message_text);
        let end = Drain { call: self.call, ledger: self.ledger, place, lane: &lane, maker, work, limits }.run().await;
        self.window(place, |window| window.end_work(work));
        end
    }
}
