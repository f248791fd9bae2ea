//! The list endpoints: which events a request finds, in which order, and how a page leads to the next.
//!
//! Everything that Webex leaves unsaid about its lists is a field of [`StreamSettings`].

mod cursor;
mod filter;
mod link;
mod page;
mod window;

use http::StatusCode;

use super::answer::Refusal;
use super::clock::iso;
use super::event_store::EventStore;
use super::params::Params;
use super::stream::Stream;
use cursor::Cursor;
use filter::Filter;
use page::{List, Page, Position};
use window::Window;

pub(super) use link::IssuedLinks;
pub use link::{LinkLife, LinkStyle, LinkWindow};
pub use page::{LastPage, Order, Paging};
pub use window::Bound;

/// How one stream is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamSettings {
    /// Which end comes first.
    pub order: Order,
    /// Whether an event at exactly `from` is listed.
    pub from: Bound,
    /// Whether an event at exactly `to` is listed.
    pub to: Bound,
    /// What a next link holds to find its page.
    pub paging: Paging,
    /// When there is a next link.
    pub last_page: LastPage,
    /// What a next link says of the window.
    pub link_window: LinkWindow,
    /// How the `Link` header is written.
    pub link_style: LinkStyle,
    /// How long a next link works.
    pub link_life: LinkLife,
    /// Status of a request with a next link that works no more: 400, 404 or 410; with 200 it is an empty last page.
    pub expired_link_status: u16,
    /// How long after their `created` generated events are listed.
    pub listing_delay: ListingDelay,
    /// Events older than this are gone; none keeps all.
    pub retention_ms: Option<i64>,
    /// What a `max` above the cap does.
    pub over_cap: OverCap,
    /// Items on a page at most, whatever `max` says; none: as many as `max`.
    pub page_items: Option<usize>,
    /// A gateway answers 504 where `max` is more than this: the list is made too slowly.
    pub slow_above_max: Option<usize>,
    /// A gateway answers 504 where more events than this lie in the window.
    pub slow_above_listed: Option<usize>,
    /// How a page without items is written.
    pub empty_page: EmptyPage,
}

/// How a page without items is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmptyPage {
    /// `{"items":[]}`
    List,
    /// `{"items":null}`
    Null,
    /// `{}`
    Missing,
}

impl EmptyPage {
    pub(super) const fn body(self) -> &'static str {
        match self {
            Self::List => r#"{"items":[]}"#,
            Self::Null => r#"{"items":null}"#,
            Self::Missing => "{}",
        }
    }
}

impl StreamSettings {
    /// Newest first, `from` inclusive and `to` exclusive, pages by a stable cursor.
    #[must_use]
    pub fn newest_first() -> Self {
        Self {
            order: Order::NewestFirst,
            from: Bound::Inclusive,
            to: Bound::Exclusive,
            paging: Paging::AnchoredCursor,
            last_page: LastPage::LinkWhenMore,
            link_window: LinkWindow::Whole,
            link_style: LinkStyle::Spaced,
            link_life: LinkLife::Unlimited,
            expired_link_status: 400,
            listing_delay: ListingDelay::default(),
            retention_ms: None,
            over_cap: OverCap::Refuse,
            page_items: None,
            slow_above_max: None,
            slow_above_listed: None,
            empty_page: EmptyPage::List,
        }
    }

    /// The same, oldest first.
    #[must_use]
    pub fn oldest_first() -> Self {
        Self { order: Order::OldestFirst, ..Self::newest_first() }
    }
}

/// Time between `created` and the first listing, drawn between the two for each generated event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListingDelay {
    /// At least, in milliseconds.
    pub min_ms: i64,
    /// At most, in milliseconds.
    pub max_ms: i64,
}

/// What a `max` above the endpoint's cap does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OverCap {
    /// 400.
    Refuse,
    /// The cap is taken instead.
    Clamp,
}

/// A first request or a followed link, understood.
pub(super) struct Listing {
    stream: Stream,
    window: Window,
    filter: Filter,
    position: Position,
    horizon_ms: i64,
    max: usize,
}

/// Why a list request gets no page of its list.
pub(super) enum NoPage {
    Refused(Refusal),
    /// The gateway's 504.
    TooSlow,
    /// An empty page without a next link, in place of an expired one.
    EmptyLast,
}

impl From<Refusal> for NoPage {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// What the endpoints need to know beside the stream's own settings.
#[derive(Clone, Copy, Debug)]
pub(super) struct Circumstances<'a> {
    pub(super) settings: &'a StreamSettings,
    pub(super) now_ms: i64,
    pub(super) seed: u64,
    pub(super) pro_pack: bool,
    pub(super) recordings_need_filter: bool,
}

impl Listing {
    /// Reads a request; a next link that works no more is refused here.
    pub(super) fn parse(
        stream: Stream,
        params: &Params,
        about: Circumstances<'_>,
        issued: &mut IssuedLinks,
    ) -> Result<Self, NoPage> {
        let settings = about.settings;
        let max = window::max(params, stream, settings)?;
        if settings.slow_above_max.is_some_and(|most| max > most) {
            return Err(NoPage::TooSlow);
        }
        let max = settings.page_items.map_or(max, |most| max.min(most));
        let filter = Filter::parse(stream, params, about.recordings_need_filter)?;
        let window = || Window::parse(stream, params, about.now_ms, about.pro_pack);
        let expired = || match StatusCode::from_u16(settings.expired_link_status) {
            Ok(StatusCode::OK) => NoPage::EmptyLast,
            status => {
                let status = status.unwrap_or(StatusCode::BAD_REQUEST);
                NoPage::Refused(Refusal::new(status, "The link to this page has expired."))
            }
        };
        if let Some(text) = params.get(CURSOR) {
            let cursor = Cursor::decode(text, about.seed)
                .filter(|cursor| cursor.stream == stream)
                .ok_or_else(|| Refusal::bad_request("Invalid cursor."))?;
            if !issued.use_once(text, settings.link_life, about.now_ms) {
                return Err(expired());
            }
            let window = match settings.link_window {
                LinkWindow::Remembered => cursor.window,
                LinkWindow::Whole | LinkWindow::WithoutEnd => window()?,
            };
            let (position, horizon_ms) = (cursor.position, cursor.horizon_ms);
            return Ok(Self { stream, window, filter, position, horizon_ms, max });
        }
        let window = window()?;
        let offset = match params.get(OFFSET) {
            None => 0,
            Some(text) => text.parse().map_err(|_| Refusal::bad_request("Invalid value for 'offset'."))?,
        };
        if offset > 0 && !issued.use_once(&offset_place(stream, window, offset), settings.link_life, about.now_ms) {
            return Err(expired());
        }
        let horizon_ms = match settings.paging {
            Paging::SnapshotCursor => about.now_ms,
            Paging::Offset | Paging::ShiftingCursor | Paging::AnchoredCursor => i64::MAX,
        };
        Ok(Self { stream, window, filter, position: Position::Offset(offset), horizon_ms, max })
    }

    /// The events of this page.
    pub(super) fn page(&self, store: &EventStore, about: Circumstances<'_>) -> Result<Page, NoPage> {
        let list = List {
            events: store.stream(self.stream),
            settings: about.settings,
            window: self.window,
            filter: &self.filter,
            horizon_ms: self.horizon_ms.min(about.now_ms),
            now_ms: about.now_ms,
        };
        if about.settings.slow_above_listed.is_some_and(|most| list.count() > most) {
            return Err(NoPage::TooSlow);
        }
        Ok(list.page(self.position, self.max))
    }

    /// Query of a link to `position`. With `resume` it differs from every other link to the same place.
    pub(super) fn link_to(
        &self,
        position: Position,
        params: &Params,
        about: Circumstances<'_>,
        resume: Option<u64>,
        issued: &mut IssuedLinks,
    ) -> String {
        let (from_key, to_key) = self.stream.window_keys();
        let Window { from_ms, to_ms } = self.window;
        let (key, value, place) = match (about.settings.paging, position) {
            (Paging::Offset, Position::Offset(offset)) => {
                (OFFSET, offset.to_string(), offset_place(self.stream, self.window, offset))
            }
            _ => {
                let cursor = Cursor { stream: self.stream, window: self.window, position, horizon_ms: self.horizon_ms };
                let text = cursor.encode(about.seed);
                (CURSOR, text.clone(), text)
            }
        };
        issued.issue(place, about.now_ms);
        let mut window = Vec::new();
        if key == OFFSET || about.settings.link_window != LinkWindow::Remembered {
            window.push((from_key, iso(from_ms)));
        }
        if about.settings.link_window == LinkWindow::Whole
            || (key == OFFSET && about.settings.link_window == LinkWindow::Remembered)
        {
            window.push((to_key, iso(to_ms)));
        }
        let replaced = [from_key, to_key, CURSOR, OFFSET, link::RESUME];
        link::query(params.pairs(), &replaced, &window, (key, &value), resume)
    }

    /// Where this page starts.
    pub(super) fn position(&self) -> Position {
        self.position
    }
}

const CURSOR: &str = "cursor";
const OFFSET: &str = "offset";

/// The name of a link by offset: its window's start and the offset, since the end may be left out.
fn offset_place(stream: Stream, window: Window, offset: usize) -> String {
    format!("{stream}|{}|{offset}", window.from_ms)
}
