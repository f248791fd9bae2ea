//! Drains one slice: page after page, until there is no next one.

use std::cell::RefCell;

use url::Url;

use super::Call;
use super::ask::{Ask, Came, Next};
use super::reading::{Ledger, Place};
use super::restart::Unreadable;
use crate::answer::Verdict;
use crate::bundle::Events;
use crate::client::Trouble;
use crate::defect::{self, Defect};
use crate::event::{Made, Maker};
use crate::failure::Failure;
use crate::item::{Facts, Identity, Item};
use crate::lateness::Lateness;
use crate::link::LinkError;
use crate::page::Page;
use crate::seen::SeenId;
use crate::settings::Lane;
use crate::stream::{EVENTS_WITHOUT_PRO_PACK, Stream};
use crate::time::{Span, Timestamp};
use crate::window::{Cursor, Density, EDGE, Gap, Interval, Window, WorkId};

/// Empty pages in a row that end a slice: Webex says to go on over empty pages, but endless chains have been seen.
pub(super) const MOST_EMPTY: u32 = 20;

/// Pages of a slice before it is cut in half: 20,000 audits, where Control Hub's own export ends (`webex-api` 3.2).
pub(super) const MOST_PAGES: usize = 100;

/// Pages of a slice that is too short to be cut: 200,000 audits within two seconds.
const MOST_PAGES_OF_SHORTEST: usize = 1_000;

/// Items asked for at least, whatever the limit of a batch: Webex's own default, so that a small limit does not make more
/// pages of a slice than it may have.
pub(super) const LEAST_PAGE: u32 = 100;

/// A refusal of old events is met by giving them up only where that gives up this much: a budget's worth, so that one call
/// is refused once.
const LEAST_CUT: Span = Span::secs(60);

/// How old a link may be that leads to an empty page which is taken for the end: nobody could follow links that live shorter
/// than this. An older one, or one that was used before, may be over, and be answered like a page after the last one.
const YOUNG: Span = Span::secs(10);

/// A batch is worth a call from this part of its limit on: a quarter. Less, and calls cost more than pages that are read
/// twice.
const WORTH_A_CALL: usize = 4;

/// What is left of a batch's limit is not worth waiting for another answer, if it is no more than this part: a quarter. In the
/// next call several slices are read side by side again.
const NOT_WORTH_AN_ANSWER: usize = 4;

/// Items that are fetched again by id in a call, at most; the rest is delivered as listed.
const MOST_FETCHED_AGAIN: u32 = 50;

/// Where a call's part ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) events: usize,
    pub(super) bytes: u64,
    pub(super) deadline: Span,
}

/// What was found so far in this call.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) events: Events,
    pub(super) listed: u64,
    pub(super) repeated: u64,
    pub(super) late: u64,
    pub(super) lateness: Lateness,
    /// Slices read to their last page.
    pub(super) drained: u32,
    pub(super) odd: u64,
    pub(super) replaced: u64,
    pub(super) kms_failures: u64,
    pub(super) gaps: Vec<Gap>,
    pub(super) bytes: u64,
    pub(super) restarts: u32,
    pub(super) set_aside: u32,
    pub(super) fetched_again: u32,
    /// Calls in a row before this one that ended in a fault.
    pub(super) faults: u32,
    /// Pages that could be read.
    pub(super) pages: u64,
    /// Answers since the last of them that could not.
    pub(super) misses: u32,
}

impl Tally {
    /// Nothing yet, after this many calls in a row that ended in a fault.
    pub(super) fn new(faults: u32) -> Self {
        Self { faults, ..Self::default() }
    }
}

/// How far a drain came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// To the last page.
    Drained,
    /// It cannot be read now and waits in quarantine.
    SetAside,
    /// It was cut; a part of it is next.
    Restart,
    /// A limit is met, the host asks to stop, or time is up; the page in hand is kept.
    Full,
    /// What others are reading may fill the batch; the page in hand is kept.
    Crowded,
}

/// A drain of one slice.
pub(super) struct Drain<'a> {
    pub(super) call: &'a Call<'a>,
    pub(super) ledger: &'a RefCell<Ledger>,
    pub(super) place: Place,
    pub(super) lane: &'a Lane,
    pub(super) maker: Maker<'a>,
    pub(super) work: WorkId,
    pub(super) limits: Limits,
}

/// What came of one page.
pub(super) enum Step<'a> {
    /// All of it is delivered, and there is another.
    Next(Cursor, Next<'a>),
    /// All of it is delivered; it was the last of this many.
    Last(usize),
    /// A limit was met within it.
    Full,
    /// The window was changed: what is to be read now has to be looked up anew.
    Changed,
    /// It is asked for once more, by a link that has come then.
    Again(Option<Span>),
    /// The slice cannot be read as it is.
    Unreadable(Unreadable),
    /// The stream cannot go on in this call.
    Failed(Failure),
}

/// Why an item is not delivered.
enum Left {
    /// It was delivered before.
    Seen,
    /// There is no room for it.
    Full,
}

impl<'a> Drain<'a> {
    /// Reads the slice.
    pub(super) async fn run(&self) -> Result<End, Failure> {
        let mut is_repeated = false;
        let mut next = Next::default();
        loop {
            let Some(interval) = self.interval() else { return Ok(End::Drained) };
            if let Some(end) = self.limit(next.is_here()) {
                return Ok(end);
            }
            let before = self.ledger.borrow().tally.events.len();
            let step = self.step(&interval, std::mem::take(&mut next)).await;
            if interval.was_read_in_vain() && self.ledger.borrow().tally.events.len() > before {
                self.change(Window::note_progress);
            }
            match step {
                Step::Next(cursor, known) => {
                    self.advance(cursor);
                    (next, is_repeated) = (known, false);
                }
                Step::Last(pages) => {
                    self.drained(Density::of_pages(pages));
                    return Ok(End::Drained);
                }
                Step::Full if defect::is(Defect::DrainedTooSoon) => {
                    self.drained(Density::Usual);
                    return Ok(End::Full);
                }
                Step::Full => return Ok(End::Full),
                Step::Changed => return Ok(End::Restart),
                Step::Again(linked) => next = Next::by(linked),
                Step::Unreadable(why) if why.may_pass() && !is_repeated => is_repeated = true,
                Step::Unreadable(why) => return self.restart(&why),
                Step::Failed(failure) => return Err(failure.of_stream(self.call.stream)),
            }
        }
    }

    fn interval(&self) -> Option<Interval> {
        let mut ledger = self.ledger.borrow_mut();
        let window = ledger.window(self.place)?;
        window.find(self.work).and_then(|index| window.interval(index)).cloned()
    }

    /// Changes the interval where it stands.
    fn change(&self, change: impl FnOnce(&mut Window, usize)) {
        if let Some(window) = self.ledger.borrow_mut().window(self.place)
            && let Some(index) = window.find(self.work)
        {
            change(window, index);
        }
    }

    fn advance(&self, cursor: Cursor) {
        self.change(|window, index| window.advance(index, cursor));
    }

    fn drained(&self, density: Density) {
        self.ledger.borrow_mut().tally.drained += 1;
        self.change(|window, index| window.drained(index, density));
    }

    /// Why no other page may be read now. `is_here`: it was asked for already.
    fn limit(&self, is_here: bool) -> Option<End> {
        let ledger = self.ledger.borrow();
        let Call { io, .. } = self.call;
        let time_is_up = io.elapsed() >= self.limits.deadline || io.stopping();
        if time_is_up || ledger.is_halted || self.is_full(&ledger.tally) || self.is_nearly_full(&ledger) {
            return Some(End::Full);
        }
        let is_alone = ledger.coming == 0;
        (!is_here && !is_alone && self.is_crowded(&ledger)).then_some(End::Crowded)
    }

    /// Whether a batch that is worth a call has no room for another full page, of which what does not fit would be asked for
    /// again, or hardly any room. Where no batch has room for one, there is no choice.
    fn is_nearly_full(&self, ledger: &Ledger) -> bool {
        let (events, most, page) = (ledger.tally.events.len(), self.limits.events, self.page_size(ledger));
        let left = most - events.min(most);
        let is_worth_it = page <= left && left > most / NOT_WORTH_AN_ANSWER;
        self.call.page_size() as usize <= most && events >= most / WORTH_A_CALL && !is_worth_it
    }

    /// Delivers what is on a page.
    pub(super) async fn page(&self, interval: &Interval, came: Came, ask: Ask) -> Step<'a> {
        let Came { response, link, heard, linked } = came;
        let page = match Page::read(&response) {
            Ok(page) if page.has_items || interval.is_doubted() => page,
            Ok(_) => {
                self.change(Window::doubt);
                return Step::Again(linked);
            }
            Err(error) => {
                // Whoever answered without a time, it need not have been the origin.
                if heard.is_some() {
                    self.prove(heard);
                }
                return Step::Unreadable(error.into());
            }
        };
        let reaches = self.prove(heard);
        {
            let tally = &mut self.ledger.borrow_mut().tally;
            tally.pages += 1;
            tally.misses = 0;
            tally.listed += page.items.len() as u64;
            tally.events.expect(page.items.iter().map(|item| item.line_length()).sum());
        }
        // What was asked for may reach further: the interval was cut back to the origin's clock, the request was not.
        let mut read = interval.clone();
        read.to = read.to.max(ask.asked.1 - EDGE);
        for item in &page.items {
            if !self.take(*item, &read).await {
                return Step::Full;
            }
        }
        if !reaches {
            // The origin's clock is not there yet: nothing of the interval is taken up, and it will be read again.
            return Step::Changed;
        }
        self.next(interval, &page, link, ask, linked)
    }

    /// Where the page leads.
    fn next(
        &self,
        interval: &Interval,
        page: &Page<'_>,
        link: Result<Option<Url>, LinkError>,
        ask: Ask,
        linked: Option<Span>,
    ) -> Step<'a> {
        let count = ask.visited.len();
        let url = match link {
            Ok(Some(url)) => url,
            Ok(None)
                if page.items.is_empty()
                    && interval.cursor.is_some()
                    && !interval.ends_empty()
                    && linked.is_none_or(|linked| self.call.io.elapsed() - linked > YOUNG) =>
            {
                return Step::Unreadable(Unreadable::Vanished);
            }
            Ok(None) => return Step::Last(count),
            Err(error) => return Step::Unreadable(error.into()),
        };
        if let Some(window) = self.ledger.borrow_mut().window(self.place).filter(|_| !page.items.is_empty()) {
            window.note_full_page(page.items.len());
        }
        let hash = self.call.last_run.key.link(url.as_str());
        let empty = if page.items.is_empty() { ask.empty.saturating_add(1) } else { 0 };
        let can_be_cut = interval.length() >= crate::window::SHORTEST.times(2);
        if ask.visited.contains(&hash) {
            return Step::Unreadable(Unreadable::Loop);
        }
        if empty >= MOST_EMPTY {
            if defect::is(Defect::EmptyPagesAreTheEnd) {
                return Step::Last(count);
            }
            return Step::Unreadable(Unreadable::Empty);
        }
        if count >= if can_be_cut { MOST_PAGES } else { MOST_PAGES_OF_SHORTEST } {
            return Step::Unreadable(Unreadable::TooLong);
        }
        let mut visited = ask.visited;
        visited.push(hash);
        let full = self.ledger.borrow_mut().window(self.place).map_or(0, |window| window.full_page());
        // An empty page says nothing of the one before it, if there is one.
        let was_short = interval.cursor.as_ref().is_none_or(|cursor| cursor.after_short);
        let after_short = if page.items.is_empty() { was_short } else { page.items.len() < full };
        // An empty page behind a link that may be over says no more than its end would.
        let is_sound = !page.items.is_empty() || interval.cursor.is_none() || linked.is_some();
        let linked = is_sound.then(|| self.call.io.elapsed());
        let cursor = Cursor { link: url.into(), asked: ask.asked, visited, empty, after_short };
        Step::Next(cursor, Next::by(linked))
    }

    /// Takes back what was taken up beyond the origin's clock, now that it has been `heard`. False: all of it.
    fn prove(&self, heard: Option<Timestamp>) -> bool {
        let limit = heard.map(|time| time - self.call.settings.lag);
        self.ledger.borrow_mut().window(self.place).is_none_or(|window| window.prove(limit))
    }

    /// Delivers an item that was not delivered yet. False: a limit is met and it was left.
    async fn take(&self, item: Item<'_>, interval: &Interval) -> bool {
        let (facts, id, mut made) = match self.look(item) {
            Err(Left::Seen) => {
                self.ledger.borrow_mut().tally.repeated += 1;
                return true;
            }
            Err(Left::Full) => return false,
            Ok(new) => new,
        };
        if item.has_kms_failure() {
            let better = self.fetch_again(&made.event.id, &facts.identity).await;
            let is_better = better.is_some();
            made = better.unwrap_or(made);
            let tally = &mut self.ledger.borrow_mut().tally;
            // A neighbour may have filled the batch meanwhile.
            if !self.fits(tally, &made) {
                return false;
            }
            tally.kms_failures += u64::from(!is_better);
        }
        self.deliver(&facts, id, made, interval);
        true
    }

    /// The event of an item that is to be delivered.
    fn look<'i>(&self, item: Item<'i>) -> Result<(Facts<'i>, SeenId, Made), Left> {
        let Call { stream, last_run, .. } = self.call;
        let facts = item.facts();
        let ledger = self.ledger.borrow();
        let id = last_run.key.id(*stream, self.lane.org.as_deref(), &facts.identity);
        let is_seen = ledger.state.seen.contains(id);
        if (is_seen && !defect::is(Defect::NothingIsSeen)) || self.is_same_millisecond(&ledger.tally, facts.created) {
            return Err(Left::Seen);
        }
        let made = self.maker.of_facts(&facts);
        if !self.fits(&ledger.tally, &made) {
            return Err(Left::Full);
        }
        Ok((facts, id, made))
    }

    fn deliver(&self, facts: &Facts<'_>, id: SeenId, made: Made, interval: &Interval) {
        let Call { settings, .. } = self.call;
        let ledger = &mut *self.ledger.borrow_mut();
        let window = ledger.state.lanes.get(self.place.lane).map(|lane| &lane.window);
        let frontier = window.map_or(interval.to, |window| window.frontier().max(interval.to));
        let recent = (interval.to >= frontier - settings.overlap).then_some(settings.overlap);
        let late = facts.created.filter(|created| window.is_some_and(|window| window.has_drained(*created)));
        let tally = &mut ledger.tally;
        if !ledger.state.seen.insert(id, facts.created, interval, recent) && !defect::is(Defect::NothingIsSeen) {
            // A neighbour has met it while this one was fetched again.
            tally.repeated += 1;
            return;
        }
        if let Some(created) = late {
            tally.late += 1;
            tally.lateness.add(created, self.call.origin_now());
        }
        tally.odd += u64::from(made.odd);
        tally.replaced += made.replaced;
        tally.bytes += made.event.body.len() as u64;
        tally.events.push(made.event);
    }

    /// The same event by its id, if Webex can decrypt it now. Once: it is delivered either way.
    async fn fetch_again(&self, event_id: &str, identity: &Identity<'_>) -> Option<Made> {
        let Call { settings, stream, client, .. } = self.call;
        let Identity::Text(id) = identity else { return None };
        // `.` and `..` would be another path.
        if *stream != Stream::Events || matches!(id.as_ref(), "." | "..") {
            return None;
        }
        {
            let tally = &mut self.ledger.borrow_mut().tally;
            if tally.fetched_again >= MOST_FETCHED_AGAIN {
                return None;
            }
            tally.fetched_again += 1;
        }
        let response = client.get(settings.api.endpoint_of(stream.path(), id)).await.ok()?;
        let item = Item::of_answer(&response)?;
        let made = self.maker.of_item(item);
        (made.event.id == event_id && !item.has_kms_failure()).then_some(made)
    }

    /// Never, but by a deliberate defect.
    fn is_same_millisecond(&self, tally: &Tally, created: Option<Timestamp>) -> bool {
        defect::is(Defect::SameMillisecondIsSame) && created.is_some() && tally.events.last_created() == created
    }

    fn is_full(&self, tally: &Tally) -> bool {
        tally.events.len() >= self.limits.events || !self.has_room(tally, 0)
    }

    /// Whether the batch takes another event, and this one.
    fn fits(&self, tally: &Tally, made: &Made) -> bool {
        !self.is_full(tally) && self.has_room(tally, made.event.body.len())
    }

    /// Whether a body of this length fits; the first one always does.
    fn has_room(&self, tally: &Tally, length: usize) -> bool {
        tally.events.is_empty() || tally.bytes + length as u64 <= self.limits.bytes
    }

    /// What follows from an answer that is no page.
    pub(super) fn trouble(&self, interval: &Interval, trouble: &Trouble, heard: Option<Timestamp>) -> Step<'a> {
        let now = self.call.io.now();
        let what = format!("listing {}", self.call.stream);
        let failed = || Step::Failed(trouble.failure(&what, self.call.stream.user(), now));
        let Trouble::Answer(verdict) = trouble else { return failed() };
        if !matches!(verdict, Verdict::Denied(_)) && self.is_cut_by_the_origins_clock(heard) {
            // `/events` refuses an end in the future; now the end is in the past.
            if matches!(verdict, Verdict::Rejected(_)) {
                return Step::Changed;
            }
        }
        match verdict {
            Verdict::TooMuch(problem) => Step::Unreadable(Unreadable::TooMuch(problem.message.clone())),
            Verdict::Fault(problem) => Step::Unreadable(Unreadable::Fault(problem.message.clone())),
            Verdict::Rejected(problem) if interval.cursor.is_some() => {
                Step::Unreadable(Unreadable::Stale(problem.message.clone()))
            }
            Verdict::Refused(problem) if self.call.stream == Stream::Events && problem.is_ninety_days() => {
                let earliest = self.call.origin_now() - EVENTS_WITHOUT_PRO_PACK;
                if earliest - interval.from < LEAST_CUT {
                    return Step::Unreadable(Unreadable::Refused(problem.message.clone()));
                }
                let mut ledger = self.ledger.borrow_mut();
                if let Some(window) = ledger.window(self.place) {
                    window.forget_cursors();
                    let gaps = window.clamp(earliest, "longer than 90 days ago, which needs Pro Pack");
                    ledger.tally.gaps.extend(gaps);
                }
                Step::Changed
            }
            // Others were answered, so it is about this one.
            Verdict::Rejected(problem) if self.ledger.borrow().tally.pages > 0 => {
                Step::Unreadable(Unreadable::Refused(problem.message.clone()))
            }
            _ => failed(),
        }
    }

    /// Whether the answer's clock, a failure's too, has cut back what was just taken up.
    fn is_cut_by_the_origins_clock(&self, heard: Option<Timestamp>) -> bool {
        let frontier = || {
            let mut ledger = self.ledger.borrow_mut();
            let window = ledger.window(self.place)?;
            window.is_unproven().then(|| window.frontier())
        };
        let Some(before) = frontier() else { return false };
        if heard.is_none() {
            return false;
        }
        self.prove(heard);
        self.ledger.borrow_mut().window(self.place).is_some_and(|window| window.frontier() != before)
    }
}
