//! A nudge: what a pause between two rounds waited for may be there now, such as a user who has signed in.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// Wakes one collector. Clones wake the same.
#[derive(Clone, Debug, Default)]
pub struct Wake(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    notify: Notify,
    is_wanted: AtomicBool,
}

impl Wake {
    /// The next round is to begin now, or as soon as the one that goes on is over.
    pub fn wake(&self) {
        self.0.is_wanted.store(true, Ordering::SeqCst);
        self.0.notify.notify_one();
    }

    /// Returns once it is wanted.
    pub(super) async fn wanted(&self) {
        self.0.notify.notified().await;
    }

    /// Whether it was wanted since this was asked last.
    pub(super) fn take(&self) -> bool {
        self.0.is_wanted.swap(false, Ordering::SeqCst)
    }
}
