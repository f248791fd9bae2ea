//! One item on its way: what is drawn, and what is odd about it.

use rand::Rng;
use rand::rngs::SmallRng;

use super::super::clock::iso;
use super::super::event_store::Facets;
use super::{Organization, hydra_id};

/// What differs from an ordinary item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Oddity {
    /// `created` ends in `.5Z`.
    Tenth,
    /// `created` has no fraction.
    WholeSecond,
    /// `created` ends in `+00:00`.
    OffsetForm,
    /// The actor is `null`.
    NullActor,
    /// The actor is missing, and most of the data with it.
    Bare,
    /// JSON inside a string, and the text `Null` for null.
    JsonInText,
    /// Arrays in arrays, cards, empty objects.
    Nested,
    /// 40,000 bytes of text.
    LongText,
    /// Non-Latin scripts, emoji, bidirectional and zero-width marks, control characters.
    Scripts,
    /// The other spelling of names: `EventCategory.LOGINS`, `"appId":"null"`.
    Spelling,
    /// A text that could not be decrypted.
    KmsFailure,
    /// A deleted message: no text, no `created` inside.
    Deleted,
}

/// What an item is made from.
pub(super) struct Draft<'a> {
    pub(super) dice: &'a mut SmallRng,
    pub(super) organization: &'a Organization,
    pub(super) created: String,
    pub(super) oddity: Option<Oddity>,
    pub(super) body_bytes: usize,
}

/// An item as its stream writes it.
pub(super) struct Written {
    pub(super) raw: String,
    pub(super) facets: Facets,
    pub(super) mended: Option<String>,
}

/// People of the tenant who appear in events.
const PEOPLE: u32 = 50;
const LONG_TEXT_BYTES: usize = 40_000;
const SCRIPTS: &str = "Ж\u{301}анна 田中 愛子 عمر بن سالم Łódź \u{1F469}\u{1F3FD}\u{200D}\u{1F680} \u{202E}reversed\u{202C} zero\u{200B}width\u{FEFF} “quotes” <b>&amp;</b> back\\slash \u{7}\r\n\ttab \u{2028}";

/// The moment and its text, in the form of the oddity where the moment allows it.
pub(super) fn dated(created_ms: i64, earliest_ms: i64, oddity: Option<Oddity>) -> (i64, String) {
    let second = created_ms - created_ms.rem_euclid(1_000);
    let (moment, end) = match oddity {
        Some(Oddity::Tenth) if created_ms - second >= 500 => (second + 500, ".5Z"),
        Some(Oddity::Tenth) => (second - 500, ".5Z"),
        Some(Oddity::WholeSecond) => (second, "Z"),
        Some(Oddity::OffsetForm) => (second, "+00:00"),
        _ => return (created_ms, iso(created_ms)),
    };
    if moment < earliest_ms {
        return (created_ms, iso(created_ms));
    }
    let text = iso(moment);
    let without_fraction = text.split('.').next().unwrap_or(&text);
    (moment, format!("{without_fraction}{end}"))
}

impl Draft<'_> {
    pub(super) fn is(&self, oddity: Oddity) -> bool {
        self.oddity == Some(oddity)
    }

    pub(super) fn uuid(&mut self) -> String {
        let (high, low) = (self.dice.random::<u64>(), self.dice.random::<u64>());
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xfff,
            0x8000 | ((low >> 48) & 0x3fff),
            low & 0xffff_ffff_ffff
        )
    }

    pub(super) fn id(&mut self, kind: &str) -> String {
        let uuid = self.uuid();
        hydra_id(kind, &uuid)
    }

    /// Someone: public id, display name and address.
    pub(super) fn person(&mut self) -> (String, String, String) {
        let number = self.dice.random_range(0..PEOPLE);
        let id = hydra_id("PEOPLE", &format!("00000000-0000-4000-8000-{number:012x}"));
        let name = if self.is(Oddity::Scripts) { SCRIPTS.to_owned() } else { format!("Person {number}") };
        (id, name, format!("person-{number}@tenant.example"))
    }

    /// An address of the documentation ranges.
    pub(super) fn address(&mut self) -> String {
        let host = self.dice.random_range(1..255);
        if self.dice.random_ratio(1, 5) { format!("2001:db8:0:1::{host:x}") } else { format!("203.0.113.{host}") }
    }

    /// One of the choices; the choices are never empty.
    pub(super) fn pick<T: Copy + Default>(&mut self, choices: &[T]) -> T {
        choices.get(self.dice.random_range(0..choices.len().max(1))).copied().unwrap_or_default()
    }

    /// Text that brings an item of `written` bytes to the size that is asked for, or as long and strange as the oddity wants.
    pub(super) fn prose(&mut self, start: &str, written: usize) -> String {
        let bytes = if self.is(Oddity::LongText) { LONG_TEXT_BYTES } else { self.body_bytes.saturating_sub(written) };
        let mut text = start.to_owned();
        if self.is(Oddity::Scripts) {
            text.push_str(SCRIPTS);
        }
        while text.len() < bytes {
            text.push(' ');
            text.push_str(self.pick(&WORDS));
        }
        text
    }
}

const WORDS: [&str; 12] = [
    "policy",
    "device",
    "meeting",
    "licence",
    "location",
    "report",
    "Änderung",
    "größer",
    "übernommen",
    "añadido",
    "numéro",
    "設定",
];
