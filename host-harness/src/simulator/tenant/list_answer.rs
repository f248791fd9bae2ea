//! Answers of the three list endpoints, and the faults that touch a page.

use http::StatusCode;

use super::super::answer::{Answer, Refusal, gateway_page};
use super::super::faults::{Fault, WrongLink};
use super::super::listing::{Circumstances, Listing, NoPage};
use super::super::params::Params;
use super::super::settings::WithoutSecurityAudits;
use super::super::stream::Stream;
use super::{Received, Tenant};

impl NoPage {
    fn answer(self, empty: &'static str) -> Result<Answer, Refusal> {
        match self {
            Self::Refused(refusal) => Err(refusal),
            Self::TooSlow => Ok(Answer::html(StatusCode::GATEWAY_TIMEOUT, gateway_page("Gateway Timeout"))),
            Self::EmptyLast => Ok(Answer::json(StatusCode::OK, empty)),
        }
    }
}

impl Tenant {
    pub(super) fn list_answer(
        &mut self,
        stream: Stream,
        params: &Params,
        request: &Received,
        fault: Option<&Fault>,
    ) -> Result<Answer, Refusal> {
        let customer = if stream.is_audit() { self.customer_of(params)? } else { None };
        let settings = &self.settings;
        let about = Circumstances {
            settings: settings.stream(stream),
            now_ms: settings.clock.now_ms(),
            seed: settings.seed,
            pro_pack: settings.pro_pack,
            recordings_need_filter: settings.recordings_need_filter,
        };
        let empty = about.settings.empty_page.body();
        let listing = match Listing::parse(stream, params, about, &mut self.links) {
            Ok(listing) => listing,
            Err(no_page) => return no_page.answer(empty),
        };
        if stream == Stream::SecurityAudits && !(settings.pro_pack && settings.user_authentication_data) {
            return match settings.without_security_audits {
                WithoutSecurityAudits::Refused => Err(Refusal::new(
                    StatusCode::FORBIDDEN,
                    "The organization is not entitled to security audit events.",
                )),
                WithoutSecurityAudits::Empty => Ok(Answer::json(StatusCode::OK, r#"{"items":[]}"#)),
            };
        }

        let store = customer.and_then(|at| self.customers.get(at)).map_or(&self.store, |customer| &customer.store);
        let page = match listing.page(store, about) {
            Ok(page) => page,
            Err(no_page) => return no_page.answer(empty),
        };
        let mut raws: Vec<&str> = page.items.iter().map(|event| &*event.raw).collect();
        let (mut next, mut resume) = (page.next, None);
        if fault == Some(&Fault::EmptyPageWithNext) {
            raws.clear();
        }
        if matches!(fault, Some(Fault::EmptyPageWithNext | Fault::SamePageNext)) {
            next = Some(listing.position());
            // The link to the page that was held back differs from the request, or it would be a loop.
            self.resumes += 1;
            resume = Some(self.resumes);
        }
        let query = next.map(|position| listing.link_to(position, params, about, resume, &mut self.links));
        let headers = self.link_headers(stream, request, query.as_deref(), fault);
        let body = match fault {
            Some(Fault::ItemsMissing) => "{}".to_owned(),
            Some(Fault::ItemsNull) => r#"{"items":null}"#.to_owned(),
            _ if raws.is_empty() => empty.to_owned(),
            _ => format!(r#"{{"items":[{}]}}"#, raws.join(",")),
        };
        let items = if matches!(fault, Some(Fault::ItemsMissing | Fault::ItemsNull)) { 0 } else { raws.len() };
        let mut answer = Answer::json(StatusCode::OK, body);
        answer.items = items;
        Ok(headers.into_iter().fold(answer, |answer, value| answer.header("link", value)))
    }

    /// Which customer is asked about; none: the tenant's own organization.
    fn customer_of(&self, params: &Params) -> Result<Option<usize>, Refusal> {
        let organization = &self.settings.organization;
        let asked = params.get("orgId").ok_or_else(|| Refusal::missing_parameter("orgId"))?;
        let bare = self.settings.takes_bare_org_id && organization.uuid().is_some_and(|uuid| uuid == asked);
        if asked == organization.id || bare {
            return Ok(None);
        }
        let customer = self.customers.iter().position(|customer| customer.organization.id == asked);
        let refusal =
            || Refusal::new(StatusCode::FORBIDDEN, "The user is not authorized for the organization 'orgId'.");
        customer.map(Some).ok_or_else(refusal)
    }

    fn link_headers(
        &self,
        stream: Stream,
        request: &Received,
        query: Option<&str>,
        fault: Option<&Fault>,
    ) -> Vec<String> {
        // The name by which the client reached the tenant, as a public host would show it.
        let origin = request.header("host").map_or_else(|| self.origin.clone(), |host| format!("http://{host}"));
        let style = self.settings.stream(stream).link_style;
        let to = |target: &str| vec![format!("<{target}>; rel=\"next\"")];
        match fault {
            Some(Fault::NextLink(WrongLink::Target(target))) => to(target),
            Some(Fault::NextLink(WrongLink::Loop)) => to(&format!("{origin}{}?{}", request.path, request.query)),
            Some(Fault::NextLink(WrongLink::Garbage)) => vec!["no link; <>; at all=".to_owned()],
            Some(Fault::NextLink(WrongLink::OtherScheme)) => {
                let https = origin.replacen("http:", "https:", 1);
                to(&format!("{https}{}?{}", request.path, query.unwrap_or(&request.query)))
            }
            _ => query.map(|query| style.headers(&origin, &request.path, query)).unwrap_or_default(),
        }
    }
}
