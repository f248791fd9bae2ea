//! The wish to end, passed to everything that waits.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

/// Asked to end or not; clones share the answer. Never taken back.
#[derive(Clone, Debug)]
pub struct Stop(Arc<watch::Sender<bool>>);

impl Stop {
    /// Not asked yet.
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }

    /// Asks everything that shares this to end.
    pub fn request(&self) {
        self.0.send_replace(true);
    }

    /// Whether it was asked.
    pub fn is_requested(&self) -> bool {
        *self.0.borrow()
    }

    /// Returns once it was asked.
    pub async fn requested(&self) {
        let mut answer = self.0.subscribe();
        // The sender lives in `self`, so the wait ends only with a request.
        let _ = answer.wait_for(|asked| *asked).await;
    }

    /// Waits for `time`; false if the wait was cut short by a request.
    pub async fn sleep(&self, time: Duration) -> bool {
        tokio::time::timeout(time, self.requested()).await.is_err()
    }
}

impl Default for Stop {
    fn default() -> Self {
        Self::new()
    }
}
