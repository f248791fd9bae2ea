//! Bodies of list answers, and the events that are made of them.

use cisco_webex_plugin::effect::Response;
use cisco_webex_plugin::event::{Event, Maker};
use cisco_webex_plugin::page::Page;
use cisco_webex_plugin::settings::MessageText;
use cisco_webex_plugin::stream::Stream;
use serde_json::Value;
use serde_json::value::RawValue;

/// Items of a page that are looked at in every way.
const MOST_LOOKED_AT: usize = 1_000;
const WAYS: [(Stream, MessageText); 4] = [
    (Stream::Events, MessageText::Keep),
    (Stream::Events, MessageText::Drop),
    (Stream::Events, MessageText::Hash),
    (Stream::AdminAudits, MessageText::Keep),
];

#[derive(serde::Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default)]
    items: Option<Vec<&'a RawValue>>,
    #[serde(borrow, default)]
    errors: Option<&'a RawValue>,
    #[serde(borrow, default)]
    message: Option<&'a RawValue>,
}

/// The items of an answer as `serde_json` finds them; none: it is no page. An array would do for a struct, too.
fn items_by_the_library(bytes: &[u8]) -> Option<Vec<&str>> {
    let text = std::str::from_utf8(bytes).ok().filter(|text| text.trim_ascii_start().starts_with('{'))?;
    let Envelope { items, errors, message } = serde_json::from_str(text).ok()?;
    if items.is_none() && (errors.is_some() || message.is_some()) {
        return None;
    }
    Some(items.unwrap_or_default().into_iter().map(RawValue::get).collect())
}

/// What becomes of a page's items is one object in one line, under an id that can be printed, with what the item said.
pub(crate) fn page(bytes: &[u8]) {
    let response = Response { status: 200, headers: Vec::new(), body: bytes.to_vec() };
    let page = Page::read(&response);
    let items = page.as_ref().ok().map(|page| page.items.iter().map(|item| item.text()).collect::<Vec<_>>());
    assert_eq!(items, items_by_the_library(bytes), "the library takes the same answers, and cuts them so");
    let Ok(page) = page else { return };
    for (count, item) in page.items.into_iter().enumerate() {
        // Of a page of millions, most are made into events once only.
        let ways = if count < MOST_LOOKED_AT { &WAYS[..] } else { &WAYS[..1] };
        for (stream, message_text) in ways.iter().copied() {
            let maker = Maker::new(stream, Some("b3JnLTE"), message_text);
            let made = maker.of_item(item);
            let Event { id, body, .. } = &made.event;
            assert!(!id.is_empty() && id.len() <= 400 && id.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{id:?}");
            assert!(body.starts_with('{') && body.ends_with('}') && !body.contains(['\n', '\r']), "{body:?}");
            assert_eq!(maker.of_item(item).event, made.event, "the same whenever it is read");
            // A number or a nesting that the library does not take is passed on as it came.
            let parsed = serde_json::from_str::<Value>(body);
            if let (Ok(Value::Object(said)), Ok(Value::Object(delivered))) =
                (serde_json::from_str(item.text()), &parsed)
                && message_text == MessageText::Keep
                && made.replaced == 0
            {
                for (name, value) in &said {
                    assert_eq!(delivered.get(name), Some(value), "{name} of {body}");
                }
            }
            if serde_json::from_str::<Value>(item.text()).is_ok() {
                assert!(parsed.is_ok(), "{body}");
            }
        }
    }
}
