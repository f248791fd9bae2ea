//! How the lines of a file are packed: each send is a gzip member or a zstd frame of its own, so that what is acknowledged can be
//! read whatever comes of the send after it.

use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom, Write};

use flate2::Compression;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;
use memchr::memmem;

use super::again::{Line, next_line};

/// Fast: higher levels cost several times the CPU for a tenth less.
const GZIP_LEVEL: u32 = 1;
const ZSTD_LEVEL: i32 = 3;
/// Bytes that are looked through at a time for the beginning of a member.
const LOOK_BACK: u64 = 64 * 1024;
/// How the encoder's members begin: no name, no time.
const GZIP_HEAD: &[u8] = &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0];
const ZSTD_HEAD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// A form of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    Gzip,
    Zstd,
}

/// How a file ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// With a whole member, or it is empty.
    Whole,
    /// With a piece of a member, which begins there.
    Torn(u64),
    /// With something that is no member.
    Foreign,
}

impl Packing {
    /// How the name of such a file ends.
    pub(super) fn suffix(self) -> &'static str {
        match self {
            Self::Gzip => ".gz",
            Self::Zstd => ".zst",
        }
    }

    /// One member.
    pub(super) fn pack(self, lines: &[u8]) -> io::Result<Vec<u8>> {
        match self {
            Self::Gzip => {
                let mut encoder = GzEncoder::new(Vec::with_capacity(lines.len() / 4), Compression::new(GZIP_LEVEL));
                encoder.write_all(lines)?;
                encoder.finish()
            }
            Self::Zstd => {
                let mut encoder = zstd::stream::write::Encoder::new(Vec::with_capacity(lines.len() / 4), ZSTD_LEVEL)?;
                encoder.include_checksum(true)?;
                encoder.write_all(lines)?;
                encoder.finish()
            }
        }
    }

    /// Hands over the lines of the members from byte `from` on, up to the first that is not whole.
    pub(super) fn lines(self, file: &mut File, from: u64, mut each: impl FnMut(Line)) -> io::Result<()> {
        file.seek(SeekFrom::Start(from))?;
        let mut rest = BufReader::new(file);
        while !rest.fill_buf()?.is_empty() {
            match self.member(rest, &mut each) {
                Ok(after) => rest = after,
                Err(error) if is_about_content(&error) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// How a file of this length ends. It is looked at from its end: only the last members are unpacked.
    pub(super) fn ending(self, file: &mut File, length: u64) -> io::Result<Ending> {
        let mut before = length;
        while let Some(at) = last_head(file, self.head(), before)? {
            let (whole, ending) = self.follow(file, at, length)?;
            // What begins like a member within one is none; a checksum tells.
            if whole > at || at == 0 {
                return Ok(ending);
            }
            before = at;
        }
        Ok(self.follow(file, 0, length)?.1)
    }

    /// Where the last whole member ends of those that follow each other from byte `at` on, and what comes behind it.
    fn follow(self, file: &mut File, at: u64, length: u64) -> io::Result<(u64, Ending)> {
        let mut whole = at;
        loop {
            file.seek(SeekFrom::Start(whole))?;
            let mut head = Vec::new();
            let expected = self.head();
            Read::by_ref(file).take(u64::try_from(expected.len()).unwrap_or(0)).read_to_end(&mut head)?;
            if head.is_empty() {
                return Ok((whole, Ending::Whole));
            }
            if !expected.starts_with(&head) {
                return Ok((whole, Ending::Foreign));
            }
            file.seek(SeekFrom::Start(whole))?;
            let counted = Counted { inner: BufReader::new(Read::by_ref(file).take(length - whole)), consumed: 0 };
            match self.member(counted, &mut |_| ()) {
                Ok(after) => whole += after.consumed,
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok((whole, Ending::Torn(whole))),
                Err(error) if is_about_content(&error) => return Ok((whole, Ending::Foreign)),
                Err(error) => return Err(error),
            }
        }
    }

    /// Unpacks one member; what comes behind it is returned.
    fn member<R: BufRead>(self, from: R, each: &mut impl FnMut(Line)) -> io::Result<R> {
        match self {
            Self::Gzip => {
                let mut decoder = GzDecoder::new(from);
                each_line(&mut BufReader::new(&mut decoder), each)?;
                Ok(decoder.into_inner())
            }
            Self::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(from)?.single_frame();
                each_line(&mut BufReader::new(&mut decoder), each)?;
                decoder.finish_frame()?;
                Ok(decoder.finish())
            }
        }
    }

    fn head(self) -> &'static [u8] {
        match self {
            Self::Gzip => GZIP_HEAD,
            Self::Zstd => ZSTD_HEAD,
        }
    }
}

fn each_line(text: &mut impl BufRead, each: &mut impl FnMut(Line)) -> io::Result<()> {
    while let Some(line) = next_line(text)? {
        each(line);
    }
    // A piece of a line counts for nothing, but it is read: so the checksum behind it is looked at.
    io::copy(text, &mut io::sink()).map(drop)
}

/// Whether it is the bytes that are wrong, and not the disk.
fn is_about_content(error: &io::Error) -> bool {
    error.raw_os_error().is_none()
}

/// The last place before byte `before` where these bytes begin.
fn last_head(file: &mut File, head: &[u8], before: u64) -> io::Result<Option<u64>> {
    let overlap = u64::try_from(head.len()).unwrap_or(0).saturating_sub(1);
    let mut end = before;
    while end > 0 {
        let start = end.saturating_sub(LOOK_BACK);
        let mut piece = Vec::new();
        file.seek(SeekFrom::Start(start))?;
        // One may begin in this piece and end in the next.
        Read::by_ref(file).take(end - start + overlap).read_to_end(&mut piece)?;
        let found = memmem::rfind_iter(&piece, head).map(|at| start + u64::try_from(at).unwrap_or(0));
        if let Some(at) = found.into_iter().find(|at| *at < end) {
            return Ok(Some(at));
        }
        end = start;
    }
    Ok(None)
}

/// Counts what is consumed.
struct Counted<R> {
    inner: R,
    consumed: u64,
}

impl<R: BufRead> Read for Counted<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(into)?;
        self.consumed += u64::try_from(read).unwrap_or(0);
        Ok(read)
    }
}

impl<R: BufRead> BufRead for Counted<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        self.consumed += u64::try_from(count).unwrap_or(0);
        self.inner.consume(count);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    const ALL: [Packing; 2] = [Packing::Gzip, Packing::Zstd];

    fn ending(packing: Packing, bytes: &[u8]) -> Ending {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        packing.ending(&mut file, u64::try_from(bytes.len()).unwrap()).unwrap()
    }

    /// Lines that do not pack well, so that a member spans several looks back.
    fn noise(seed: u64) -> Vec<u8> {
        let mut state = seed;
        let mut text: Vec<u8> = Vec::new();
        for number in 0..20_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            text.extend(format!("{:x}", state >> 8).into_bytes());
            if number % 100 == 99 {
                text.push(b'\n');
            }
        }
        text
    }

    #[test]
    fn a_member_that_is_cut_anywhere_is_torn_where_it_begins() {
        for packing in ALL {
            let first = packing.pack(b"{\"a\":1}\n").unwrap();
            let second = packing.pack(b"{\"b\":2}\n{\"c\":3}\n").unwrap();
            let at = u64::try_from(first.len()).unwrap();
            let both = [&first[..], &second[..]].concat();
            assert_eq!(ending(packing, &both), Ending::Whole);
            assert_eq!(ending(packing, b""), Ending::Whole);
            for cut in first.len() + 1..both.len() {
                assert_eq!(ending(packing, both.get(..cut).unwrap()), Ending::Torn(at), "{packing:?} {cut}");
            }
            for cut in 1..first.len() {
                assert_eq!(ending(packing, both.get(..cut).unwrap()), Ending::Torn(0), "{packing:?} {cut}");
            }
        }
    }

    #[test]
    fn a_large_member_is_looked_through_from_its_end() {
        for packing in ALL {
            let first = packing.pack(&noise(1)).unwrap();
            assert!(first.len() > 100_000);
            let second = packing.pack(&noise(2)).unwrap();
            let both = [&first[..], &second[..]].concat();
            assert_eq!(ending(packing, &both), Ending::Whole);
            let torn = both.get(..both.len() - 3).unwrap();
            assert_eq!(ending(packing, torn), Ending::Torn(u64::try_from(first.len()).unwrap()));
            assert_eq!(ending(packing, first.get(..first.len() - 1).unwrap()), Ending::Torn(0));
        }
    }

    #[test]
    fn what_is_no_member_is_not_taken_for_a_torn_one() {
        for packing in ALL {
            assert_eq!(ending(packing, b"{\"a\":1}\n"), Ending::Foreign);
            let mut bytes = packing.pack(b"{\"a\":1}\n").unwrap();
            bytes.extend([0; 4096]);
            assert_eq!(ending(packing, &bytes), Ending::Foreign, "zeros, as a lost write leaves them");
        }
    }

    #[test]
    fn lines_are_read_from_any_member_on_up_to_one_that_is_torn() {
        for packing in ALL {
            let first = packing.pack(b"{\"a\":1}\n").unwrap();
            let second = packing.pack(b"{\"b\":2}\n{\"c\":3}\n").unwrap();
            let mut bytes = [&first[..], &second[..], &first[..]].concat();
            bytes.truncate(bytes.len() - 1);
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(&bytes).unwrap();
            let from = u64::try_from(first.len()).unwrap();
            let mut count = 0;
            packing.lines(&mut file, from, |_| count += 1).unwrap();
            // The lines of the torn one are there, too, but for its checksum.
            assert!(count >= 2, "{count}");
        }
    }
}
