//! What Splunk's HTTP Event Collector says in its answers: a number in the body, by which each is sorted. The numbers are those
//! of "Troubleshoot HTTP Event Collector", table "Possible error codes", in Splunk's manual Getting Data In.

use http::StatusCode;
use serde::Deserialize;

use crate::sink::SendError;
use crate::sink::client::Answer;

/// What to change where the token is refused.
const TOKEN: &str =
    "put a token that is enabled in Splunk (Settings, Data inputs, HTTP Event Collector) into `token` of the sink";
/// What to change where the address is not one of the collector.
const ADDRESS: &str = "write the address of Splunk's HTTP Event Collector as `url`, as https://splunk.example.com:8088";

/// An answer, as far as it is understood.
#[derive(Debug, Deserialize)]
struct Said {
    #[serde(default)]
    text: String,
    code: u32,
    #[serde(rename = "ackId")]
    ack_id: Option<u64>,
    #[serde(rename = "invalid-event-number")]
    invalid: Option<usize>,
}

/// What became of events that were posted.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Taken, with the number to ask for, if the token acknowledges.
    Taken(Option<u64>),
    /// Refused for what they hold; the place of the event that Splunk could not read, if it named one.
    Content {
        /// What it said.
        reason: String,
        /// Its place.
        named: Option<usize>,
    },
    /// Not taken for another reason.
    Not(SendError),
}

/// What an answer to posted events says. `indexes` are those that the events were for.
pub(super) fn of_events(answer: &Answer, indexes: &str) -> Verdict {
    let said = match read(answer) {
        Ok(said) => said,
        Err(error) => return unread(error),
    };
    if answer.status.is_success() {
        // 24 and 25: taken, but a queue is filling up.
        return match said.code {
            0 | 24 | 25 => Verdict::Taken(said.ack_id),
            _ => Verdict::Not(SendError::later(words(&said))),
        };
    }
    let reason = words(&said);
    match said.code {
        // `event` is a field of ours and always there, so what cannot be read is what an event holds.
        5 | 6 | 12 | 13 | 15 => Verdict::Content { reason, named: said.invalid },
        7 => {
            let remedy = if indexes.is_empty() {
                "the token's own index does not exist in Splunk: make it, or name another for the token".to_owned()
            } else {
                format!(
                    "make these indexes in Splunk and allow them for the token, or mend `index` of the sink: {indexes}"
                )
            };
            Verdict::Not(SendError::closed(reason, remedy))
        }
        _ if answer.status == StatusCode::PAYLOAD_TOO_LARGE => Verdict::Content { reason, named: None },
        _ => Verdict::Not(refused(&said, answer)),
    }
}

fn unread(error: SendError) -> Verdict {
    match error {
        SendError::Unfit { reason } => Verdict::Content { reason, named: None },
        error => Verdict::Not(error),
    }
}

/// Whether an answer is this code; for requests that hold no events.
pub(super) fn expect(answer: &Answer, code: u32) -> Result<(), SendError> {
    let said = read(answer)?;
    if said.code == code { Ok(()) } else { Err(refused(&said, answer)) }
}

/// The error in an answer of which only that is known.
pub(super) fn error(answer: &Answer) -> SendError {
    match read(answer) {
        Ok(said) => refused(&said, answer),
        Err(error) => error,
    }
}

/// What Splunk said. What is not its language comes from a proxy, or from something that is no Splunk.
fn read(answer: &Answer) -> Result<Said, SendError> {
    serde_json::from_slice(&answer.body).map_err(|_| {
        if answer.status.is_success() {
            SendError::closed(format!("the address does not answer as Splunk does: {}", answer.words()), ADDRESS)
        } else {
            answer.refusal(ADDRESS)
        }
    })
}

fn words(said: &Said) -> String {
    let text: String = crate::log::plain(&said.text).chars().take(200).collect();
    format!("Splunk says {} ({}): {text}", said.code, name(said.code))
}

/// The codes that are no matter of a single event.
fn refused(said: &Said, answer: &Answer) -> SendError {
    let reason = words(said);
    match said.code {
        1..=4 | 21 | 22 => SendError::closed(reason, TOKEN),
        // 28 is what Splunk Cloud says for 10.
        10 | 28 => SendError::closed(
            reason,
            "the token has indexer acknowledgment switched on: set `ack = true` for the sink, or switch it off for the token",
        ),
        11 => SendError::closed(
            reason,
            "something between here and Splunk changes X-Splunk-Request-Channel: let it through",
        ),
        14 => SendError::closed(
            reason,
            "switch on `Enable indexer acknowledgment` (useACK) for the token in Splunk, or set `ack = false` for the sink: then an \
             event counts as delivered when Splunk has it in memory",
        ),
        16 => SendError::closed(reason, "take the token out of `url`"),
        8 | 9 | 18..=20 | 23 | 26 | 27 => SendError::Later { reason, after: answer.retry_after },
        _ => match answer.refusal(ADDRESS) {
            SendError::Unfit { .. } => SendError::unfit(reason),
            SendError::Closed { remedy, .. } => SendError::closed(reason, remedy),
            SendError::Later { after, .. } => SendError::Later { reason, after },
        },
    }
}

/// What a code is called.
fn name(code: u32) -> &'static str {
    match code {
        0 => "success",
        1 | 22 => "token disabled",
        2 => "token is required",
        3 => "invalid authorization",
        4 | 21 => "invalid token",
        5 => "no data",
        6 => "invalid data format",
        7 => "incorrect index",
        8 => "internal server error",
        9 => "server is busy",
        10 | 28 => "data channel is missing",
        11 => "invalid data channel",
        12 => "event field is required",
        13 => "event field cannot be blank",
        14 => "acknowledgment is disabled",
        15 => "error in handling indexed fields",
        16 => "query string authorization is not enabled",
        17 => "healthy",
        18 => "unhealthy, queues are full",
        19 => "unhealthy, acknowledgment service unavailable",
        20 => "unhealthy, queues are full, acknowledgment service unavailable",
        23 => "server is shutting down",
        24 => "queue is approaching its capacity",
        25 => "acknowledgment is approaching its capacity",
        26 => "queue is at capacity",
        27 => "acknowledgment channel is at capacity",
        _ => "a code that is not known here",
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer { status: StatusCode::from_u16(status).unwrap(), retry_after: None, body: body.to_owned().into() }
    }

    /// Each code with the status that Splunk gives it: later, closed, content or taken.
    #[test]
    fn every_code_is_named_and_sorted() {
        let table = [
            (0, 200, "taken"),
            (1, 403, "closed"),
            (2, 401, "closed"),
            (3, 401, "closed"),
            (4, 403, "closed"),
            (5, 400, "content"),
            (6, 400, "content"),
            (7, 400, "closed"),
            (8, 500, "later"),
            (9, 503, "later"),
            (10, 400, "closed"),
            (11, 400, "closed"),
            (12, 400, "content"),
            (13, 400, "content"),
            (14, 400, "closed"),
            (15, 400, "content"),
            (16, 400, "closed"),
            (18, 503, "later"),
            (19, 503, "later"),
            (20, 503, "later"),
            (21, 400, "closed"),
            (22, 400, "closed"),
            (23, 503, "later"),
            (24, 200, "taken"),
            (25, 200, "taken"),
            (26, 429, "later"),
            (27, 429, "later"),
            (28, 400, "closed"),
        ];
        for (code, status, sort) in table {
            let found = match of_events(&answer(status, &format!("{{\"text\":\"x\",\"code\":{code}}}")), "") {
                Verdict::Taken(None) => "taken",
                Verdict::Content { named: None, .. } => "content",
                Verdict::Not(SendError::Later { .. }) => "later",
                Verdict::Not(SendError::Closed { .. }) => "closed",
                other => panic!("{code}: {other:?}"),
            };
            assert_eq!(found, sort, "{code}");
            assert!(!name(code).contains("not known"), "{code}");
        }
    }

    #[test]
    fn what_is_not_said_by_splunk_acknowledges_nothing() {
        for body in ["", "<html>welcome</html>", "{}", "{\"ok\":true}"] {
            let verdict = of_events(&answer(200, body), "");
            assert!(matches!(verdict, Verdict::Not(SendError::Closed { .. })), "{body}: {verdict:?}");
        }
        assert!(matches!(of_events(&answer(502, "<html>"), ""), Verdict::Not(SendError::Later { .. })));
        assert!(matches!(of_events(&answer(413, "<html>"), ""), Verdict::Content { named: None, .. }));
    }

    #[test]
    fn the_event_that_cannot_be_read_and_the_number_to_ask_for_are_told() {
        let verdict =
            of_events(&answer(400, r#"{"text":"Invalid data format","code":6,"invalid-event-number":3}"#), "");
        assert!(matches!(verdict, Verdict::Content { named: Some(3), .. }));
        assert_eq!(of_events(&answer(200, r#"{"text":"Success","code":0,"ackId":7}"#), ""), Verdict::Taken(Some(7)));
    }

    #[test]
    fn a_remedy_says_what_to_change_and_where() {
        let closed = |status, code| match of_events(&answer(status, &format!("{{\"code\":{code}}}")), "webex") {
            Verdict::Not(error @ SendError::Closed { .. }) => error.to_string(),
            other => panic!("{other:?}"),
        };
        assert!(closed(400, 10).contains("ack = true"));
        assert!(closed(400, 14).contains("ack = false"));
        assert!(closed(400, 7).contains("webex"));
        assert!(closed(403, 4).contains("`token`"));
    }
}
