//! Events that are too large for a receiver: it would refuse the whole request for them, or cut them without a word.

use super::Refused;
use crate::sink::Event;

/// Parts those whose bodies are within `limit` from the others, which are refused here.
pub(super) fn within(events: &[Event], limit: usize) -> (Vec<&Event>, Vec<Refused>) {
    let (mut fit, mut refused) = (Vec::with_capacity(events.len()), Vec::new());
    for (index, event) in events.iter().enumerate() {
        if event.body.len() <= limit {
            fit.push(event);
        } else {
            let is = event.body.len();
            let reason =
                format!("it was not sent: it has {is} bytes, and the receiver takes up to {limit} bytes of an event");
            refused.push(Refused { index, reason });
        }
    }
    (fit, refused)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_large_is_named_by_its_place_and_the_rest_stays_in_order() {
        let event = |body: &str| Event {
            id: body.into(),
            org: "org".into(),
            stream: "events".into(),
            created: None,
            body: body.into(),
        };
        let events = ["12", "1234", "123"].map(event);
        let (fit, refused) = within(&events, 3);
        assert_eq!(fit.iter().map(|event| &*event.body).collect::<Vec<_>>(), ["12", "123"]);
        assert_eq!(refused.iter().map(|refused| refused.index).collect::<Vec<_>>(), [1]);
        assert!(refused.first().unwrap().reason.contains("4 bytes"), "{refused:?}");
    }
}
