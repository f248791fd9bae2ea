//! SIGKILL at random moments: while the program starts, asks, delivers, stores, or refreshes tokens.
//!
//! `KILLS=200` makes it longer, `SEED=N` repeats the moments of a run that failed (the machine's own timing stays its own).

mod traces;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::{Duration, Instant};

use host_harness::simulator::{ADMIN, Endpoint, Fault, Latency, OFFICER, ScriptedFault, Stream, TenantSettings};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::support::{Webex, ended};
use traces::{Key, Traces};

/// Kills where `KILLS` says nothing: enough to meet each phase, and some seconds.
const KILLS: usize = 10;
/// Events that are new in each stream before each run: some batches of work for each.
const NEW: usize = 120;
/// Events a stream and call.
const MAX_FETCH: usize = 60;
/// A run that does not come to the moment it was to be killed at waits, for what a user may ask for in a minute: it is killed then.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often the disk is looked at.
const LOOK: Duration = Duration::from_millis(1);

/// When a run is killed.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// So long after its start, uniformly over a whole run.
    After(Duration),
    /// So long after the batch with this number was announced: while it is delivered or stored.
    InBatch(usize, Duration),
    /// So long after the token endpoint was asked.
    InRefresh(Duration),
}

/// What the kills met.
#[derive(Debug, Default)]
struct Tally {
    runs: usize,
    kills: usize,
    before_the_lock: usize,
    while_delivering: usize,
    in_a_line: usize,
    while_refreshing: usize,
    while_waiting: usize,
    not_written_again: usize,
}

struct Campaign {
    webex: Webex,
    dice: SmallRng,
    /// How long a run takes that nobody disturbs.
    whole: Duration,
    tally: Tally,
    traces: Traces,
    /// The events in the file.
    once: BTreeSet<Key>,
}

impl Campaign {
    async fn start(seed: u64) -> Self {
        let latency = Latency { min_ms: 2, max_ms: 15 };
        let settings = TenantSettings { seed, latency, ..TenantSettings::default() };
        let webex = Webex::with(settings, &format!("max_fetch = {MAX_FETCH}\noverlap = \"2s\"")).await;
        webex.sign_in().await;
        let mut campaign = Self {
            webex,
            dice: SmallRng::seed_from_u64(seed),
            whole: Duration::ZERO,
            tally: Tally::default(),
            traces: Traces::default(),
            once: BTreeSet::new(),
        };
        campaign.happen();
        let begin = Instant::now();
        campaign.run(None).await;
        campaign.whole = begin.elapsed();
        campaign
    }

    /// New events, listed up to half the overlap after they were created. A longer one would be read again by each of these
    /// runs, and use up what a user may ask for in a minute.
    fn happen(&self) {
        let now = self.webex.tenant.now_ms();
        for stream in Stream::ALL {
            self.webex.tenant.backlog(stream, NEW, now - 1_000, now);
        }
    }

    fn draw(&mut self) -> Moment {
        match self.dice.random_range(0..10) {
            0..5 => Moment::After(self.whole.mul_f64(self.dice.random_range(0.0..1.1))),
            5..8 => Moment::InBatch(self.dice.random_range(1..=3), self.soon(50)),
            _ => Moment::InRefresh(self.soon(250)),
        }
    }

    /// Up to so many milliseconds, mostly few: a quick disk takes one for what takes a slow one fifty.
    fn soon(&mut self, most: u64) -> Duration {
        let halved = self.dice.random_range(0..6);
        Duration::from_micros(self.dice.random_range(0..=(most * 1_000) >> halved))
    }

    /// One run, killed at the moment unless it ends before.
    async fn run(&mut self, moment: Option<Moment>) {
        self.tally.runs += 1;
        let begin = Instant::now();
        let past = self.traces.sentence();
        if let Some(Moment::InRefresh(_)) = moment {
            [ADMIN, OFFICER].into_iter().for_each(|account| self.webex.tenant.expire_access(account));
            self.webex.tenant.script(ScriptedFault::on(Endpoint::AccessToken, Fault::Slow(150)).times(2));
        }
        let mut child = self.webex.place.command(&["collect"]).spawn().unwrap();
        if let Some(moment) = moment {
            self.await_moment(moment, &mut child).await;
        }
        let pid = child.id().map(|pid| pid.to_string());
        // A process that has ended is not killed any more.
        let killed = moment.is_some() && child.try_wait().unwrap().is_none();
        if killed {
            child.start_kill().unwrap();
        }
        let ran = ended(child).await;
        self.webex.tenant.clear_script();

        // What it said of the run before: all that the disk showed, in one line, or it was killed before it could.
        let said: Vec<&str> = ran.stderr.lines().filter(|line| traces::is_about_the_past(line)).collect();
        match (said.as_slice(), past) {
            ([], None) => {}
            ([], Some(_)) if killed => {}
            ([said], Some(sentence)) => assert_eq!(*said, sentence),
            (said, sentence) => panic!("said {said:?}, to be said {sentence:?}\n{}", ran.stderr),
        }
        self.check();
        if killed {
            self.count(pid);
        } else {
            assert_eq!(ran.code, Some(0), "{}", ran.stderr);
            assert_eq!((self.traces.torn, &self.traces.holder), (0, &None), "a run that ended by itself");
        }
        let how = if killed { "killed" } else { "ended" };
        println!(
            "{how} after {:.1?}, to be killed {moment:?}; {} events\n{}",
            begin.elapsed(),
            self.once.len(),
            ran.stderr
        );
    }

    async fn await_moment(&mut self, moment: Moment, child: &mut tokio::process::Child) {
        let asked = self.refreshes();
        let begin = Instant::now();
        let (mut announced, mut standing) = (0, false);
        loop {
            let come = match moment {
                Moment::After(time) => begin.elapsed() >= time,
                Moment::InBatch(number, _) => {
                    let stands = self.webex.place.path(traces::MARK).exists();
                    announced += usize::from(stands && !standing);
                    standing = stands;
                    announced >= number
                }
                Moment::InRefresh(_) => self.refreshes() > asked,
            };
            if come || child.try_wait().unwrap().is_some() {
                break;
            }
            if begin.elapsed() > PATIENCE {
                self.tally.while_waiting += 1;
                return;
            }
            tokio::time::sleep(LOOK).await;
        }
        match moment {
            Moment::After(_) => {}
            Moment::InBatch(_, more) | Moment::InRefresh(more) => tokio::time::sleep(more).await,
        }
    }

    fn refreshes(&self) -> u64 {
        self.webex.tenant.counts().get(&Endpoint::AccessToken).map_or(0, |count| count.requests)
    }

    /// After each run: the file holds whole lines, each event once.
    fn check(&mut self) {
        let before = self.traces.lines.len();
        self.traces.look(&self.webex.place);
        for (key, _) in &self.traces.lines[before..] {
            assert!(self.once.insert(key.clone()), "{key:?} stands twice in the file");
        }
    }

    /// Takes note of what a kill met, and lets the time pass that a claim on the refresh holds others up.
    fn count(&mut self, pid: Option<String>) {
        let in_hand = self.traces.in_hand();
        self.tally.kills += 1;
        self.tally.before_the_lock += usize::from(self.traces.holder != pid);
        self.tally.while_delivering += usize::from(self.traces.marked());
        self.tally.in_a_line += usize::from(self.traces.torn > 0);
        self.tally.not_written_again += in_hand.len();
        self.tally.while_refreshing += usize::from(traces::end_claims(&self.webex.place));
    }

    /// At the end: nothing lost, nothing invented.
    fn judge(&self) {
        self.webex.delivered_is_exact();
        assert_eq!(self.webex.tenant.leaks(), []);
        let file: BTreeMap<Key, String> = self.traces.lines.iter().cloned().collect();
        let text: usize = file.values().map(|line| line.len() + 1).sum();
        assert_eq!(text, self.webex.place.read("events.ndjson").len(), "what stood there stands there");
        let raw: Vec<_> = Stream::ALL.into_iter().flat_map(|stream| self.webex.tenant.listed(stream)).collect();
        traces::as_listed(&file, &raw);
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { runs, kills, before_the_lock, while_delivering, in_a_line, while_refreshing, .. } = self;
        write!(
            f,
            "{kills} kills in {runs} runs: {before_the_lock} before the state was taken, {while_delivering} between a batch's \
             announcement and its record, {in_a_line} inside a line, {while_refreshing} inside a refresh, {} in a wait; {} \
             events stood in the file unrecorded and were not written again",
            self.while_waiting, self.not_written_again
        )
    }
}

#[tokio::test]
async fn killed_at_any_moment_nothing_is_lost_invented_or_written_twice() {
    let number = |name| std::env::var(name).ok().map(|text: String| text.parse::<u64>().expect("a number"));
    let seed = number("SEED").unwrap_or_else(|| SmallRng::from_os_rng().random());
    let kills = number("KILLS").map_or(KILLS, |kills| usize::try_from(kills).unwrap());
    println!("KILLS={kills} SEED={seed}");
    let begin = Instant::now();
    let mut campaign = Campaign::start(seed).await;
    while campaign.tally.kills < kills {
        campaign.happen();
        let moment = campaign.draw();
        campaign.run(Some(moment)).await;
        assert!(campaign.tally.runs < 4 * kills + 20, "the runs end before they are killed: {}", campaign.tally);
    }
    // A run may end before the newest events are taken up; one that finds nothing new has them all.
    let mut written = 0;
    for _ in 0..4 {
        written = campaign.once.len();
        campaign.run(None).await;
    }
    assert_eq!(campaign.once.len(), written, "nothing more is to come");
    assert_eq!(campaign.traces.sentence(), None, "and nothing is left to say");
    campaign.judge();
    println!("{} ({written} events, {:.0?})", campaign.tally, begin.elapsed());
}
