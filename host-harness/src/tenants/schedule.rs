//! Whose turn it is.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::seat::{Seat, Shared, TURN, Taken};
use super::{Outcome, Step, Summary, TenantError};
use crate::collect::{End, Round, Totals, Turn, What};
use crate::config::{ConfigError, Listing, Stamp, TenantName};

/// How often the folder of the tenants is looked at. A thousand files are looked at in some milliseconds.
const LOOK: Duration = Duration::from_secs(2);
/// With `--follow` the first turns are spread at random over this time for each tenant, so that they do not all ask Webex at the same
/// moment, now and then in each round,
const SPREAD: Duration = Duration::from_millis(50);
/// but over no more than this.
const LONGEST_SPREAD: Duration = Duration::from_secs(60);
/// The pause after a failure, doubled each time,
const PAUSE: Duration = Duration::from_secs(15);
/// up to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(15 * 60);

/// Gives tenants their turns.
pub struct Scheduler<F> {
    shared: Arc<Shared>,
    /// How long a turn goes on before others come.
    turn: Duration,
    observe: F,
    seats: BTreeMap<TenantName, Place>,
    /// Who waits: since or until when, and in which order they came.
    queue: BTreeSet<(Instant, u64, TenantName)>,
    tickets: u64,
    running: JoinSet<(TenantName, Option<Taken>)>,
    /// Names of tenants whose next round is to begin now.
    wakes: Option<UnboundedReceiver<TenantName>>,
    refused: BTreeSet<std::path::PathBuf>,
    is_unlisted: bool,
    broken: Option<TenantError>,
}

/// A tenant and its seat.
struct Place {
    stamp: Stamp,
    /// None while it has its turn.
    seat: Option<Seat>,
    /// Its place in the queue.
    ticket: Option<(Instant, u64)>,
    /// Its file has changed since its settings were read for its sinks.
    is_changed: bool,
    /// Its next round is to begin now.
    is_woken: bool,
    is_gone: bool,
    /// Turns in a row that failed.
    failures: u32,
    /// The last failure that was told.
    told: Option<String>,
    re_audit: Option<Round>,
    end: Option<Result<End, TenantError>>,
}

/// What comes next; without a source nothing ever does.
async fn next(wakes: &mut Option<UnboundedReceiver<TenantName>>) -> Option<TenantName> {
    match wakes {
        Some(wakes) => wakes.recv().await,
        None => std::future::pending().await,
    }
}

impl<F: FnMut(Step<'_>)> Scheduler<F> {
    /// For the tenants of this folder; `observe` is told what comes of them.
    pub fn new(shared: Shared, observe: F) -> Self {
        Self {
            shared: Arc::new(shared),
            turn: TURN,
            observe,
            seats: BTreeMap::new(),
            queue: BTreeSet::new(),
            tickets: 0,
            running: JoinSet::new(),
            wakes: None,
            refused: BTreeSet::new(),
            is_unlisted: false,
            broken: None,
        }
    }

    /// With turns of another length than 20 s. A call that has begun comes to its end all the same, so of no length each turn is
    /// one call.
    #[must_use]
    pub fn turns_of(self, length: Duration) -> Self {
        Self { turn: length, ..self }
    }

    /// With others who may cut a tenant's pause short, by its name.
    #[must_use]
    pub fn woken_by(self, wakes: UnboundedReceiver<TenantName>) -> Self {
        Self { wakes: Some(wakes), ..self }
    }

    /// Gives turns until all are idle, or until asked to end.
    ///
    /// # Errors
    /// The folder of the tenants cannot be read at the start. Whatever fails of a tenant stands in its [`Outcome`].
    pub async fn run(mut self) -> Result<Summary, ConfigError> {
        let listing = self.shared.tenants.list()?;
        self.begin(listing);
        let shared = Arc::clone(&self.shared);
        let mut next_look = Instant::now() + LOOK;
        loop {
            let is_stopping = shared.stop.is_requested();
            if !is_stopping {
                self.seat_those_who_are_due();
            }
            if self.running.is_empty() && (is_stopping || (self.queue.is_empty() && !shared.follow)) {
                break;
            }
            let next_due = self.queue.first().map(|(due, ..)| *due).filter(|_| self.has_room());
            // Else a turn that is over is what comes next.
            let wake = next_due.into_iter().chain(shared.follow.then_some(next_look)).min();
            tokio::select! {
                Some(done) = self.running.join_next() => self.return_from(done),
                () = tokio::time::sleep_until(wake.unwrap_or(next_look)), if !is_stopping && wake.is_some() => {}
                Some(name) = next(&mut self.wakes), if !is_stopping => self.wake(name),
                () = shared.stop.requested(), if !is_stopping => {}
            }
            if shared.follow && Instant::now() >= next_look {
                self.look();
                next_look = Instant::now() + LOOK;
            }
        }
        Ok(self.summary().await)
    }

    fn begin(&mut self, listing: Listing) {
        self.refuse(&listing);
        let count = u32::try_from(listing.tenants.len()).unwrap_or(u32::MAX);
        let spread = SPREAD.saturating_mul(count).min(LONGEST_SPREAD);
        let mut random = SmallRng::from_os_rng();
        for (name, stamp) in listing.tenants {
            let wait = if self.shared.follow { spread.mul_f64(random.random::<f64>()) } else { Duration::ZERO };
            self.add(name, stamp, wait);
        }
    }

    fn add(&mut self, name: TenantName, stamp: Stamp, wait: Duration) {
        let place = Place {
            stamp,
            seat: Some(Seat::default()),
            ticket: None,
            is_changed: false,
            is_woken: false,
            is_gone: false,
            failures: 0,
            told: None,
            re_audit: None,
            end: None,
        };
        self.seats.insert(name.clone(), place);
        self.enqueue(name, wait);
    }

    /// Takes up what has changed in the folder.
    fn look(&mut self) {
        let listing = match self.shared.tenants.list() {
            Ok(listing) => listing,
            Err(error) => {
                if !std::mem::replace(&mut self.is_unlisted, true) {
                    (self.observe)(Step::Unlisted(&error));
                }
                return;
            }
        };
        if std::mem::take(&mut self.is_unlisted) {
            (self.observe)(Step::Listed);
        }
        self.refuse(&listing);
        let gone: Vec<TenantName> =
            self.seats.keys().filter(|name| !listing.tenants.contains_key(*name)).cloned().collect();
        for name in gone {
            self.remove(name);
        }
        for (name, stamp) in listing.tenants {
            match self.seats.get_mut(&name) {
                None => {
                    (self.observe)(Step::Came(&name));
                    self.add(name, stamp, Duration::ZERO);
                }
                Some(place) => {
                    place.is_gone = false;
                    if place.stamp != stamp {
                        (place.stamp, place.is_changed, place.failures) = (stamp, true, 0);
                        if place.seat.is_some() {
                            self.enqueue(name, Duration::ZERO);
                        }
                    }
                }
            }
        }
    }

    fn refuse(&mut self, listing: &Listing) {
        self.refused.retain(|path| listing.refused.contains(path));
        for path in &listing.refused {
            if self.refused.insert(path.clone()) {
                (self.observe)(Step::Refused(&ConfigError::TenantName(path.clone())));
            }
        }
    }

    fn remove(&mut self, name: TenantName) {
        let Some(place) = self.seats.get_mut(&name) else { return };
        if place.seat.is_none() {
            // It goes when its turn is over.
            place.is_gone = true;
            return;
        }
        if let Some((due, number)) = place.ticket {
            self.queue.remove(&(due, number, name.clone()));
        }
        self.seats.remove(&name);
        (self.observe)(Step::Went(&name));
    }

    /// A tenant's next round begins now, or when the turn is over that it has.
    fn wake(&mut self, name: TenantName) {
        let Some(place) = self.seats.get_mut(&name) else { return };
        place.is_woken = true;
        if place.seat.is_some() {
            self.enqueue(name, Duration::ZERO);
        }
    }

    /// Puts a tenant into the queue, at its end among those that are due then.
    fn enqueue(&mut self, name: TenantName, wait: Duration) {
        let Some(place) = self.seats.get_mut(&name) else { return };
        if let Some((due, number)) = place.ticket.take() {
            self.queue.remove(&(due, number, name.clone()));
        }
        let ticket = (Instant::now() + wait, self.tickets);
        self.tickets += 1;
        place.ticket = Some(ticket);
        self.queue.insert((ticket.0, ticket.1, name));
    }

    fn has_room(&self) -> bool {
        self.running.len() < self.shared.tenants.side_by_side
    }

    fn seat_those_who_are_due(&mut self) {
        while self.has_room()
            && self.queue.first().is_some_and(|(due, ..)| *due <= Instant::now())
            && let Some((.., name)) = self.queue.pop_first()
        {
            let Some(place) = self.seats.get_mut(&name) else { continue };
            place.ticket = None;
            let Some(mut seat) = place.seat.take() else { continue };
            if std::mem::take(&mut place.is_changed) {
                seat.renew();
            }
            if std::mem::take(&mut place.is_woken) {
                seat.standing.at_once();
            }
            let (shared, length) = (Arc::clone(&self.shared), self.turn);
            self.running.spawn(async move {
                // What a defect leaves of a seat is not used again.
                let taken = AssertUnwindSafe(seat.turn(&name, &shared, length)).catch_unwind().await;
                (name, taken.ok())
            });
        }
    }

    /// A tenant comes back from its turn.
    fn return_from(&mut self, done: Result<(TenantName, Option<Taken>), tokio::task::JoinError>) {
        // Turns are not aborted, and end by no panic.
        let Ok((name, taken)) = done else { return };
        let taken = taken.unwrap_or_else(|| Taken {
            seat: Seat::default(),
            rounds: Vec::new(),
            found: None,
            turn: Err(TenantError::Defect),
        });
        let Some(place) = self.seats.get_mut(&name) else { return };
        place.seat = Some(taken.seat);
        if let Some(found) = &taken.found {
            (self.observe)(Step::LookedBack(&name, found));
        }
        for round in taken.rounds {
            (self.observe)(Step::Over(&name, &round));
            if round.what != What::Collect {
                place.re_audit = Some(round);
            }
        }
        if place.is_gone {
            self.remove(name);
            return;
        }
        let is_changed = place.is_changed || place.is_woken;
        match taken.turn {
            Ok(turn) => {
                place.failures = 0;
                if place.told.take().is_some() {
                    (self.observe)(Step::Recovered(&name));
                }
                let wait = match turn {
                    Turn::Again => Some(Duration::ZERO),
                    Turn::Rest(time) => Some(time),
                    Turn::Over(end) => {
                        place.end = Some(Ok(end));
                        None
                    }
                };
                if let Some(wait) = wait {
                    self.enqueue(name, if is_changed { Duration::ZERO } else { wait });
                }
            }
            Err(error) => self.failed(name, error, is_changed),
        }
    }

    fn failed(&mut self, name: TenantName, error: TenantError, is_changed: bool) {
        let Some(place) = self.seats.get_mut(&name) else { return };
        if error.is_closed_output() {
            place.end = Some(Ok(End::Stopped));
            self.broken.get_or_insert(error);
            self.shared.stop.request();
            return;
        }
        let pause = PAUSE.saturating_mul(1 << place.failures.min(16)).min(LONGEST_PAUSE);
        let again = self.shared.follow.then_some(if is_changed { Duration::ZERO } else { pause });
        place.failures += 1;
        let text = error.to_string();
        if place.told.as_ref() != Some(&text) {
            (self.observe)(Step::Failed(&name, &error, again));
            place.told = Some(text);
        }
        place.end = Some(Err(error));
        if let Some(pause) = again {
            self.enqueue(name, pause);
        }
    }

    async fn summary(self) -> Summary {
        // All at once: each may have a send under way.
        let ended = self.seats.into_iter().map(async |(name, mut place)| {
            let (mut totals, mut sinks) = (Totals::default(), Vec::new());
            if let Some(mut seat) = place.seat.take() {
                sinks = seat.let_go().await;
                totals = seat.standing.totals;
            }
            // Who was waiting when all were asked to end has nothing in hand.
            let end = place.end.unwrap_or(Ok(End::Stopped));
            (name, Outcome { totals, re_audit: place.re_audit, sinks, end })
        });
        Summary {
            tenants: futures::future::join_all(ended).await.into_iter().collect(),
            refused: self.refused.into_iter().collect(),
            broken: self.broken,
        }
    }
}
