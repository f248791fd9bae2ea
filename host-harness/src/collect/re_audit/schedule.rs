//! How much of the past is read again, and how often: `24h every 6h`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// The least span and the least pause: below it a quiet tenant would only spend its request budget, as with the interval of
/// rounds.
const LEAST: Duration = Duration::from_secs(1);
/// The longest: ten years, more than any product serves. Times stay within the calendar.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 3_600);
/// The word between the two lengths of time.
const EVERY: &str = " every ";

/// How far a re-audit reaches back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach(Duration);

/// A re-audit of the past `reach` every `every`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// How far one reaches back.
    pub reach: Reach,
    /// From the beginning of one to the beginning of the next.
    pub every: Duration,
}

/// Why a text is no schedule or no reach.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// One of the two lengths is missing.
    #[error("it must say how far back and how often, as \"24h every 6h\"")]
    Form,
    /// A length of time that is none.
    #[error("`{0}` is not a length of time from 1 s to 10 years such as \"24h\"")]
    Length(String),
}

impl Reach {
    /// In milliseconds.
    pub fn millis(self) -> i64 {
        i64::try_from(self.0.as_millis()).unwrap_or(i64::MAX)
    }
}

impl FromStr for Reach {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Self, ScheduleError> {
        length(text).map(Self)
    }
}

impl FromStr for Schedule {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Self, ScheduleError> {
        let (reach, every) = text.split_once(EVERY).ok_or(ScheduleError::Form)?;
        Ok(Self { reach: reach.parse()?, every: length(every)? })
    }
}

fn length(text: &str) -> Result<Duration, ScheduleError> {
    let length = humantime::parse_duration(text.trim()).ok().filter(|length| (LEAST..=LONGEST).contains(length));
    length.ok_or_else(|| ScheduleError::Length(text.trim().to_owned()))
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Reach(reach) = self.reach;
        write!(f, "{}{EVERY}{}", humantime::format_duration(reach), humantime::format_duration(self.every))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_is_read_as_people_write_it() {
        let schedule: Schedule = "24h every 6h".parse().unwrap();
        assert_eq!(schedule.reach.millis(), 86_400_000);
        assert_eq!(schedule.every, Duration::from_secs(6 * 3_600));
        for same in ["1 day every 6 hours", " 24h  every  6h ", "1day every 360m"] {
            assert_eq!(same.parse::<Schedule>().unwrap(), schedule, "{same}");
        }
        assert_eq!(schedule.to_string(), "1day every 6h");
        assert_eq!(schedule.to_string().parse::<Schedule>().unwrap(), schedule);
    }

    #[test]
    fn what_is_none_is_told_with_the_part_that_is_wrong() {
        for text in ["", "24h", "24h every", "every 6h", "24h, 6h"] {
            assert_eq!(text.parse::<Schedule>().unwrap_err(), ScheduleError::Form, "{text}");
        }
        for (text, part) in [
            ("yesterday every 6h", "yesterday"),
            ("24h every day", "day"),
            ("24h every 10ms", "10ms"),
            ("90 years every 1s", "90 years"),
        ] {
            assert_eq!(text.parse::<Schedule>().unwrap_err(), ScheduleError::Length(part.to_owned()), "{text}");
        }
        assert!("0s".parse::<Reach>().is_err());
        assert_eq!("2h".parse::<Reach>().unwrap().millis(), 7_200_000);
    }
}
