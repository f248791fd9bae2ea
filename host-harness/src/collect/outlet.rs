//! The way out of a delivery that is running, for others than its collector: a command that has events, a page that shows sinks.

use std::sync::{Arc, Mutex, PoisonError};

use super::CollectError;
use super::delivery::Places;
use crate::board::view::SpoolView;
use crate::courier::{CourierWatch, Standing};
use crate::runtime::Bundle;

/// Where a tenant's events go while it is collected from.
#[derive(Clone)]
pub struct Outlet {
    places: Arc<Mutex<Places>>,
    couriers: Option<CourierWatch>,
}

impl Outlet {
    pub(super) fn new(places: Arc<Mutex<Places>>, couriers: Option<CourierWatch>) -> Self {
        Self { places, couriers }
    }

    /// Events that were not collected in a round, as those of a command. Waits for a batch that is being recorded, and for the
    /// disk.
    ///
    /// # Errors
    /// The disk or the file refuses.
    pub fn deliver(&self, events: Vec<Bundle>) -> Result<(), CollectError> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner).deliver(events)
    }

    /// How each sink behind the spool stands.
    pub fn standings(&self) -> Vec<Standing> {
        self.couriers.as_ref().map(CourierWatch::standings).unwrap_or_default()
    }

    /// The spool; none where events go to a file directly.
    pub fn spool(&self) -> Option<SpoolView> {
        let spool = self.couriers.as_ref()?.spool();
        Some(SpoolView { bytes: spool.bytes(), limit: spool.max_bytes(), is_full: spool.is_full() })
    }
}
