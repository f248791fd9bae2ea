//! What one writes without much thought: a page, its items, its lines, the next page; a stream, then the next one.

use std::fs::File;
use std::io::{BufWriter, Write};

use cisco_webex_plugin::stream::Stream;
use cisco_webex_plugin::time::{Span, Timestamp};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use url::Url;

use super::http::Webex;
use super::{EVENTS, SubjectError};
use crate::tenant::Access;

/// How far back it reads: what the tenant has.
const BACK: Span = Span::days(7);

/// How an item becomes a line.
#[derive(Clone, Copy, Debug)]
pub(super) enum Way {
    /// By a tree, to which two members are added.
    FullParse,
    /// By its text, into which two members are put.
    Boundaries,
}

#[derive(Deserialize)]
struct Borrowed<'a> {
    #[serde(borrow)]
    items: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Dated<'a> {
    #[serde(borrow)]
    created: &'a str,
}

/// Collects all three streams.
pub(super) async fn run(access: &Access, way: Way) -> Result<(), SubjectError> {
    let webex = Webex::new();
    let mut out = BufWriter::new(File::create(EVENTS)?);
    for stream in Stream::ALL {
        let mut next = Some(first_page(access, stream)?);
        while let Some(url) = next {
            let answer = webex.send(url.as_str(), Some(access.bearer(stream.user())), None).await?;
            if answer.status != 200 {
                return Err(format!("{} answered {}", url.path(), answer.status).into());
            }
            match way {
                Way::FullParse => write_parsed(&answer.body, stream, &mut out)?,
                Way::Boundaries => write_spliced(&answer.body, stream, &mut out)?,
            }
            let link = answer.headers.get("link").and_then(|value| value.to_str().ok());
            let target = link.and_then(|link| link.strip_prefix('<')?.split_once(">; rel=\"next\""));
            next = target.map(|(target, _)| Url::parse(target)).transpose()?;
        }
    }
    out.flush()?;
    Ok(out.get_ref().sync_data()?)
}

/// Asks for one item.
pub(super) async fn first_request(access: &Access) -> Result<(), SubjectError> {
    let stream = Stream::Events;
    let url = first_page(access, stream)?;
    let answer = Webex::new().send(url.as_str(), Some(access.bearer(stream.user())), None).await?;
    if answer.status == 200 { Ok(()) } else { Err(format!("the answer has the status {}", answer.status).into()) }
}

fn first_page(access: &Access, stream: Stream) -> Result<Url, SubjectError> {
    let now = Timestamp::from_millis(chrono::Utc::now().timestamp_millis());
    let (from, to) = stream.bounds();
    let mut url = Url::parse(&format!("{}/v1/{}", access.origin, stream.path()))?;
    let mut query = url.query_pairs_mut();
    query.append_pair(from, &(now - BACK).to_string()).append_pair(to, &now.to_string());
    query.append_pair("max", &stream.page_size().to_string());
    if stream.needs_org() {
        query.append_pair("orgId", &access.org);
    }
    drop(query);
    Ok(url)
}

fn write_parsed(body: &[u8], stream: Stream, out: &mut impl Write) -> Result<(), SubjectError> {
    let page: Value = serde_json::from_slice(body)?;
    let Value::Object(mut page) = page else { return Err("a page is no object".into()) };
    let Some(Value::Array(items)) = page.remove("items") else { return Err("a page has no items".into()) };
    for item in items {
        let Value::Object(mut item) = item else { return Err("an item is no object".into()) };
        let created = item.get("created").cloned().unwrap_or_default();
        item.insert("_time".to_owned(), created);
        item.insert("source_log_type".to_owned(), stream.source_log_type().into());
        serde_json::to_writer(&mut *out, &item)?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

fn write_spliced(body: &[u8], stream: Stream, out: &mut impl Write) -> Result<(), SubjectError> {
    let page: Borrowed<'_> = serde_json::from_slice(body)?;
    for item in page.items {
        let Dated { created } = serde_json::from_str(item.get())?;
        let open = item.get().strip_suffix('}').ok_or("an item is no object")?;
        writeln!(out, "{open},\"_time\":\"{created}\",\"source_log_type\":\"{}\"}}", stream.source_log_type())?;
    }
    Ok(())
}
