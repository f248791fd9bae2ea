//! When to try a receiver again: at once while it answers, one send at a time with a growing pause while it does not.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tokio::sync::{Mutex as Turn, MutexGuard};
use tokio::time::Instant;

use crate::stop::Stop;

/// The pause after a failure, doubled each time,
const PAUSE: Duration = Duration::from_millis(500);
/// up to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// The pause after a refusal that only a person can end.
const CLOSED_PAUSE: Duration = Duration::from_secs(30);

/// Before each send to one receiver.
#[derive(Debug, Default)]
pub(super) struct Gate {
    state: Mutex<State>,
    /// While it fails one send at a time looks whether it still does.
    probe: Turn<()>,
}

#[derive(Debug, Default)]
struct State {
    failures: u32,
    not_before: Option<Instant>,
}

impl Gate {
    /// Returns when a send may be made; what it returns is held until the answer is there. None: it was asked to end.
    pub(super) async fn pass(&self, stop: &Stop) -> Option<Option<MutexGuard<'_, ()>>> {
        if stop.is_requested() {
            return None;
        }
        if self.state().failures == 0 {
            return Some(None);
        }
        let turn = tokio::select! {
            turn = self.probe.lock() => turn,
            () = stop.requested() => return None,
        };
        let not_before = self.state().not_before;
        if let Some(not_before) = not_before {
            tokio::select! {
                () = tokio::time::sleep_until(not_before) => {}
                () = stop.requested() => return None,
            }
        }
        if self.state().failures == 0 { Some(None) } else { Some(Some(turn)) }
    }

    /// The receiver answers.
    pub(super) fn open(&self) {
        *self.state() = State::default();
    }

    /// It does not; `after`: how long it wants to be left alone.
    pub(super) fn failed(&self, after: Option<Duration>) {
        let mut state = self.state();
        let longest = PAUSE.saturating_mul(1 << state.failures.min(16)).min(LONGEST_PAUSE);
        // Full jitter, but for a tenth, so that a fault that ends at once is not met by a tight loop.
        let pause = longest.mul_f64(SmallRng::from_os_rng().random_range(0.1..1.0));
        state.failures = state.failures.saturating_add(1);
        state.not_before = Some(Instant::now() + after.unwrap_or_default().max(pause));
    }

    /// Nothing is taken until somebody changes something.
    pub(super) fn closed(&self) {
        let mut state = self.state();
        state.failures = state.failures.saturating_add(1);
        state.not_before = Some(Instant::now() + CLOSED_PAUSE);
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
