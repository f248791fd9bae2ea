//! Bodies that come as gzip: asked for where the plugin does not ask for a coding of its own, and decoded while they come in.
//!
//! The plugin sees what it would see without: the same bytes under the same cap, and no word of the coding. A page of events
//! is about a tenth on the wire.

use std::io::{self, BufRead, ErrorKind, Read};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use flate2::bufread::MultiGzDecoder;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH};
use http::{HeaderMap, HeaderValue};
use http_body::{Body, Frame};
use wasmtime_wasi_http::Error;

/// The coding's name, in a request and in an answer.
const NAME: &str = "gzip";
/// Bytes that are decoded at once: whatever a body unfolds to, no more than this of it is in memory here.
const PIECE: usize = 32 * 1024;

/// Asks for gzip; false where the request names codings itself, whose answers go through as they are.
pub(super) fn ask(headers: &mut HeaderMap) -> bool {
    if headers.contains_key(ACCEPT_ENCODING) {
        return false;
    }
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(NAME));
    true
}

/// Whether an answer's body is gzip and nothing besides. Then its headers say so no more, nor how long it was.
pub(super) fn take(headers: &mut HeaderMap) -> bool {
    let mut codings = headers.get_all(CONTENT_ENCODING).iter();
    let (Some(coding), None) = (codings.next(), codings.next()) else { return false };
    // The other name is its older one (RFC 9110, 8.4.1.3).
    let is_gzip =
        [NAME, "x-gzip"].iter().any(|name| coding.as_bytes().trim_ascii().eq_ignore_ascii_case(name.as_bytes()));
    if is_gzip {
        headers.remove(CONTENT_ENCODING);
        headers.remove(CONTENT_LENGTH);
    }
    is_gzip
}

/// Decodes a body. Its bytes are counted as they come out, so a small body that unfolds without end is refused.
pub(super) struct Gunzip<B> {
    body: B,
    decoder: MultiGzDecoder<Input>,
    piece: Box<[u8]>,
    left: u64,
    limit: u64,
    trailers: Option<Frame<Bytes>>,
    is_over: bool,
}

impl<B> Gunzip<B> {
    /// `limit`: bytes that may come out.
    pub(super) fn new(body: B, limit: u64) -> Self {
        let decoder = MultiGzDecoder::new(Input { bytes: Bytes::new(), has_ended: false });
        let piece = vec![0; PIECE].into_boxed_slice();
        Self { body, decoder, piece, left: limit, limit, trailers: None, is_over: false }
    }

    /// The next piece, none at the end.
    fn decode(&mut self) -> io::Result<Option<Bytes>> {
        let count = self.decoder.read(&mut self.piece)?;
        Ok(self.piece.get(..count).filter(|piece| !piece.is_empty()).map(Bytes::copy_from_slice))
    }
}

impl<B: Body<Data = Bytes, Error = Error> + Unpin> Body for Gunzip<B> {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = &mut *self;
        if this.is_over {
            return Poll::Ready(this.trailers.take().map(Ok));
        }
        let error = loop {
            match this.decode() {
                Ok(Some(piece)) => match this.left.checked_sub(u64::try_from(piece.len()).unwrap_or(u64::MAX)) {
                    Some(left) => {
                        this.left = left;
                        return Poll::Ready(Some(Ok(Frame::data(piece))));
                    }
                    None => break Error::HttpResponseBodySize(Some(this.limit)),
                },
                Ok(None) => {
                    this.is_over = true;
                    return Poll::Ready(this.trailers.take().map(Ok));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    let input = this.decoder.get_mut();
                    match ready!(Pin::new(&mut this.body).poll_frame(context)) {
                        Some(Ok(frame)) => match frame.into_data() {
                            Ok(bytes) => input.bytes = bytes,
                            Err(trailers) => this.trailers = Some(trailers),
                        },
                        Some(Err(error)) => break error,
                        None => input.has_ended = true,
                    }
                }
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => break Error::HttpResponseIncomplete,
                Err(_) => break Error::HttpResponseContentCoding(Some(NAME.into())),
            }
        };
        this.is_over = true;
        this.trailers = None;
        Poll::Ready(Some(Err(error)))
    }
}

/// What has come in and is not decoded yet.
struct Input {
    bytes: Bytes,
    has_ended: bool,
}

impl BufRead for Input {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        // Nothing at all would mean the end.
        if self.bytes.is_empty() && !self.has_ended { Err(ErrorKind::WouldBlock.into()) } else { Ok(&self.bytes) }
    }

    fn consume(&mut self, count: usize) {
        self.bytes.advance(count.min(self.bytes.len()));
    }
}

impl Read for Input {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(into)?;
        self.consume(count);
        Ok(count)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]
mod tests {
    use std::collections::VecDeque;
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use http_body_util::BodyExt;
    use proptest::prelude::*;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// A body of these frames, of which every second one lets wait.
    struct Frames(VecDeque<Vec<u8>>, bool);

    impl Frames {
        fn of(bytes: &[u8], size: usize) -> Self {
            Self(bytes.chunks(size).map(<[u8]>::to_vec).collect(), false)
        }
    }

    impl Body for Frames {
        type Data = Bytes;
        type Error = Error;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
            self.1 = !self.1;
            if self.1 {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            Poll::Ready(self.0.pop_front().map(|bytes| Ok(Frame::data(bytes.into()))))
        }
    }

    fn decode(bytes: &[u8], size: usize, limit: u64) -> Result<Bytes, Error> {
        let body = Gunzip::new(Frames::of(bytes, size), limit);
        futures::executor::block_on(body.collect()).map(http_body_util::Collected::to_bytes)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn what_goes_in_comes_out_however_it_is_cut_and_whatever_its_members(
            members in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..3_000), 1..4),
            size in 1_usize..500,
        ) {
            let packed: Vec<u8> = members.iter().flat_map(|member| gzip(member)).collect();
            let plain = members.concat();
            prop_assert_eq!(decode(&packed, size, 20_000).unwrap(), plain);
        }

        #[test]
        fn a_changed_byte_never_gives_another_body(
            plain in prop::collection::vec(0_u8..8, 1..2_000), place in any::<prop::sample::Index>(), bit in 0..8,
        ) {
            let mut packed = gzip(&plain);
            let place = place.index(packed.len());
            packed[place] ^= 1_u8 << bit;
            // Bytes 4 to 9 are a time, a level and a system, which change nothing.
            if let Ok(body) = decode(&packed, 100, 20_000) {
                prop_assert_eq!(body, plain);
            }
        }
    }

    #[test]
    fn a_body_that_ends_early_is_an_error_at_every_byte() {
        let packed = gzip(&b"{\"items\":[]}".repeat(50));
        for length in 0..packed.len() {
            let got = decode(&packed[..length], 7, 10_000);
            assert!(matches!(got, Err(Error::HttpResponseIncomplete)), "{length}: {got:?}");
        }
    }

    #[test]
    fn what_follows_a_member_and_is_none_is_an_error() {
        let got = decode(&[gzip(b"{}"), b"more than ten bytes".to_vec()].concat(), 100, 10_000);
        assert!(matches!(got, Err(Error::HttpResponseContentCoding(Some(_)))), "{got:?}");
    }

    #[test]
    fn the_cap_counts_what_comes_out_and_the_piece_beyond_it_is_never_passed_on() {
        let packed = gzip(&vec![b' '; 1 << 20]);
        assert!(packed.len() < 4_096);
        assert_eq!(decode(&packed, 100, 1 << 20).unwrap().len(), 1 << 20);
        let got = decode(&packed, 100, (1 << 20) - 1);
        assert!(matches!(got, Err(Error::HttpResponseBodySize(Some(_)))), "{got:?}");
    }

    #[test]
    fn a_coding_is_taken_off_only_where_it_is_gzip_alone() {
        for (values, want) in [
            (&["gzip"][..], true),
            (&["GZIP "], true),
            (&["x-gzip"], true),
            (&["br"], false),
            (&["gzip, br"], false),
            (&["gzip", "br"], false),
            (&[], false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_LENGTH, HeaderValue::from_static("5"));
            for value in values {
                headers.append(CONTENT_ENCODING, HeaderValue::from_static(value));
            }
            let before = headers.clone();
            assert_eq!(take(&mut headers), want, "{values:?}");
            assert_eq!(headers.is_empty(), want);
            assert!(want || headers == before);
        }
    }
}
