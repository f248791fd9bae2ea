//! Forms of times besides RFC 3339, as lists of what stands in them: a form in letters, as `%H:%M`, has to be read itself, which
//! is 10 KB of the component.

use chrono::format::{Fixed, Item, Numeric, Pad, Parsed, parse};
use chrono::{NaiveDateTime, NaiveTime};

const fn number(what: Numeric) -> Item<'static> {
    Item::Numeric(what, Pad::Zero)
}

const YEAR: Item<'_> = number(Numeric::Year);
const MONTH: Item<'_> = number(Numeric::Month);
const DAY: Item<'_> = number(Numeric::Day);
const HOUR: Item<'_> = number(Numeric::Hour);
const MINUTE: Item<'_> = number(Numeric::Minute);
const SECOND: Item<'_> = number(Numeric::Second);
const FRACTION: Item<'_> = Item::Fixed(Fixed::Nanosecond);
const DASH: Item<'_> = Item::Literal("-");
const COLON: Item<'_> = Item::Literal(":");
const COMMA: Item<'_> = Item::Literal(",");
const T: Item<'_> = Item::Literal("T");
const GMT: Item<'_> = Item::Literal("GMT");
const SPACE: Item<'_> = Item::Space(" ");
const WEEKDAY: Item<'_> = Item::Fixed(Fixed::ShortWeekdayName);
const MONTH_NAME: Item<'_> = Item::Fixed(Fixed::ShortMonthName);

/// What a person types: `2026-01-31T10:00:00.000`, of which the seconds or their fraction may be absent.
const TYPED: [&[Item<'_>]; 4] = [
    &[YEAR, DASH, MONTH, DASH, DAY, T, HOUR, COLON, MINUTE, COLON, SECOND, FRACTION],
    &[YEAR, DASH, MONTH, DASH, DAY, SPACE, HOUR, COLON, MINUTE, COLON, SECOND, FRACTION],
    &[YEAR, DASH, MONTH, DASH, DAY, T, HOUR, COLON, MINUTE],
    &[YEAR, DASH, MONTH, DASH, DAY, SPACE, HOUR, COLON, MINUTE],
];

/// `2026-01-31`
const DATE: &[Item<'_>] = &[YEAR, DASH, MONTH, DASH, DAY];

/// `Sun, 06 Nov 1994 08:49:37 GMT`
const HTTP_DATE: &[Item<'_>] = &[
    WEEKDAY, COMMA, SPACE, DAY, SPACE, MONTH_NAME, SPACE, YEAR, SPACE, HOUR, COLON, MINUTE, COLON, SECOND, SPACE, GMT,
];

fn read(text: &str, form: &[Item<'_>]) -> Option<Parsed> {
    let mut parsed = Parsed::new();
    parse(&mut parsed, text, form.iter()).ok()?;
    Some(parsed)
}

/// Date and time with `T` or a space between them, or a date alone, which is its midnight.
pub(super) fn typed(text: &str) -> Option<NaiveDateTime> {
    let time = |form: &&[Item<'_>]| read(text, form)?.to_naive_datetime_with_offset(0).ok();
    let date = || Some(read(text, DATE)?.to_naive_date().ok()?.and_time(NaiveTime::MIN));
    TYPED.iter().find_map(time).or_else(date)
}

/// RFC 9110 section 5.6.7, the preferred form.
pub(super) fn http_date(text: &str) -> Option<NaiveDateTime> {
    read(text, HTTP_DATE)?.to_naive_datetime_with_offset(0).ok()
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;
    use proptest::prelude::*;

    use super::*;

    /// By forms in letters.
    fn by_letters(text: &str) -> [Option<NaiveDateTime>; 2] {
        let typed = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"]
            .iter()
            .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())
            .or_else(|| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0));
        [typed, NaiveDateTime::parse_from_str(text, "%a, %d %b %Y %H:%M:%S GMT").ok()]
    }

    const NEARLY: [&str; 3] = [
        "[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([T ]{1,2}[0-9]{1,2}:[0-9]{2}(:[0-9]{1,2}([.][0-9]{0,9})?)?)?",
        "(Mon|Tue|Sun|Sunday),? {0,2}[0-9]{1,2} (Jan|Feb|Dec|Foo) [0-9]{2,4} [0-9]{2}:[0-9]{2}:[0-9]{2} (GMT|UTC)",
        "[ -~]{0,30}",
    ];

    proptest! {
        #[test]
        fn they_take_what_the_library_takes_by_its_letters(
            text in prop_oneof![NEARLY[0], NEARLY[1], NEARLY[2]],
        ) {
            prop_assert_eq!([typed(&text), http_date(&text)], by_letters(&text));
        }

        #[test]
        fn they_take_real_times(seconds in 0..4_000_000_000_i64) {
            let time = chrono::DateTime::from_timestamp(seconds, 0).unwrap_or_default();
            for form in ["%Y-%m-%dT%H:%M:%S", "%Y-%m-%d", "%Y-%m-%d %H:%M", "%a, %d %b %Y %H:%M:%S GMT"] {
                let text = time.format(form).to_string();
                let found = [typed(&text), http_date(&text)];
                prop_assert!(found.iter().any(Option::is_some), "{}", text);
                prop_assert_eq!(found, by_letters(&text));
            }
        }
    }
}
