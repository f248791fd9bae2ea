//! What the n-th event of a stream looks like, whose it is, and which event a line is of.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use cisco_webex_plugin::stream::Stream;
use cisco_webex_plugin::time::Timestamp;
use memchr::memmem;

/// Characters of what stands for an item's number: base64 of a UUID.
const ID: usize = 48;
/// Characters of `created`.
const CREATED: usize = 24;
/// Characters that tell the streams apart, at the start of an id.
const WHOSE: usize = 4;
/// Bits of an event's number; those above it in an id say whose the event is.
const NUMBER_BITS: u32 = 32;
const DAY_MS: i64 = 86_400_000;

/// The items of a stream: one text of about a kilobyte with places for id and `created`. Members and their order are those of
/// the samples of Webex's documentation.
#[derive(Debug)]
pub struct Template {
    stream: Stream,
    parts: Vec<Part>,
    /// What an id begins with.
    begin: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
enum Part {
    Text(&'static str),
    Id,
    Created,
}

/// Which event a line is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// Whose it is: a tenant's number, from 0 on.
    pub tenant: u16,
    /// Place of its stream in [`Stream::ALL`].
    pub stream: usize,
    /// As its series counts: from the oldest on.
    pub number: u64,
}

impl Template {
    /// That of a stream.
    pub fn of(stream: Stream) -> Self {
        let text = match stream {
            Stream::AdminAudits => include_str!("items/admin_audits.json"),
            Stream::SecurityAudits => include_str!("items/security_audits.json"),
            Stream::Events => include_str!("items/events.json"),
        };
        let mut pieces = text.split("{{");
        let mut parts = vec![Part::Text(pieces.next().unwrap_or_default())];
        for piece in pieces {
            let (place, text) = match piece.strip_prefix("id}}") {
                Some(text) => (Part::Id, text),
                None => (Part::Created, piece.strip_prefix("created}}").unwrap_or(piece)),
            };
            parts.extend([place, Part::Text(text)]);
        }
        Self { stream, parts, begin: begin(stream).into_bytes() }
    }

    /// Writes an item of a tenant. Two tenants have no id in common; for the rest their items are the same.
    pub fn write(&self, tenant: u16, number: u64, created: &Stamp, out: &mut Vec<u8>) {
        let number = digits(u64::from(tenant) << NUMBER_BITS | number);
        for part in &self.parts {
            match part {
                Part::Text(text) => out.extend_from_slice(text.as_bytes()),
                Part::Id => {
                    out.extend_from_slice(&self.begin);
                    out.extend_from_slice(&number);
                }
                Part::Created => out.extend_from_slice(&created.text),
            }
        }
    }

    /// Bytes of an item; all of a stream have as many.
    pub fn len(&self) -> usize {
        let len = |part: &Part| match part {
            Part::Text(text) => text.len(),
            Part::Id => ID,
            Part::Created => CREATED,
        };
        self.parts.iter().map(len).sum()
    }

    /// Always false.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of an item as it is delivered, with the two fields and without the end of the line.
    pub fn delivered_len(&self) -> usize {
        self.len() + r#","_time":"","source_log_type":"""#.len() + CREATED + self.stream.source_log_type().len()
    }
}

/// The first characters of the ids of a stream.
fn begin(stream: Stream) -> String {
    let whose = match stream {
        Stream::AdminAudits => 'a',
        Stream::SecurityAudits => 'b',
        Stream::Events => 'c',
    };
    STANDARD_NO_PAD.encode(format!("{whose}0000000-0000-4000-8000-"))
}

/// The last 16 characters of an id: base64 of twelve hexadecimal digits.
fn digits(number: u64) -> [u8; 16] {
    let mut hex = [0; 12];
    for (place, digit) in hex.iter_mut().rev().enumerate() {
        let nibble = u8::try_from((number >> (4 * place)) & 0xf).unwrap_or(0);
        *digit = if nibble < 10 { b'0' + nibble } else { b'a' - 10 + nibble };
    }
    let mut text = [0; 16];
    // Sixteen bytes are what twelve become.
    let _ = STANDARD_NO_PAD.encode_slice(hex, &mut text);
    text
}

/// Finds the id in a line.
#[derive(Debug)]
pub struct Reader {
    /// What all ids have in the middle.
    middle: memmem::Finder<'static>,
    whose: [Vec<u8>; 3],
}

impl Default for Reader {
    fn default() -> Self {
        let begins = Stream::ALL.map(|stream| begin(stream).into_bytes());
        let middle = begins.first().and_then(|begin| begin.get(WHOSE..)).unwrap_or_default();
        Self {
            middle: memmem::Finder::new(middle).into_owned(),
            whose: begins.map(|begin| begin.get(..WHOSE).unwrap_or_default().to_vec()),
        }
    }
}

impl Reader {
    /// The event that a line is of; none: it is none of this tenant.
    pub fn read(&self, line: &[u8]) -> Option<Known> {
        let at = self.middle.find(line)?;
        let whose = line.get(at.checked_sub(WHOSE)?..at)?;
        let stream = self.whose.iter().position(|known| known == whose)?;
        let end = at + self.middle.needle().len();
        let hex = STANDARD_NO_PAD.decode(line.get(end..end + 16)?).ok()?;
        let number = u64::from_str_radix(std::str::from_utf8(&hex).ok()?, 16).ok()?;
        let tenant = u16::try_from(number >> NUMBER_BITS).ok()?;
        Some(Known { tenant, stream, number: number & u64::from(u32::MAX) })
    }
}

/// A time as Webex writes it. The date is made once a day.
#[derive(Clone, Copy, Debug)]
pub struct Stamp {
    day: i64,
    text: [u8; CREATED],
}

impl Default for Stamp {
    fn default() -> Self {
        Self { day: i64::MIN, text: *b"0000-00-00T00:00:00.000Z" }
    }
}

impl Stamp {
    /// Sets it, in milliseconds since the epoch; years of four digits.
    pub fn set(&mut self, time_ms: i64) {
        let (day, in_day) = (time_ms.div_euclid(DAY_MS), time_ms.rem_euclid(DAY_MS));
        if day != self.day {
            let text = Timestamp::from_millis(day * DAY_MS).to_string();
            for (to, from) in self.text.iter_mut().zip(text.bytes()).take(10) {
                *to = from;
            }
            self.day = day;
        }
        let digit = |number: i64| b'0' + u8::try_from(number % 10).unwrap_or(0);
        let (seconds, millis) = (in_day / 1_000, in_day % 1_000);
        let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
        if let [.., h1, h2, b':', m1, m2, b':', s1, s2, b'.', n1, n2, n3, b'Z'] = &mut self.text {
            (*h1, *h2) = (digit(hours / 10), digit(hours));
            (*m1, *m2) = (digit(minutes / 10), digit(minutes));
            (*s1, *s2) = (digit(seconds / 10), digit(seconds));
            (*n1, *n2, *n3) = (digit(millis / 100), digit(millis / 10), digit(millis));
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn an_item_is_json_of_about_a_kilobyte_that_says_which_it_is() {
        let reader = Reader::default();
        for (index, stream) in Stream::ALL.into_iter().enumerate() {
            let template = Template::of(stream);
            let mut stamp = Stamp::default();
            for (tenant, number) in
                [(0, 0), (0, 1), (1, 0), (7, 0xabc), (999, 9_999_999), (u16::MAX, u64::from(u32::MAX))]
            {
                let mut item = Vec::new();
                stamp.set(1_769_904_000_000);
                template.write(tenant, number, &stamp, &mut item);
                assert_eq!(item.len(), template.len());
                assert!((900..1_300).contains(&item.len()), "{stream}: {}", item.len());
                assert_eq!(reader.read(&item), Some(Known { tenant, stream: index, number }));
                let value: serde_json::Value = serde_json::from_slice(&item).unwrap();
                assert_eq!(value["created"], "2026-02-01T00:00:00.000Z");
                assert!(value["id"].as_str().unwrap().len() >= ID);
                assert!(!String::from_utf8(item).unwrap().contains("{{"));
            }
        }
        assert_eq!(reader.read(b"{}"), None);
    }

    #[test]
    fn a_stamp_is_what_the_library_writes() {
        let mut stamp = Stamp::default();
        for time in [0, 1, 999, 86_399_999, 86_400_000, 1_769_904_000_123, 1_769_990_399_999, 1_709_210_096_789] {
            stamp.set(time);
            assert_eq!(std::str::from_utf8(&stamp.text).unwrap(), Timestamp::from_millis(time).to_string());
        }
    }
}
