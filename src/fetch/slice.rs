//! Drains one slice: page after page, until there is no next one.

use url::Url;

use super::Call;
use crate::answer::{FAULT_WAIT, Verdict};
use crate::client::Trouble;
use crate::defect::{self, Defect};
use crate::effect::Level;
use crate::event::Event;
use crate::failure::{Code, Failure};
use crate::item::Item;
use crate::lateness::Lateness;
use crate::link::{LinkError, complete, next, resolve};
use crate::page::{Page, PageError};
use crate::query::Query;
use crate::seen::Seen;
use crate::settings::Lane;
use crate::stream::{EVENTS_WITHOUT_PRO_PACK, Stream};
use crate::time::{Span, Timestamp};
use crate::window::{Cursor, EDGE, Gap, Interval, Window};

/// Empty pages in a row that end a slice: Webex says to go on over empty pages, but endless chains have been seen.
const MOST_EMPTY: u32 = 20;

/// Pages of a slice before it is cut in half: 20,000 audits, where Control Hub's own export ends (`webex-api` 3.2).
const MOST_PAGES: usize = 100;

/// Pages of a slice that is too short to be cut: 200,000 audits within two seconds.
const MOST_PAGES_OF_SHORTEST: usize = 1_000;

/// Up to this many pages a slice was sparse, and the next one may be longer.
const SPARSE: usize = MOST_PAGES / 8;

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

/// Items asked for at least, whatever the limit of a batch: Webex's own default, so that a small limit does not make more
/// pages of a slice than it may have.
const LEAST_PAGE: u32 = 100;

/// Items asked for at least where an interval could not be read: ten of the largest seen fit an answer.
const LEAST_PAGE_AGAIN: u32 = 10;

/// A refusal of old events is met by giving them up only where that gives up this much: a budget's worth, so that one call
/// is refused once.
const LEAST_CUT: Span = Span::secs(60);

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
    pub(super) events: Vec<Event>,
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
    bytes: u64,
    restarts: u32,
    set_aside: u32,
    fetched_again: u32,
    /// Calls in a row before this one that ended in a fault.
    faults: u32,
    /// Pages that could be read.
    pages: u64,
    /// Answers since the last of them that could not.
    misses: u32,
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
}

/// A drain of one slice.
pub(super) struct Drain<'a> {
    pub(super) call: &'a Call<'a>,
    pub(super) lane: &'a Lane,
    pub(super) window: &'a mut Window,
    pub(super) seen: &'a mut Seen,
    pub(super) tally: &'a mut Tally,
    pub(super) limits: Limits,
    /// Of the lane, for how long ids are remembered.
    pub(super) frontier: Timestamp,
}

/// What came of one page.
enum Step {
    /// All of it is delivered, and there is another.
    Next(Cursor),
    /// All of it is delivered; it was the last of this many.
    Last(usize),
    /// A limit was met within it.
    Full,
    /// The window was changed: what is to be read now has to be looked up anew.
    Changed,
    /// The slice cannot be read as it is.
    Unreadable(Unreadable),
    /// The stream cannot go on in this call.
    Failed(Failure),
}

/// Why a slice cannot be read as it is.
#[derive(Debug, thiserror::Error)]
enum Unreadable {
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
    /// The server refuses this stretch, and halves of it would fare no better.
    #[error("it is refused: {0}")]
    Refused(String),
}

impl Unreadable {
    /// Whether the same request may bring something better.
    fn may_pass(&self) -> bool {
        matches!(self, Self::Page(_) | Self::TooMuch(_))
    }

    /// Whether it may be the server as a whole that fails, and not this slice.
    fn may_be_an_outage(&self) -> bool {
        matches!(self, Self::Page(_) | Self::TooMuch(_) | Self::Fault(_))
    }
}

/// A page to ask for.
struct Ask {
    url: Url,
    /// The bounds of the drain's first request.
    asked: (Timestamp, Timestamp),
    /// Hashes of its pages so far, this one included.
    visited: Vec<u64>,
    empty: u32,
}

impl Drain<'_> {
    /// Reads the interval at `index` of the window.
    pub(super) async fn run(mut self, index: usize) -> Result<End, Failure> {
        let mut tried_again = false;
        loop {
            let Some(interval) = self.window.interval(index).cloned() else { return Ok(End::Drained) };
            if self.is_full() || self.call.io.elapsed() >= self.limits.deadline || self.call.io.stopping() {
                return Ok(End::Full);
            }
            match self.step(&interval).await {
                Step::Next(cursor) => {
                    self.window.advance(index, cursor);
                    tried_again = false;
                }
                Step::Last(pages) => {
                    self.window.drained(index, pages <= SPARSE);
                    self.tally.drained += 1;
                    return Ok(End::Drained);
                }
                Step::Full if defect::is(Defect::DrainedTooSoon) => {
                    self.window.drained(index, false);
                    return Ok(End::Full);
                }
                Step::Full => return Ok(End::Full),
                Step::Changed => return Ok(End::Restart),
                Step::Unreadable(why) if why.may_pass() && !tried_again => tried_again = true,
                Step::Unreadable(why) => return self.restart(index, &why),
                Step::Failed(failure) => return Err(failure.of_stream(self.call.stream)),
            }
        }
    }

    /// Reads one page of the interval.
    async fn step(&mut self, interval: &Interval) -> Step {
        let ask = match self.ask(interval) {
            Ok(ask) => ask,
            Err(error) => return Step::Unreadable(error.into()),
        };
        let response = match self.call.client.get(ask.url.clone()).await {
            Ok(response) => response,
            Err(trouble) => return self.trouble(interval, &trouble),
        };
        let page = match Page::read(&response) {
            Ok(page) => page,
            Err(error) => {
                // Whoever answered without a time, it need not have been the origin.
                if self.call.client.origin().at_last_request().is_some() {
                    self.prove();
                }
                return Step::Unreadable(error.into());
            }
        };
        let reaches = self.prove();
        self.tally.pages += 1;
        self.tally.misses = 0;
        self.tally.listed += page.items.len() as u64;
        // What was asked for may reach further: the interval was cut back to the origin's clock, the request was not.
        let read = Interval { to: interval.to.max(ask.asked.1 - EDGE), ..interval.clone() };
        for item in &page.items {
            if !self.take(*item, &read).await {
                return Step::Full;
            }
        }
        if !reaches {
            // The origin's clock is not there yet: nothing of the interval is taken up, and it will be read again.
            return Step::Changed;
        }
        let pages = ask.visited.len();
        let url = match next(response.headers_named("link"), &ask.url, &self.call.settings.api) {
            Ok(Some(url)) => url,
            Ok(None) => return Step::Last(pages),
            Err(error) => return Step::Unreadable(error.into()),
        };
        let hash = self.call.last_run.key.link(url.as_str());
        let empty = if page.items.is_empty() { ask.empty.saturating_add(1) } else { 0 };
        let can_be_cut = interval.length() >= crate::window::SHORTEST.times(2);
        if ask.visited.contains(&hash) {
            return Step::Unreadable(Unreadable::Loop);
        }
        if empty >= MOST_EMPTY && defect::is(Defect::EmptyPagesAreTheEnd) {
            return Step::Last(pages);
        }
        if empty >= MOST_EMPTY {
            return Step::Unreadable(Unreadable::Empty);
        }
        if pages >= if can_be_cut { MOST_PAGES } else { MOST_PAGES_OF_SHORTEST } {
            return Step::Unreadable(Unreadable::TooLong);
        }
        let mut visited = ask.visited;
        visited.push(hash);
        Step::Next(Cursor { link: url.into(), asked: ask.asked, visited, empty })
    }

    /// The page in hand, or the first one.
    fn ask(&self, interval: &Interval) -> Result<Ask, LinkError> {
        let Call { settings, stream, .. } = self.call;
        let query = |(from, to)| Query { settings, stream: *stream, lane: self.lane, from, to };
        if let Some(cursor) = &interval.cursor {
            // Checked again: the last-run came back from outside.
            let url = resolve(&cursor.link, &settings.api.endpoint(stream.path()), &settings.api)?;
            let url = complete(url, &query(cursor.asked).required());
            return Ok(Ask { url, asked: cursor.asked, visited: cursor.visited.clone(), empty: cursor.empty });
        }
        let asked = interval.bounds(super::stream::latest(self.call));
        let most = u32::try_from(self.call.max_events).unwrap_or(u32::MAX).max(LEAST_PAGE).min(stream.page_size());
        // Halved with each quarantine: a second cannot be cut, but its pages can be smaller.
        let most = (most >> interval.failed.min(31)).max(LEAST_PAGE_AGAIN);
        let url = query(asked).first_page(most);
        let visited = vec![self.call.last_run.key.link(url.as_str())];
        Ok(Ask { url, asked, visited, empty: 0 })
    }

    /// Takes back what was taken up beyond the origin's clock, now that it has been heard. False: all of it.
    fn prove(&mut self) -> bool {
        let limit = self.call.client.origin().at_last_request().map(|time| time - self.call.settings.lag);
        self.window.prove(limit)
    }

    /// Delivers an item that was not delivered yet. False: a limit is met and it was left.
    async fn take(&mut self, item: Item<'_>, interval: &Interval) -> bool {
        let Call { settings, stream, last_run, .. } = self.call;
        let facts = item.facts();
        let id = last_run.key.id(*stream, &facts.identity);
        if (self.seen.contains(id) && !defect::is(Defect::NothingIsSeen)) || self.is_same_millisecond(facts.created) {
            self.tally.repeated += 1;
            return true;
        }
        let org = settings.org.as_deref();
        let mut made = Event::of_item(item, *stream, org, settings.message_text);
        if self.is_full() || !self.has_room(made.event.body.len()) {
            return false;
        }
        if item.has_kms_failure() {
            match self.fetch_again(&made.event.id, &facts.identity).await {
                Some(better) => made = better,
                None => self.tally.kms_failures += 1,
            }
        }
        let recent = (interval.to >= self.frontier - settings.overlap).then_some(settings.overlap);
        self.seen.insert(id, facts.created, interval, recent);
        let is_late = |created: &Timestamp| interval.from <= *created && *created < interval.owed;
        if let Some(created) = facts.created.filter(is_late) {
            self.tally.late += 1;
            self.tally.lateness.add(created, super::stream::origin_now(self.call));
        }
        self.tally.odd += u64::from(made.odd);
        self.tally.replaced += made.replaced;
        self.tally.bytes += made.event.body.len() as u64;
        self.tally.events.push(made.event);
        true
    }

    /// The same event by its id, if Webex can decrypt it now. Once: it is delivered either way.
    async fn fetch_again(
        &mut self,
        event_id: &str,
        identity: &crate::item::Identity<'_>,
    ) -> Option<crate::event::Made> {
        let Call { settings, stream, client, .. } = self.call;
        let crate::item::Identity::Text(id) = identity else { return None };
        // `.` and `..` would be another path.
        if *stream != Stream::Events
            || matches!(id.as_ref(), "." | "..")
            || self.tally.fetched_again >= MOST_FETCHED_AGAIN
        {
            return None;
        }
        self.tally.fetched_again += 1;
        let response = client.get(settings.api.endpoint_of(stream.path(), id)).await.ok()?;
        let raw: &serde_json::value::RawValue = serde_json::from_slice(&response.body).ok()?;
        let item = Item::new(raw);
        let made = Event::of_item(item, *stream, settings.org.as_deref(), settings.message_text);
        (made.event.id == event_id && !item.has_kms_failure()).then_some(made)
    }

    /// Never, but by a deliberate defect.
    fn is_same_millisecond(&self, created: Option<Timestamp>) -> bool {
        defect::is(Defect::SameMillisecondIsSame)
            && created.is_some()
            && self.tally.events.last().is_some_and(|last| last.created == created && last.stream == self.call.stream)
    }

    fn is_full(&self) -> bool {
        self.tally.events.len() >= self.limits.events || !self.has_room(0)
    }

    /// Whether a body of this length fits; the first one always does.
    fn has_room(&self, length: usize) -> bool {
        self.tally.events.is_empty() || self.tally.bytes + length as u64 <= self.limits.bytes
    }

    /// What follows from an answer that is no page.
    fn trouble(&mut self, interval: &Interval, trouble: &Trouble) -> Step {
        let now = self.call.io.now();
        let what = format!("listing {}", self.call.stream);
        let failed = || Step::Failed(trouble.failure(&what, self.call.stream.user(), now));
        let Trouble::Answer(verdict) = trouble else { return failed() };
        if !matches!(verdict, Verdict::Denied(_))
            && self.window.is_unproven()
            && self.call.client.origin().at_last_request().is_some()
        {
            let before = self.window.frontier();
            self.prove();
            // `/events` refuses an end in the future; now the end is in the past.
            if self.window.frontier() != before && matches!(verdict, Verdict::Rejected(_)) {
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
                let earliest = super::stream::origin_now(self.call) - EVENTS_WITHOUT_PRO_PACK;
                if earliest - interval.from < LEAST_CUT {
                    return Step::Unreadable(Unreadable::Refused(problem.message.clone()));
                }
                self.window.forget_cursors();
                self.tally.gaps.extend(self.window.clamp(earliest, "longer than 90 days ago, which needs Pro Pack"));
                Step::Changed
            }
            // Others were answered, so it is about this one.
            Verdict::Rejected(problem) if self.tally.pages > 0 => {
                Step::Unreadable(Unreadable::Refused(problem.message.clone()))
            }
            _ => failed(),
        }
    }

    /// Begins the slice again in halves, so that restarts end; one too short for that waits in quarantine.
    fn restart(&mut self, index: usize, why: &Unreadable) -> Result<End, Failure> {
        let stream = self.call.stream;
        if why.may_be_an_outage() {
            self.tally.misses += 1;
            if !self.is_about(why) {
                return Err(self.outage(why));
            }
        }
        self.tally.restarts += 1;
        if defect::is(Defect::RestartWithoutHalving) {
            self.window.forget_cursors();
            return Ok(if self.tally.restarts < MOST_RESTARTS { End::Restart } else { End::Full });
        }
        let may_be_cut = !matches!(why, Unreadable::Refused(_));
        if may_be_cut && self.window.halve(index) {
            self.call.io.log(
                Level::Info,
                "slice-restarted",
                format!("{stream}: a slice is read again in halves: {why}"),
            );
            return Ok(if self.tally.restarts < MOST_RESTARTS { End::Restart } else { End::Full });
        }
        let now = self.call.io.now();
        let until = self.window.quarantine(index, now, &why.to_string());
        let text = format!("{stream}: an interval cannot be read and is tried again at {until}: {why}");
        self.call.io.log(Level::Warn, "interval-quarantined", text);
        self.tally.set_aside += 1;
        if self.tally.set_aside < MOST_SET_ASIDE {
            return Ok(End::SetAside);
        }
        let message =
            format!("listing {stream}: {MOST_SET_ASIDE} intervals in one call could not be read, the last one: {why}");
        let remedy = "if it lasts, give Webex's support the time range";
        Err(Failure::new(Code::NotUnderstood, message, remedy).of_stream(stream).at(now + FAULT_WAIT))
    }

    /// Whether an unreadable answer is to be blamed on the slice: others were read in this call, or nothing was for so long
    /// that the slice itself may be what keeps the server from answering, or it says so.
    fn is_about(&self, why: &Unreadable) -> bool {
        let Tally { pages, misses, faults, .. } = *self.tally;
        if pages > 0 || matches!(why, Unreadable::TooMuch(_)) {
            misses <= MOST_MISSES
        } else {
            misses <= 1 && faults >= FAULTS_BEFORE_A_CUT
        }
    }

    /// The server as a whole gives no answers that can be read.
    fn outage(&self, why: &Unreadable) -> Failure {
        let stream = self.call.stream;
        let code = if matches!(why, Unreadable::Page(_)) { Code::NotUnderstood } else { Code::Unavailable };
        let message = format!("listing {stream}: {why}");
        Failure::new(code, message, "").of_stream(stream).at(self.call.io.now())
    }
}
