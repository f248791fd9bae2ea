//! How the pages of a slice are asked for: each one by the link of the one before, and, where both fit the batch, before that one
//! is looked through.

use std::cell::RefCell;

use futures_util::future::join;
use url::Url;

use super::Call;
use super::reading::Ledger;
use super::slice::{Drain, MOST_PAGES, Step};
use crate::client::Trouble;
use crate::effect::Response;
use crate::link::{LinkError, complete, next, resolve};
use crate::query::Query;
use crate::time::{Span, Timestamp};
use crate::window::{Cursor, Interval, Window};

/// Items asked for at least where an interval could not be read: ten of the largest seen fit an answer.
const LEAST_PAGE_AGAIN: u32 = 10;

/// What is known of the page that is next.
#[derive(Default)]
pub(super) struct Next<'a> {
    /// When the link to it came, by [`Io::elapsed`](crate::effect::Io::elapsed); none: in an earlier call, or it was used before,
    /// or what it came with may be over.
    linked: Option<Span>,
    /// The answer, where it was asked for while the page before was looked through.
    answer: Option<Box<(Url, Answer<'a>)>>,
}

impl Next<'_> {
    /// Nothing but when the link came.
    pub(super) fn by(linked: Option<Span>) -> Self {
        Self { linked, answer: None }
    }

    /// Whether it was asked for already.
    pub(super) fn is_here(&self) -> bool {
        self.answer.is_some()
    }
}

/// What came of a request for a page.
struct Answer<'a> {
    result: Result<Response, Trouble>,
    /// It was sent again.
    is_repeated: bool,
    /// What time it was at the origin when it answered; none: it did not say.
    heard: Option<Timestamp>,
    /// Until it is looked through.
    coming: Coming<'a>,
}

/// A page that has come.
pub(super) struct Came {
    pub(super) response: Response,
    /// Where it leads.
    pub(super) link: Result<Option<Url>, LinkError>,
    /// As of its [`Answer`].
    pub(super) heard: Option<Timestamp>,
    /// As of what was known before: [`Next`].
    pub(super) linked: Option<Span>,
}

/// A page that is asked for, or has come and is not looked through: it may fill the batch.
struct Coming<'a>(&'a RefCell<Ledger>);

impl<'a> Coming<'a> {
    fn new(ledger: &'a RefCell<Ledger>) -> Self {
        ledger.borrow_mut().coming += 1;
        Self(ledger)
    }
}

impl Drop for Coming<'_> {
    fn drop(&mut self) {
        self.0.borrow_mut().coming -= 1;
    }
}

/// A page to ask for.
pub(super) struct Ask {
    pub(super) url: Url,
    /// The bounds of the drain's first request.
    pub(super) asked: (Timestamp, Timestamp),
    /// Hashes of its pages so far, this one included.
    pub(super) visited: Vec<u64>,
    pub(super) empty: u32,
}

impl<'a> Drain<'a> {
    /// Reads one page of the interval, and asks meanwhile for the one behind it.
    pub(super) async fn step(&self, interval: &Interval, known: Next<'a>) -> Step<'a> {
        let ask = match self.ask(interval) {
            Ok(ask) => ask,
            Err(error) => return Step::Unreadable(error.into()),
        };
        let answer = match known.answer.map(|known| *known) {
            Some((url, answer)) if url == ask.url => answer,
            _ => self.get(ask.url.clone()).await,
        };
        let Answer { result, is_repeated, heard, coming } = answer;
        let response = match result {
            Ok(response) => response,
            Err(trouble) => return self.trouble(interval, &trouble, heard),
        };
        let link = next(response.headers_named("link"), &ask.url, &self.call.settings.api);
        let behind = link.as_ref().ok().and_then(Option::as_ref).and_then(|link| self.ahead(&ask, link));
        let came = Came { response, link, heard, linked: known.linked.filter(|_| !is_repeated) };
        let page = async {
            if behind.is_some() {
                // The request is on its way before the page is looked through.
                self.call.io.sleep(Span::ZERO).await;
            }
            let step = self.page(interval, came, ask).await;
            drop(coming);
            step
        };
        let answer = async {
            let url = behind.clone()?;
            let answer = self.get(url.clone()).await;
            Some(Box::new((url, answer)))
        };
        let (answer, mut step) = join(answer, page).await;
        if let Step::Next(_, next) = &mut step {
            next.answer = answer;
        }
        step
    }

    /// Asks for a page.
    async fn get(&self, url: Url) -> Answer<'a> {
        let coming = Coming::new(self.ledger);
        let client = &self.call.client;
        let retries = client.retries();
        let result = client.get(url).await;
        let heard = client.origin().at_last_request();
        Answer { result, is_repeated: client.retries() != retries, heard, coming }
    }

    /// The address of the page that `link` leads to, if it is likely to be read in this call.
    fn ahead(&self, ask: &Ask, link: &Url) -> Option<Url> {
        let Call { io, last_run, .. } = self.call;
        let ledger = self.ledger.borrow();
        let is_over = io.elapsed() >= self.limits.deadline || io.stopping() || ledger.is_halted;
        let is_known = ask.visited.contains(&last_run.key.link(link.as_str())) || ask.visited.len() >= MOST_PAGES;
        if is_over || is_known || ask.empty > 0 || self.is_crowded(&ledger) {
            return None;
        }
        self.behind(link.as_str(), ask.asked).ok()
    }

    /// The page in hand, or the first one.
    fn ask(&self, interval: &Interval) -> Result<Ask, LinkError> {
        if let Some(cursor) = &interval.cursor {
            let Cursor { ref link, asked, ref visited, empty, .. } = *cursor;
            return Ok(Ask { url: self.behind(link, asked)?, asked, visited: visited.clone(), empty });
        }
        let asked = interval.bounds(self.call.latest());
        let halvings = self.ledger.borrow_mut().window(self.place).map_or(0, |window| window.halvings(interval));
        let most = self.call.page_size() >> halvings.min(31);
        let url = self.query(asked).first_page(most.max(LEAST_PAGE_AGAIN));
        let visited = vec![self.call.last_run.key.link(url.as_str())];
        Ok(Ask { url, asked, visited, empty: 0 })
    }

    /// The address behind a link. It is checked again: the last-run came back from outside.
    fn behind(&self, link: &str, asked: (Timestamp, Timestamp)) -> Result<Url, LinkError> {
        let Call { settings, stream, .. } = self.call;
        let url = resolve(link, &settings.api.endpoint(stream.path()), &settings.api)?;
        Ok(complete(url, &self.query(asked).required()))
    }

    fn query(&self, (from, to): (Timestamp, Timestamp)) -> Query<'_> {
        let Call { settings, stream, last_run, .. } = self.call;
        Query { settings, org: last_run.org_of(self.lane, settings), stream: *stream, lane: self.lane, from, to }
    }

    /// Whether pages that are coming leave no room for one more: they may be full, and what does not fit would be asked for again.
    pub(super) fn is_crowded(&self, ledger: &Ledger) -> bool {
        let coming = (ledger.coming + 1).saturating_mul(self.page_size(ledger));
        ledger.tally.events.len() + coming > self.limits.events
    }

    /// Items of a full page: what the server gives at once, as far as that is known.
    pub(super) fn page_size(&self, ledger: &Ledger) -> usize {
        let most = self.call.page_size() as usize;
        match ledger.peek(self.place).map_or(0, Window::full_page) {
            0 => most,
            page => page.min(most),
        }
    }
}
