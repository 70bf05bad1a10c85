//! The body of an answer, within a limit, and without its content codings (RFC 9110 section 8.4.1).
//!
//! The request asks for no coding. RFC 9110 section 12.5.3 lets a server choose one anyway, and some proxies compress
//! everything; to refuse such an answer is to lose its pair. The header may also be wrong: if it names a coding that
//! the body does not have, the body is used as it is.
//!
//! A body that is not whole is kept as far as it goes: it may hold a pair.

use std::io::Read;

use flate2::read::MultiGzDecoder;
use flate2::{Decompress, FlushDecompress, Status};
use http::HeaderMap;
use http::header::CONTENT_ENCODING;

use super::cause;

/// The most that is read of an answer. A pair is smaller than 4 KiB; a page of HTML may have any size, and so may a few
/// bytes when they are decompressed.
const LIMIT: usize = 64 * 1024;

/// A coding may add some bytes to a body that does not compress.
const CODED_LIMIT: usize = LIMIT + 1024;

pub(super) struct Body {
    pub(super) octets: Vec<u8>,
    /// Why the body is not whole; `None` if it is.
    pub(super) cut: Option<Cut>,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum Cut {
    #[error("more than {LIMIT} bytes")]
    TooLong,
    #[error("a content coding that is cut off or damaged")]
    Damaged,
    #[error("a connection that broke: {0}")]
    Broken(String),
}

/// More than any server applies. Each coding is another pass over the body.
const MOST_CODINGS: usize = 4;

impl Body {
    pub(super) async fn read(response: &mut reqwest::Response) -> Self {
        let mut octets = Vec::new();
        let cut = loop {
            match response.chunk().await {
                Ok(None) => break None,
                Err(error) => break Some(Cut::Broken(cause(error))),
                Ok(Some(chunk)) => octets.extend_from_slice(&chunk),
            }
            if octets.len() > CODED_LIMIT {
                break Some(Cut::TooLong);
            }
        };
        Self { octets, cut }.decoded(response.headers())
    }

    /// The header names the codings in the order in which they were applied.
    fn decoded(mut self, headers: &HeaderMap) -> Self {
        let values = headers.get_all(CONTENT_ENCODING).iter().filter_map(|value| value.to_str().ok());
        let codings: Vec<&str> = values.flat_map(|value| value.split(',')).map(str::trim).collect();
        for coding in codings.into_iter().rev().take(MOST_CODINGS) {
            let decoded = match coding.to_ascii_lowercase().as_str() {
                "gzip" | "x-gzip" => gunzip(&self.octets),
                "deflate" => inflate(&self.octets),
                _ => None,
            };
            if let Some(decoded) = decoded {
                self = Self { cut: self.cut.or(decoded.cut), ..decoded };
            }
        }
        if self.octets.len() > LIMIT {
            self.octets.truncate(LIMIT);
            self.cut.get_or_insert(Cut::TooLong);
        }
        self
    }
}

/// `None` if it is not gzip (RFC 1952).
fn gunzip(coded: &[u8]) -> Option<Body> {
    let mut octets = Vec::new();
    let read = MultiGzDecoder::new(coded).take(LIMIT as u64 + 1).read_to_end(&mut octets);
    let cut = read.err().map(|_| Cut::Damaged);
    (cut.is_none() || !octets.is_empty()).then_some(Body { octets, cut })
}

/// `deflate` is the zlib format (RFC 1950). Some servers send its inner format alone (RFC 1951), which has no header: a
/// body is read as this format only if it is whole and nothing follows. An indented JSON object begins like a short
/// whole body of this format, and must not be lost if a server names the coding and does not apply it. `None` if it is
/// neither format.
fn inflate(coded: &[u8]) -> Option<Body> {
    let (zlib, _) = inflate_as(coded, true);
    if !zlib.octets.is_empty() {
        return Some(zlib);
    }
    let (raw, read) = inflate_as(coded, false);
    let is_whole = raw.cut.is_none() && read == coded.len() as u64;
    (is_whole || matches!(raw.cut, Some(Cut::TooLong))).then_some(raw)
}

/// Also returns how many bytes were read.
fn inflate_as(coded: &[u8], has_zlib_header: bool) -> (Body, u64) {
    let mut octets = Vec::with_capacity(LIMIT + 1);
    let mut decompress = Decompress::new(has_zlib_header);
    let status = decompress.decompress_vec(coded, &mut octets, FlushDecompress::Finish);
    let cut = match status {
        Ok(Status::StreamEnd) => None,
        _ if octets.len() > LIMIT => Some(Cut::TooLong),
        Ok(Status::Ok | Status::BufError) | Err(_) => Some(Cut::Damaged),
    };
    (Body { octets, cut }, decompress.total_in())
}
