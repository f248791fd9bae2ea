//! What is listed: ordinary items, and those that break collectors.

use cisco_webex_plugin::stream::Stream;
use host_harness::simulator::iso;

/// One item of a list.
#[derive(Clone, Debug)]
pub struct Item {
    /// Different for each.
    pub number: u32,
    /// Where it is listed.
    pub stream: Stream,
    /// By which it is found and ordered, ms since the epoch.
    pub created: i64,
    /// How long after that it is listed, in ms.
    pub delay: i64,
    /// What it looks like.
    pub kind: Kind,
    /// Of events.
    pub resource: &'static str,
    /// Of events.
    pub of_type: &'static str,
}

/// What an item looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// As documented.
    Plain,
    /// `created` without milliseconds and with an offset; the list orders it by its whole second.
    OffsetTime,
    /// No `id`.
    WithoutId,
    /// An `id` that is a number.
    NumberId,
    /// No `created`.
    WithoutTime,
    /// A `created` that is no time.
    WrongTime,
    /// A `created` an hour ahead of its place in the list.
    FutureTime,
    /// A `created` that is a number.
    NumberTime,
    /// Not an object.
    Number,
    /// Not an object.
    Text,
    /// Not an object.
    Array,
    /// `null`; one a stream at most, since they cannot be told apart.
    Null,
    /// Keys that stand twice, half a surrogate pair, large numbers, white space and line breaks.
    Strange,
    /// Holds the two fields that the plugin adds.
    Taken,
    /// A hundred kilobytes.
    Big,
    /// Webex could not decrypt it; by its id it is whole.
    Kms,
}

impl Kind {
    /// All that break collectors, `Null` and `Big` aside.
    pub const ODD: [Self; 13] = [
        Self::OffsetTime,
        Self::WithoutId,
        Self::NumberId,
        Self::WithoutTime,
        Self::WrongTime,
        Self::FutureTime,
        Self::NumberTime,
        Self::Number,
        Self::Text,
        Self::Array,
        Self::Strange,
        Self::Taken,
        Self::Kms,
    ];
}

impl Item {
    /// Whether a filter by resource or type can find it.
    pub const fn has_facets(&self) -> bool {
        !matches!(self.kind, Kind::Number | Kind::Text | Kind::Array | Kind::Null)
    }

    /// Its `id`, if that is a text.
    pub fn id(&self) -> String {
        format!("Y2lz{:06}", self.number)
    }

    /// What `/v1/events/{id}` answers, where that differs.
    pub fn mended(&self) -> Option<String> {
        (self.kind == Kind::Kms && self.stream == Stream::Events).then(|| self.object("", r#""text":"readable now""#))
    }

    /// Its text in a list.
    pub fn raw(&self) -> String {
        let number = self.number;
        match self.kind {
            Kind::Plain | Kind::OffsetTime | Kind::FutureTime | Kind::NumberTime | Kind::WrongTime => {
                self.object("", r#""text":"a b""#)
            }
            Kind::WithoutId | Kind::NumberId | Kind::WithoutTime => self.object("", r#""n":1.0e+2"#),
            Kind::Number => format!("9{number}.50"),
            Kind::Text => format!(r#""just text \" {number} {{""#),
            Kind::Array => format!("[{number}, [], {{}}]"),
            Kind::Null => "null".to_owned(),
            Kind::Strange => self.object(
                " \n ",
                "\"a\":1,\"a\":2,\"half\":\"\\ud800\",\"e\u{301}\":\"\\\\\\\"}\",\"big\":123456789012345678901234567890, \
                 \"nested\" : [ {\"x\": {}} ,\r\n [] ]",
            ),
            Kind::Taken => self.object("", r#""_time":"1999-01-01T00:00:00Z","source_log_type":{"x":1},"text":"t""#),
            Kind::Big => self.object("", &format!(r#""text":"{}""#, "0123456789".repeat(10_000))),
            Kind::Kms => self.object("", r#""text":"?","errors":{"text":{"code":"kms_failure"}}"#),
        }
    }

    fn object(&self, space: &str, data: &str) -> String {
        let mut members = Vec::new();
        match self.kind {
            Kind::WithoutId => members.push(format!(r#""number":{}"#, self.number)),
            Kind::NumberId => members.push(format!(r#""id":{}"#, self.number)),
            _ => members.push(format!(r#""id":"{}""#, self.id())),
        }
        if let Some(time) = self.time() {
            members.push(format!(r#""created":{space}{time}"#));
        }
        if self.stream == Stream::Events {
            members.push(format!(r#""resource":"{}","type":"{}""#, self.resource, self.of_type));
        }
        members.push(format!(r#""data":{{{data}}}"#));
        if matches!(self.kind, Kind::Strange | Kind::Taken) {
            members.push(data.to_owned());
        }
        format!("{{{space}{}{space}}}", members.join(&format!(",{space}")))
    }

    /// The JSON of its `created`.
    fn time(&self) -> Option<String> {
        let text = match self.kind {
            Kind::WithoutTime => return None,
            Kind::NumberTime => return Some(self.created.to_string()),
            Kind::WrongTime => "yesterday".to_owned(),
            Kind::FutureTime => iso(self.created + super::HOUR),
            Kind::OffsetTime => iso(self.created).replace(".000Z", "+00:00"),
            _ => iso(self.created),
        };
        Some(format!("\"{text}\""))
    }
}
