//! What an answer of Webex means: the one place where a status becomes a decision (`webex-api` 5).

use serde::Deserialize;

use crate::effect::{HttpError, Response};
use crate::failure::{Code, Failure, Retry};
use crate::stream::User;
use crate::time::{Span, Timestamp};

/// The wait where a 429 or 423 names none that can be read: what public clients use lies between 5 and 30 s.
pub const DEFAULT_WAIT: Span = Span::secs(15);
/// The shortest wait that is obeyed, so that `Retry-After: 0` is no tight loop.
pub const MIN_WAIT: Span = Span::secs(1);
/// The longest wait that is believed: a day. An hour has been seen.
pub const MAX_WAIT: Span = Span::days(1);
/// The wait before a fault of the server or the network is tried again in another call.
pub const FAULT_WAIT: Span = Span::secs(30);

/// Errors of one answer that are told; Webex names one or two, and each is compared with those before it.
const MOST_ERRORS: usize = 10;

/// An answer, sorted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// 2xx.
    Ok,
    /// 401: the token is not taken.
    Unauthorized(Problem),
    /// 429 or 423: wait this long.
    Wait(Span, Problem),
    /// 408, 425, 5xx, no connection, no answer in time: may work if tried again.
    Fault(Problem),
    /// 504 or an answer too large: may work if less is asked for.
    TooMuch(Problem),
    /// 403 and 451: role, scope, licence, organization or region.
    Refused(Problem),
    /// 3xx: redirects are not followed.
    Redirected(Problem),
    /// The host's own network policy.
    Denied(Problem),
    /// Any other 4xx: this request will not work.
    Rejected(Problem),
}

/// What Webex says about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The status; none: there was no answer.
    pub status: Option<u16>,
    /// One sentence: Webex's own message, or what happened.
    pub message: String,
    /// For Webex's support.
    pub tracking_id: Option<String>,
}

/// Sorts an answer. `now` is the time of the answer, for a `Retry-After` that is a date.
pub fn judge(answer: &Result<Response, HttpError>, now: Timestamp) -> Verdict {
    let response = match answer {
        Ok(response) => response,
        Err(error) => {
            let problem = Problem { status: None, message: error.to_string(), tracking_id: None };
            return match error {
                HttpError::Denied(_) => Verdict::Denied(problem),
                HttpError::TooLarge => Verdict::TooMuch(problem),
                HttpError::Timeout | HttpError::Broken(_) => Verdict::Fault(problem),
            };
        }
    };
    if (200..300).contains(&response.status) {
        return Verdict::Ok;
    }
    let problem = Problem::read(response);
    match response.status {
        300..=399 => Verdict::Redirected(problem),
        401 => Verdict::Unauthorized(problem),
        403 | 451 => Verdict::Refused(problem),
        423 | 429 => Verdict::Wait(retry_after(response.header("retry-after"), now), problem),
        504 => Verdict::TooMuch(problem),
        408 | 425 | 500.. => Verdict::Fault(problem),
        _ => Verdict::Rejected(problem),
    }
}

/// How long to wait: seconds, a date, or garbage (`webex-api` 5, all seen); bounded.
pub fn retry_after(header: Option<&str>, now: Timestamp) -> Span {
    let text = header.unwrap_or_default().trim();
    let seconds = || {
        let seconds = text.parse::<f64>().ok().filter(|s| s.is_finite() && *s >= 0.0)?;
        // Saturates at the largest integer; bounded below.
        #[allow(clippy::cast_possible_truncation, reason = "finite, not negative and clamped")]
        Some(Span::millis((seconds * 1_000.0).ceil() as i64))
    };
    let date = || Timestamp::parse_http_date(text).map(|time| time - now);
    seconds().or_else(date).unwrap_or(DEFAULT_WAIT).clamp(MIN_WAIT, MAX_WAIT)
}

impl Problem {
    /// Reads either of the two error bodies, or none (`webex-api` 4.5, 5).
    pub fn read(response: &Response) -> Self {
        let body: ErrorBody = serde_json::from_slice(&response.body).unwrap_or_default();
        let mut parts: Vec<String> = [body.message, body.error_description].into_iter().flatten().collect();
        let errors = body.errors.into_iter().flatten().take(MOST_ERRORS);
        for description in errors.filter_map(|error| error.description) {
            if !parts.contains(&description) {
                parts.push(description);
            }
        }
        if parts.is_empty() {
            parts.extend(body.error);
        }
        let message = if parts.is_empty() {
            format!("status {} without an error text", response.status)
        } else {
            format!("status {}: {}", response.status, parts.join("; "))
        };
        let tracking_id = body.tracking_id.or_else(|| response.header("trackingid").map(str::to_owned));
        let tracking_id = tracking_id.filter(|id| id.len() <= 200 && id.chars().all(|c| c.is_ascii_graphic()));
        Self { status: Some(response.status), message, tracking_id }
    }

    /// Whether Webex says that `/events` reaches back 90 days only (`webex-api` 0 row 5).
    pub fn is_ninety_days(&self) -> bool {
        self.message.contains("past 90 days")
    }

    /// As a failure that names `what` was asked for.
    pub fn failure(&self, code: Code, what: &str, remedy: &str) -> Failure {
        Failure::new(code, format_args!("{what}: {}", self.message), remedy).tracked(self.tracking_id.clone())
    }
}

impl Verdict {
    /// The failure that this answer to `what`, asked for by `user`, comes to where nothing more can be done about it now.
    /// None: there is none.
    pub fn failure(&self, what: &str, user: User, now: Timestamp) -> Option<Failure> {
        let failure = match self {
            Self::Ok => return None,
            Self::Unauthorized(problem) => {
                Failure::sign_in(user, format_args!("{what}: {}", problem.message)).tracked(problem.tracking_id.clone())
            }
            Self::Wait(span, problem) => problem.failure(Code::RateLimited, what, "").at(now + *span),
            Self::Fault(problem) | Self::TooMuch(problem) => {
                problem.failure(Code::Unavailable, what, "").at(now + FAULT_WAIT)
            }
            Self::Refused(problem) => problem.failure(Code::Refused, what, refusal_remedy(user)),
            Self::Denied(problem) => {
                problem.failure(Code::DeniedByHost, what, "allow the origin of `base_url` in the host's network policy")
            }
            Self::Redirected(problem) => problem.failure(
                Code::NotUnderstood,
                what,
                "redirects are not followed; set `base_url` to the address of the API itself",
            ),
            Self::Rejected(problem) => Failure {
                retry: Retry::At(now + FAULT_WAIT),
                ..problem.failure(
                    Code::NotUnderstood,
                    what,
                    "look at Webex's message; if it names a setting, correct it",
                )
            },
        };
        Some(failure.of_user(user))
    }
}

const fn refusal_remedy(user: User) -> &'static str {
    match user {
        User::Admin => {
            "the account must be a full administrator of the organization and its token must have the scope \
             audit:events_read; security audits need Pro Pack and the Control Hub setting `Allow user authentication data`"
        }
        User::ComplianceOfficer => {
            "the account must be a compliance officer and its token must have the scope spark-compliance:events_read"
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ErrorBody {
    #[serde(deserialize_with = "text_or_none")]
    message: Option<String>,
    #[serde(deserialize_with = "text_or_none")]
    error: Option<String>,
    #[serde(deserialize_with = "text_or_none")]
    error_description: Option<String>,
    #[serde(rename = "trackingId", deserialize_with = "text_or_none")]
    tracking_id: Option<String>,
    errors: Option<Vec<ErrorDetail>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ErrorDetail {
    #[serde(deserialize_with = "text_or_none")]
    description: Option<String>,
}

/// A text; of any other shape: none, so that an odd error body still says what it can.
fn text_or_none<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(match serde_json::Value::deserialize(deserializer)? {
        serde_json::Value::String(text) if !text.is_empty() => Some(text),
        _ => None,
    })
}

#[cfg(test)]
#[allow(clippy::panic, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn response(status: u16, body: &str) -> Result<Response, HttpError> {
        Ok(Response { status, headers: Vec::new(), body: body.as_bytes().to_vec() })
    }

    #[track_caller]
    fn check_wait(header: Option<&str>, want: Span) {
        assert_eq!(retry_after(header, NOW), want, "{header:?}");
    }

    #[test]
    fn a_wait_is_seconds_or_a_date_or_garbage_and_always_bounded() {
        check_wait(Some("30"), Span::secs(30));
        check_wait(Some(" 3600 "), Span::secs(3_600));
        check_wait(Some("1.5"), Span::millis(1_500));
        check_wait(Some("0"), MIN_WAIT);
        check_wait(Some("Tue, 14 Nov 2023 22:14:20 GMT"), Span::secs(60));
        check_wait(Some("Tue, 14 Nov 2000 22:14:20 GMT"), MIN_WAIT);
        check_wait(Some("999999999999"), MAX_WAIT);
        check_wait(Some("1e300"), MAX_WAIT);
        for garbage in [None, Some(""), Some("rand(30),add(30)"), Some("-1"), Some("inf"), Some("NaN")] {
            check_wait(garbage, DEFAULT_WAIT);
        }
    }

    #[track_caller]
    fn check_problem(body: &str, message: &str, tracking_id: Option<&str>) {
        let Verdict::Rejected(problem) = judge(&response(400, body), NOW) else { panic!("not rejected") };
        assert_eq!((problem.message.as_str(), problem.tracking_id.as_deref()), (message, tracking_id));
    }

    #[test]
    fn every_error_body_says_what_it_can() {
        check_problem(
            r#"{"message":"Bad","errors":[{"description":"Bad"},{"description":"Worse","errorCode":7}],"trackingId":"ROUTER_1"}"#,
            "status 400: Bad; Worse",
            Some("ROUTER_1"),
        );
        check_problem(r#"{"error":"invalid_grant","error_description":"expired"}"#, "status 400: expired", None);
        check_problem(r#"{"error":"invalid_grant"}"#, "status 400: invalid_grant", None);
        check_problem(r#"{"message":{"a":1},"errors":"odd"}"#, "status 400 without an error text", None);
        check_problem("<html>", "status 400 without an error text", None);
        check_problem("", "status 400 without an error text", None);
    }

    #[test]
    fn every_status_has_its_verdict() {
        let kind = |status| match judge(&response(status, ""), NOW) {
            Verdict::Ok => "ok",
            Verdict::Unauthorized(_) => "unauthorized",
            Verdict::Wait(..) => "wait",
            Verdict::Fault(_) => "fault",
            Verdict::TooMuch(_) => "too much",
            Verdict::Refused(_) => "refused",
            Verdict::Redirected(_) => "redirected",
            Verdict::Denied(_) => "denied",
            Verdict::Rejected(_) => "rejected",
        };
        for (status, want) in [
            (200, "ok"),
            (204, "ok"),
            (302, "redirected"),
            (400, "rejected"),
            (401, "unauthorized"),
            (403, "refused"),
            (404, "rejected"),
            (408, "fault"),
            (410, "rejected"),
            (423, "wait"),
            (429, "wait"),
            (451, "refused"),
            (500, "fault"),
            (503, "fault"),
            (504, "too much"),
            (599, "fault"),
        ] {
            assert_eq!(kind(status), want, "{status}");
        }
    }
}
