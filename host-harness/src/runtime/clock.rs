//! Time and chance as the plugin sees them: the machine's, or given by a test.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sha2::{Digest, Sha256};
use tokio::time::Instant;
use wasmtime_wasi::{Deterministic, HostMonotonicClock, HostWallClock};

/// The time of day. Waits are real but for [`Simulated`](Self::Simulated): a given clock replaces only
/// `wasi:clocks/wall-clock`.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    /// The machine's.
    #[default]
    System,
    /// Stands still until it is set; clones show the same time.
    Given(Arc<AtomicI64>),
    /// Goes on with tokio's time, as the plugin's waits do; clones show the same time. For tests on a runtime of one thread
    /// whose time is paused: there it moves only while everybody waits, so that a run is the same to the last step.
    /// For the same reason a plugin with this clock is not interrupted: one that loops for ever would not be ended.
    Simulated(Arc<Simulated>),
}

/// A time of day that goes on with tokio's.
#[derive(Debug)]
pub struct Simulated {
    begun: Instant,
    /// Milliseconds since the epoch at `begun`, by what was set last.
    at_begin: AtomicI64,
}

impl Simulated {
    fn elapsed_millis(&self) -> i64 {
        i64::try_from(self.begun.elapsed().as_millis()).unwrap_or(i64::MAX)
    }
}

impl Clock {
    /// A clock that stands at `millis` since the epoch.
    pub fn at(millis: i64) -> Self {
        Self::Given(Arc::new(AtomicI64::new(millis)))
    }

    /// A clock that shows `millis` since the epoch and goes on with tokio's time. To be called within the runtime.
    pub fn simulated(millis: i64) -> Self {
        Self::Simulated(Arc::new(Simulated { begun: Instant::now(), at_begin: AtomicI64::new(millis) }))
    }

    /// The one that the plugin's waits go by; none: the machine's.
    pub(super) fn monotonic(&self) -> Option<impl HostMonotonicClock + 'static> {
        match self {
            Self::Simulated(clock) => Some(Monotonic { begun: clock.begun }),
            Self::System | Self::Given(_) => None,
        }
    }

    /// Milliseconds since the epoch.
    pub fn now(&self) -> i64 {
        match self {
            Self::System => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .ok()
                .and_then(|time| i64::try_from(time.as_millis()).ok())
                .unwrap_or(0),
            Self::Given(millis) => millis.load(Ordering::SeqCst),
            Self::Simulated(clock) => clock.at_begin.load(Ordering::SeqCst).saturating_add(clock.elapsed_millis()),
        }
    }

    /// Sets a given or simulated clock to `millis` since the epoch; the machine's is left alone.
    pub fn set(&self, millis: i64) {
        match self {
            Self::System => {}
            Self::Given(time) => time.store(millis, Ordering::SeqCst),
            Self::Simulated(clock) => {
                clock.at_begin.store(millis.saturating_sub(clock.elapsed_millis()), Ordering::SeqCst);
            }
        }
    }
}

/// Nanoseconds of tokio's time since a simulated clock began.
struct Monotonic {
    begun: Instant,
}

impl HostMonotonicClock for Monotonic {
    fn resolution(&self) -> u64 {
        1
    }

    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

impl HostWallClock for Clock {
    fn resolution(&self) -> Duration {
        Duration::from_millis(1)
    }

    fn now(&self) -> Duration {
        match self {
            // The machine's full resolution, not the milliseconds of `Clock::now`.
            Self::System => SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
            Self::Given(_) | Self::Simulated(_) => Duration::from_millis(u64::try_from(Clock::now(self)).unwrap_or(0)),
        }
    }
}

/// Where random bytes come from.
#[derive(Clone, Copy, Debug, Default)]
pub enum Random {
    /// The machine's secure source.
    #[default]
    System,
    /// Derived from a seed and the number of the call: the same in every run. For tests: keys made of it are worthless.
    Seeded(u64),
}

/// Random bytes of one seeded call, after which they repeat.
const SEEDED_BYTES: u64 = 16 * 1024;

impl Random {
    /// The source for call number `call`; none: the machine's.
    pub(super) fn source(self, call: u64) -> Option<Deterministic> {
        let Self::Seeded(seed) = self else { return None };
        let blocks = SEEDED_BYTES / 32;
        let bytes = (0..blocks).flat_map(|block| {
            let mut hash = Sha256::new();
            for number in [seed, call, block] {
                hash.update(number.to_be_bytes());
            }
            <[u8; 32]>::from(hash.finalize())
        });
        Some(Deterministic::new(bytes.collect()))
    }
}
