//! Texts of parts of the last-run, as a host keeps them that hands over names only.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use cisco_webex_plugin::last_run::{Kept, Stored};
use host_harness::runtime::Parts;

/// What is on the disk.
#[derive(Clone, Default)]
pub(super) struct Texts(Arc<Mutex<BTreeMap<String, String>>>);

impl Texts {
    /// Puts the texts of a last-run away, and those that nothing names any more. What is returned has names only.
    pub(super) fn store(&self, stored: Stored) -> Stored {
        let mut texts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::take(&mut *texts);
        let kept = |name: &String| before.get(name).cloned();
        texts.extend(
            stored.parts.iter().filter_map(|(name, text)| Some((name.clone(), text.clone().or_else(|| kept(name))?))),
        );
        let parts = stored.parts.into_iter().map(|(name, _)| (name, None)).collect();
        Stored { head: stored.head, parts, kept: self.kept() }
    }

    /// Where a last-run finds them.
    pub(super) fn kept(&self) -> Kept {
        let texts = self.clone();
        Kept::by(move |name| texts.text(name))
    }
}

impl Parts for Texts {
    fn text(&self, name: &str) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }
}
