//! Time and chance as the plugin sees them: the machine's, or given by a test.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sha2::{Digest, Sha256};
use wasmtime_wasi::{Deterministic, HostWallClock};

/// The time of day. Waits are always real: only `wasi:clocks/wall-clock` is replaced by a given clock.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    /// The machine's.
    #[default]
    System,
    /// Stands still until it is set; clones show the same time.
    Given(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that stands at `millis` since the epoch.
    pub fn at(millis: i64) -> Self {
        Self::Given(Arc::new(AtomicI64::new(millis)))
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
        }
    }

    /// Sets a given clock to `millis` since the epoch; the machine's is left alone.
    pub fn set(&self, millis: i64) {
        if let Self::Given(time) = self {
            time.store(millis, Ordering::SeqCst);
        }
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
            Self::Given(_) => Duration::from_millis(u64::try_from(Clock::now(self)).unwrap_or(0)),
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
