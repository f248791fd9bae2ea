//! How long a stream may list nothing before a person should look: `collect.quiet_after`.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

/// What holds where nothing is said: a long weekend passes.
const DEFAULT: Duration = Duration::from_secs(4 * 24 * 60 * 60);
/// Less would wake somebody every night.
const LEAST: Duration = Duration::from_secs(24 * 60 * 60);

/// A time for all streams, and others for some.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuietAfter {
    all: Duration,
    streams: BTreeMap<String, Duration>,
}

/// What is wrong with the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuietError {
    /// No length of time.
    #[error("`{0}` is no length of time such as \"3 days\", nor `STREAM=TIME`")]
    NoTime(String),
    /// Too short.
    #[error("`{0}` is shorter than 24h: a quiet night would be told as a fault")]
    TooShort(String),
}

impl Default for QuietAfter {
    fn default() -> Self {
        Self { all: DEFAULT, streams: BTreeMap::new() }
    }
}

impl QuietAfter {
    /// Of one stream.
    pub fn of(&self, stream: &str) -> Duration {
        self.streams.get(stream).copied().unwrap_or(self.all)
    }
}

impl FromStr for QuietAfter {
    type Err = QuietError;

    /// `3 days`, or `3 days,security_audits=14 days`.
    fn from_str(text: &str) -> Result<Self, QuietError> {
        let mut quiet = Self::default();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (stream, time) =
                part.split_once('=').map_or((None, part), |(stream, time)| (Some(stream.trim()), time));
            let time = humantime::parse_duration(time.trim()).map_err(|_| QuietError::NoTime(part.to_owned()))?;
            if time < LEAST {
                return Err(QuietError::TooShort(part.to_owned()));
            }
            match stream {
                Some(stream) => drop(quiet.streams.insert(stream.to_owned(), time)),
                None => quiet.all = time,
            }
        }
        Ok(quiet)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_may_have_a_time_of_its_own_and_none_is_under_a_day() {
        let day = |days: u64| Duration::from_secs(days * 86_400);
        let quiet: Result<QuietAfter, _> = "3 days, security_audits=14 days".parse();
        let times = quiet.map(|quiet| (quiet.of("events"), quiet.of("security_audits")));
        assert_eq!(times, Ok((day(3), day(14))));
        assert_eq!(QuietAfter::default().of("events"), day(4));
        for (text, error) in [
            ("23h", QuietError::TooShort("23h".to_owned())),
            ("events=1h", QuietError::TooShort("events=1h".to_owned())),
            ("soon", QuietError::NoTime("soon".to_owned())),
        ] {
            assert_eq!(text.parse::<QuietAfter>(), Err(error));
        }
    }
}
