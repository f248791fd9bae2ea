//! Every item of a world: what became of it.

use std::collections::{BTreeSet, HashMap};

use chrono::DateTime;
use cisco_webex_plugin::event::Event;
use cisco_webex_plugin::failure::Code;
use cisco_webex_plugin::fetch::{Batch, Report};
use cisco_webex_plugin::last_run::LastRun;
use cisco_webex_plugin::stream::{Stream, User};
use cisco_webex_plugin::time::Timestamp;
use cisco_webex_plugin::window::Gap;
use host_harness::simulator::RequestRecord;

use super::body::Body;
use super::call::CallFacts;
use super::cause::Causes;
use super::{Invariant, Violation};
use crate::scenario::{Item, Knobs, SECOND, START, Scenario, Step, place_of};
use crate::world::{Done, ORG};

/// How far a request may reach beyond its interval, in ms.
const EDGE: i64 = 2 * SECOND;

/// What became of an item.
#[derive(Clone, Debug)]
struct Entry {
    stream: Stream,
    /// Resource and type, where a filter can find it.
    facets: Option<(&'static str, &'static str)>,
    created: i64,
    delay: i64,
    /// As its own text says.
    says: Option<i64>,
    time: Option<String>,
    /// Whether every filter so far lets it through.
    is_wanted: bool,
    /// How often a sink took it.
    durable: u32,
    /// In a batch that is recorded: it must not come again.
    recorded: bool,
    id: Option<String>,
}

/// What is known of a stream.
#[derive(Clone, Debug, Default)]
struct Course {
    /// From when on everything must be delivered; none: nothing was collected yet.
    from: Option<i64>,
    /// The latest possible start so far.
    start: i64,
    /// Of the last recorded state.
    watermark: Option<Timestamp>,
    /// Whether the next watermark may be earlier.
    may_go_back: bool,
    gaps: Vec<(i64, i64)>,
    /// Its failure in the last call.
    failure: Option<Code>,
}

/// The oracle's book.
pub struct Ledger {
    entries: Vec<Entry>,
    /// By what tells items apart.
    by_served: HashMap<(Stream, String), usize>,
    /// Of each stream, by time: what is listed at its own time and no sink has taken yet.
    open: [BTreeSet<(i64, usize)>; 3],
    /// The items of the batch that was judged last, in its order.
    judged: Vec<usize>,
    ids: BTreeSet<String>,
    courses: [Course; 3],
    causes: Causes,
    /// The shortest in this world, in ms.
    overlap: i64,
    knobs: Knobs,
    /// Something happened that may leave a gap.
    may_have_gaps: bool,
    /// What is late can be told by the items alone: nobody changes what is asked for, or has it read once more, and the origin
    /// says what time it is.
    knows_what_is_late: bool,
    must_sign_in: Vec<User>,
    /// How much was done.
    pub done: Done,
}

impl Ledger {
    /// Of a world that begins.
    pub fn new(scenario: &Scenario) -> Self {
        let (mut entries, mut by_served) = (Vec::new(), HashMap::new());
        let mut open = [const { BTreeSet::new() }; 3];
        for (index, item) in scenario.items.iter().enumerate() {
            let body = Body::read(&item.raw());
            for served in std::iter::once(body.served()).chain(item.mended().map(|raw| Body::read(&raw).served())) {
                by_served.insert((item.stream, served), index);
            }
            if let Some(open) = open.get_mut(place_of(item.stream)).filter(|_| item.delay <= 0) {
                open.insert((item.created, index));
            }
            entries.push(Entry::of(item, &body, &scenario.knobs));
        }
        let changes = scenario.steps.iter().filter_map(|step| match step {
            Step::Knobs(knobs) => Some(knobs),
            _ => None,
        });
        let all: Vec<&Knobs> = std::iter::once(&scenario.knobs).chain(changes).collect();
        let overlap = all.iter().map(|knobs| knobs.overlap).min().unwrap_or_default() * SECOND;
        let reaches_far = scenario.knobs.first_fetch > 80 * 86_400;
        // A stream that is called later than the others begins later.
        let one_by_one = scenario.steps.iter().any(|step| matches!(step, Step::Call(spec) if !spec.streams.is_empty()));
        let may_have_gaps = all.len() > 1 || reaches_far || one_by_one;
        let is_changed =
            |step: &Step| matches!(step, Step::Knobs(_) | Step::Reset(..) | Step::ReRead { allow_repeats: true, .. });
        let knows_what_is_late = scenario.nature.dates && !scenario.steps.iter().any(is_changed);
        Self {
            entries,
            by_served,
            open,
            judged: Vec::new(),
            ids: BTreeSet::new(),
            courses: [const {
                Course {
                    from: None,
                    start: i64::MIN,
                    watermark: None,
                    may_go_back: false,
                    gaps: Vec::new(),
                    failure: None,
                }
            }; 3],
            causes: Causes::default(),
            overlap,
            knobs: scenario.knobs.clone(),
            may_have_gaps,
            knows_what_is_late,
            must_sign_in: Vec::new(),
            done: Done::default(),
        }
    }

    /// A call begins.
    pub fn begin_call(&mut self) {
        self.causes.begin_call();
    }

    /// A request was answered.
    pub fn heard(&mut self, record: &RequestRecord, is_whole: bool, now: i64) {
        self.done.requests += 1;
        self.causes.heard(record, is_whole, now);
    }

    /// The store of secrets failed.
    pub fn secrets_failed(&mut self, now: i64) {
        self.causes.secrets_failed(now);
    }

    /// Something outside may have ended the user's tokens.
    pub fn tokens_may_die(&mut self, user: User) {
        self.causes.tokens_may_die(user);
    }

    /// The call is cut short.
    pub fn disturbed(&mut self) {
        self.causes.disturbed();
    }

    /// Whether nothing went wrong in the call.
    pub fn was_quiet(&self) -> bool {
        self.causes.is_quiet()
    }

    /// Who must sign in, by the last call.
    pub fn users_who_must_sign_in(&mut self) -> Vec<User> {
        std::mem::take(&mut self.must_sign_in)
    }

    /// A failure of the last call.
    pub fn failure_now(&self) -> Option<(Stream, Code)> {
        Stream::ALL.into_iter().find_map(|stream| Some((stream, self.courses.get(place_of(stream))?.failure?)))
    }

    /// The operator has changed settings.
    pub fn apply(&mut self, knobs: &Knobs) {
        self.knobs = knobs.clone();
        for entry in self.entries.iter_mut().filter(|entry| entry.stream == Stream::Events) {
            // Narrowed and widened again: what was listed in between is a gap, or comes; nothing is promised.
            entry.is_wanted &= entry.fits(knobs);
        }
    }

    /// The operator has reset a stream. `remembered`: of the state before; none: there was none.
    pub fn reset(&mut self, stream: Stream, since: i64, remembered: Option<Option<Timestamp>>, gaps: &[Gap]) {
        self.may_have_gaps = true;
        let Some(course) = self.courses.get_mut(place_of(stream)) else { return };
        course.gaps.extend(gaps.iter().map(|gap| (gap.from.as_millis(), gap.to.as_millis())));
        course.may_go_back = true;
        match &mut course.from {
            Some(from) => *from = (*from).min(since),
            // The clock that said since when may have been ahead; what follows the first real call counts.
            None => course.start = course.start.max(since),
        }
        let forgotten = remembered.flatten().map(Timestamp::as_millis);
        for entry in self.entries.iter_mut().filter(|entry| entry.stream == stream) {
            if forgotten.is_some_and(|time| entry.created < time) {
                entry.recorded = false;
            }
        }
    }

    /// A batch as it came, whatever becomes of it.
    ///
    /// # Errors
    /// It breaks a promise.
    pub fn judge(&mut self, facts: &CallFacts, batch: &Batch, state: &LastRun) -> Result<(), Violation> {
        facts.check(batch, state)?;
        let mut here = BTreeSet::new();
        self.judged.clear();
        for event in batch.events.iter() {
            let index = self.unchanged(&event)?;
            self.judged.push(index);
            if !here.insert(index) {
                return Err(Violation::new(Invariant::I3, format!("{} is twice in one batch", event.id)));
            }
        }
        if self.knows_what_is_late {
            batch.reports.iter().try_for_each(|report| self.counts_late(report, &here))?;
        }
        self.must_sign_in.clear();
        self.courses.iter_mut().for_each(|course| course.failure = None);
        for report in &batch.reports {
            if let Some(course) = self.courses.get_mut(place_of(report.stream)) {
                course.failure = report.failure.as_ref().map(|failure| failure.code);
            }
            let Some(failure) = &report.failure else { continue };
            let user = report.stream.user();
            if failure.code == Code::SignInNeeded {
                if !self.causes.may_be_dead(user) {
                    let what = format!("the {user} must sign in, though nothing ended its tokens: {failure}");
                    return Err(Violation::new(Invariant::Tokens, what));
                }
                if !self.must_sign_in.contains(&user) {
                    self.must_sign_in.push(user);
                }
            }
            if !self.causes.explain(report.stream, facts.ended) {
                let what = format!("{} fails, though nothing of its own did: {failure}", report.stream);
                return Err(Violation::new(Invariant::I5, what));
            }
        }
        Ok(())
    }

    /// What lies behind the watermark and comes now is late; what was listed in its own time is not.
    fn counts_late(&self, report: &Report, delivered: &BTreeSet<usize>) -> Result<(), Violation> {
        let course = self.courses.get(place_of(report.stream));
        let begun = course.and_then(|course| course.from).unwrap_or(i64::MAX);
        let watermark = course.and_then(|course| course.watermark);
        let entries = || delivered.iter().filter_map(|index| self.entries.get(*index));
        let of_stream = || entries().filter(|entry| entry.stream == report.stream);
        let is_at_its_place = |entry: &&Entry| entry.says == Some(entry.created);
        // What lies before the start is met at its edge, and was never read.
        let is_passed =
            |entry: &&Entry| begun <= entry.created && watermark.is_some_and(|time| entry.created < time.as_millis());
        let least = of_stream().filter(is_at_its_place).filter(is_passed).count() as u64;
        let most = of_stream().filter(|entry| entry.delay > 0 || !is_at_its_place(entry)).count() as u64;
        if (least..=most).contains(&report.late) {
            return Ok(());
        }
        let what = format!("{} reports {} late events, and {least} to {most} are", report.stream, report.late);
        Err(Violation::new(Invariant::I1, what))
    }

    /// Which item it is.
    fn unchanged(&mut self, event: &Event) -> Result<usize, Violation> {
        let fail = |what: String| Err(Violation::new(Invariant::I4, what));
        let body = Body::read(&event.body);
        let Some(index) = self.by_served.get(&(event.stream, body.delivered())).copied() else {
            return fail(format!("{} was never served: {}", event.id, short(&event.body)));
        };
        let Some(entry) = self.entries.get_mut(index) else { return fail("no such item".to_owned()) };
        let is_text = event.id.len() <= 400 && event.id.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_text || event.body.contains(['\n', '\r']) {
            return fail(format!("{} is no line with a printable id", event.id));
        }
        if event.org != ORG || event.created.map(Timestamp::as_millis) != entry.says {
            return fail(format!("{} has another organization or time than its item", event.id));
        }
        let source = format!("\"{}\"", event.stream.source_log_type());
        if body.value("_time").map(str::to_owned) != entry.time
            || body.value("source_log_type") != Some(&source)
            || body.count("_time") > 1
            || body.count("source_log_type") > 1
        {
            return fail(format!("{} has not the two fields that it should: {}", event.id, short(&event.body)));
        }
        match &entry.id {
            Some(id) if *id != event.id => return fail(format!("one item has the ids {id} and {}", event.id)),
            Some(_) => {}
            None if !self.ids.insert(event.id.clone()) => return fail(format!("two items have the id {}", event.id)),
            None => entry.id = Some(event.id.clone()),
        }
        Ok(index)
    }

    /// A sink took the first `count` events of the batch that was judged.
    ///
    /// # Errors
    /// One of them was recorded before.
    pub fn durable(&mut self, facts: &CallFacts, count: usize) -> Result<(), Violation> {
        for index in self.judged.iter().take(count) {
            let Some(entry) = self.entries.get_mut(*index) else { continue };
            // Asked for: what lies before the time since when all is remembered.
            let asked_again = facts.re_read.is_some_and(|wish| {
                let around = wish.from.as_millis() - EDGE..=wish.to.as_millis() + EDGE;
                wish.allow_repeats && around.contains(&entry.created)
            });
            if entry.recorded && !asked_again {
                let since = entry.created - START;
                let id = entry.id.as_deref().unwrap_or_default();
                let what = format!("{id} (listed at {since} ms) was recorded before, and comes again");
                return Err(Violation::new(Invariant::I3, what));
            }
            entry.durable += 1;
            if let Some(open) = self.open.get_mut(place_of(entry.stream)) {
                open.remove(&(entry.created, *index));
            }
            self.done.events += 1;
            if let Some(read) = self.done.read.get_mut(place_of(entry.stream)) {
                read.events += 1;
            }
        }
        Ok(())
    }

    /// The batch that was judged is durable, and its last-run stored.
    ///
    /// # Errors
    /// The watermark goes back, or passes what was not delivered.
    pub fn recorded(&mut self, facts: &CallFacts, batch: &Batch, state: &LastRun) -> Result<(), Violation> {
        for index in &self.judged {
            if let Some(entry) = self.entries.get_mut(*index) {
                entry.recorded = true;
            }
        }
        for report in &batch.reports {
            let stream = report.stream;
            let Some(course) = self.courses.get_mut(place_of(stream)) else { continue };
            course.gaps.extend(report.gaps.iter().map(|gap| (gap.from.as_millis(), gap.to.as_millis())));
            if !course.gaps.is_empty() && !self.may_have_gaps {
                let what = format!("{stream} reports a gap that nothing explains: {:?}", report.gaps);
                return Err(Violation::new(Invariant::I1, what));
            }
            let Some(watermark) = state.streams.get(&stream).and_then(|state| state.watermark()) else { continue };
            let is_back = course.watermark.is_some_and(|before| watermark < before);
            if is_back && !course.may_go_back && course.from.is_some() {
                let what = format!("the watermark of {stream} goes back to {watermark}");
                return Err(Violation::new(Invariant::I2, what));
            }
            course.watermark = Some(watermark);
            course.may_go_back = false;
            if course.from.is_none() && facts.re_read.is_none() {
                course.start = course.start.max(facts.ended + facts.ahead - self.knobs.first_fetch * SECOND);
                if report.failure.is_none() && report.drained > 0 {
                    course.from = Some(course.start);
                }
            }
            self.passed(stream, watermark)?;
        }
        Ok(())
    }

    /// Everything that was listed at its own time and lies before the watermark is delivered.
    fn passed(&self, stream: Stream, watermark: Timestamp) -> Result<(), Violation> {
        let open = self.open.get(place_of(stream));
        let before = open.into_iter().flat_map(|open| open.range(..(watermark.as_millis(), 0)));
        let mut entries = before.filter_map(|(_, index)| self.entries.get(*index));
        match entries.find(|entry| self.is_missing(stream, entry)) {
            None => Ok(()),
            Some(entry) => {
                let what = format!(
                    "the watermark {watermark} of {stream} passes an item of {} that was not delivered",
                    Timestamp::from_millis(entry.created)
                );
                Err(Violation::new(Invariant::I2, what))
            }
        }
    }

    /// Items that must be delivered some time, and are not.
    fn missing(&self, stream: Stream) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| self.is_missing(stream, entry))
    }

    fn is_missing(&self, stream: Stream, entry: &Entry) -> bool {
        let course = self.courses.get(place_of(stream));
        let from = course.and_then(|course| course.from).unwrap_or(i64::MAX);
        let gaps = course.map(|course| course.gaps.as_slice()).unwrap_or_default();
        entry.stream == stream
            && entry.is_wanted
            && entry.durable == 0
            && entry.created >= from
            && entry.delay <= self.overlap
            && !gaps.iter().any(|(from, to)| (*from..=*to).contains(&entry.created))
    }

    /// The world has settled.
    ///
    /// # Errors
    /// Something is missing, or a secret was where it does not belong.
    pub fn finish(&self, knobs: &Knobs, leaks: usize) -> Result<(), Violation> {
        if leaks > 0 {
            return Err(Violation::new(Invariant::I6, format!("{leaks} secrets were sent where they do not belong")));
        }
        for stream in Stream::ALL.into_iter().filter(|stream| knobs.is_on(*stream)) {
            let missing: Vec<_> = self.missing(stream).collect();
            if let Some(first) = missing.first() {
                let what = format!(
                    "{} item(s) of {stream} are lost, the first of {} (at {} ms, listed {} ms later)",
                    missing.len(),
                    Timestamp::from_millis(first.created),
                    first.created - START,
                    first.delay
                );
                return Err(Violation::new(Invariant::I1, what));
            }
        }
        Ok(())
    }
}

impl Entry {
    fn of(item: &Item, body: &Body, knobs: &Knobs) -> Self {
        let time = body.value("created").filter(|time| *time != "null").map(str::to_owned);
        let text = time.as_deref().and_then(|time| time.strip_prefix('"')?.strip_suffix('"'));
        let says = text.and_then(|text| DateTime::parse_from_rfc3339(text).ok()).map(|time| time.timestamp_millis());
        let mut entry = Self {
            stream: item.stream,
            facets: item.has_facets().then_some((item.resource, item.of_type)),
            created: item.created,
            delay: item.delay,
            says,
            time,
            is_wanted: true,
            durable: 0,
            recorded: false,
            id: None,
        };
        entry.is_wanted = entry.fits(knobs);
        entry
    }

    /// Whether the filters let it through.
    fn fits(&self, knobs: &Knobs) -> bool {
        let has = |list: &[&str], own: Option<&str>| list.is_empty() || own.is_some_and(|own| list.contains(&own));
        let (resource, of_type) = self.facets.unzip();
        self.stream != Stream::Events || (has(&knobs.resources, resource) && has(&knobs.types, of_type))
    }
}

fn short(text: &str) -> String {
    text.chars().take(200).collect()
}
