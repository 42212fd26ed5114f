//! Content codings (RFC 9110 section 8.4), undone within bounds.
//!
//! A small body can decode to a huge one, so what comes out is bounded twice: in bytes, and by its
//! ratio to what went in. A body that does not decode to its very end is refused: what two readers
//! make of the rest may differ.

pub mod stream;

use std::io::Read;

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};
use flate2::{Decompress, FlushDecompress, Status};
use http::{HeaderMap, header};

/// Most codings on top of each other.
const MOST: usize = 3;

/// Largest window of a zstd body: RFC 9659 allows no larger one for the content coding.
const ZSTD_WINDOW_LOG: u32 = 23;

/// Bytes that are decoded at a time.
const STEP: usize = 64 * 1024;

/// A coding that can be undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// `gzip` (RFC 1952).
    Gzip,
    /// `deflate`: zlib (RFC 1950), or without its wrapper, as some servers send it.
    Deflate,
    /// `br` (RFC 7932).
    Brotli,
    /// `zstd` (RFC 8878).
    Zstd,
}

/// What decoding may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Most bytes that may come out of any coding.
    pub bytes: u64,
    /// Most bytes that may come out for each byte of the body; 64 KiB may always.
    pub ratio: u64,
}

/// The codings of a message in the order they were applied; none for `identity`.
///
/// # Errors
/// One is not known, or there are too many.
pub fn of(headers: &HeaderMap) -> Result<Vec<Coding>, CodingFault> {
    let mut codings = Vec::new();
    for field in headers.get_all(header::CONTENT_ENCODING) {
        let field = field.to_str().map_err(|_| CodingFault::Unknown)?;
        for name in field.split(',').map(str::trim) {
            let coding = match name.to_ascii_lowercase().as_str() {
                "" | "identity" => continue,
                "gzip" | "x-gzip" => Coding::Gzip,
                "deflate" => Coding::Deflate,
                "br" => Coding::Brotli,
                "zstd" => Coding::Zstd,
                _ => return Err(CodingFault::Unknown),
            };
            if codings.len() == MOST {
                return Err(CodingFault::TooMany);
            }
            codings.push(coding);
        }
    }
    Ok(codings)
}

/// Whether a request takes an answer in a coding that can't be undone here (RFC 9110 section 12.5.3);
/// `*` is any.
pub fn takes_unknown(headers: &HeaderMap) -> bool {
    let known = |name: &str| {
        let known = ["", "identity", "gzip", "x-gzip", "deflate", "br", "zstd"];
        known.into_iter().any(|it| it.eq_ignore_ascii_case(name))
    };
    let name = |item: &str| item.split(';').next().unwrap_or_default().trim().to_owned();
    let mut fields = headers.get_all(header::ACCEPT_ENCODING).iter();
    fields.any(|field| match field.to_str() {
        Ok(items) => items.split(',').any(|item| !known(&name(item))),
        Err(_not_ascii) => true,
    })
}

/// Undoes `codings`, the last one first.
///
/// # Errors
/// The body is not coded so, breaks off, goes on behind its end, or exceeds the bounds.
pub fn decoded(body: &[u8], codings: &[Coding], bounds: &Bounds) -> Result<Vec<u8>, CodingFault> {
    let ratio = (body.len() as u64).saturating_mul(bounds.ratio);
    let largest = bounds.bytes.min(ratio.max(STEP as u64));
    let largest = usize::try_from(largest).unwrap_or(usize::MAX);
    let mut outcome: Option<Vec<u8>> = None;
    for coding in codings.iter().rev() {
        let coded = outcome.as_deref().unwrap_or(body);
        outcome = Some(match coding {
            Coding::Gzip => read(flate2::read::MultiGzDecoder::new(coded), largest)?,
            Coding::Deflate => inflated(coded, is_zlib(coded), largest)?,
            Coding::Brotli => unbrotlied(coded, largest)?,
            Coding::Zstd => {
                let mut decoder =
                    zstd::Decoder::with_buffer(coded).map_err(|_| CodingFault::Unreadable)?;
                decoder
                    .window_log_max(ZSTD_WINDOW_LOG)
                    .map_err(|_| CodingFault::Unreadable)?;
                read(decoder, largest)?
            }
        });
    }
    Ok(outcome.unwrap_or_else(|| body.to_vec()))
}

/// Why a coded body can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodingFault {
    /// A coding nobody here knows.
    #[error("the content coding is not known")]
    Unknown,
    /// More codings on top of each other than anyone needs.
    #[error("the body has too many content codings")]
    TooMany,
    /// The body is not what its coding says, or not all of it.
    #[error("the body does not decode")]
    Unreadable,
    /// It decodes to more than may be held.
    #[error("the body decodes to too much")]
    TooLarge,
}

fn read(decoder: impl Read, largest: usize) -> Result<Vec<u8>, CodingFault> {
    let mut decoded = Vec::new();
    let bound = (largest as u64).saturating_add(1);
    decoder
        .take(bound)
        .read_to_end(&mut decoded)
        .map_err(|_| CodingFault::Unreadable)?;
    if decoded.len() > largest {
        Err(CodingFault::TooLarge)
    } else {
        Ok(decoded)
    }
}

/// RFC 1950 section 2.2: method 8, and a header that is a multiple of 31.
fn is_zlib(body: &[u8]) -> bool {
    matches!(body, [method, flags, ..]
        if method & 0x0f == 8 && u16::from_be_bytes([*method, *flags]) % 31 == 0)
}

/// `flate2`'s readers take a deflate stream that breaks off for one that ended; this does not.
fn inflated(body: &[u8], wrapped: bool, largest: usize) -> Result<Vec<u8>, CodingFault> {
    let mut inflate = Decompress::new(wrapped);
    let mut decoded = Vec::new();
    loop {
        decoded.reserve(STEP);
        let consumed = usize::try_from(inflate.total_in()).unwrap_or(usize::MAX);
        let rest = body.get(consumed..).unwrap_or_default();
        let before = decoded.len();
        let status = inflate
            .decompress_vec(rest, &mut decoded, FlushDecompress::Finish)
            .map_err(|_| CodingFault::Unreadable)?;
        if decoded.len() > largest {
            return Err(CodingFault::TooLarge);
        }
        let taken = inflate.total_in() > consumed as u64;
        match status {
            Status::StreamEnd if inflate.total_in() == body.len() as u64 => return Ok(decoded),
            Status::Ok | Status::BufError if taken || decoded.len() > before => {}
            Status::StreamEnd | Status::Ok | Status::BufError => {
                return Err(CodingFault::Unreadable);
            }
        }
    }
}

/// The crate's own reader takes windows beyond RFC 7932 (a gibibyte), and does not say whether
/// anything stands behind the end; so its stream is driven here.
fn unbrotlied(body: &[u8], largest: usize) -> Result<Vec<u8>, CodingFault> {
    let alloc = StandardAlloc::default;
    let mut state = BrotliState::new_strict(alloc(), alloc(), alloc());
    let mut decoded = Vec::new();
    let mut step = vec![0; STEP];
    let (mut left, mut taken, mut total) = (body.len(), 0, 0);
    loop {
        let (mut room, mut filled) = (step.len(), 0);
        let result = BrotliDecompressStream(
            &mut left,
            &mut taken,
            body,
            &mut room,
            &mut filled,
            &mut step,
            &mut total,
            &mut state,
        );
        decoded.extend_from_slice(step.get(..filled).unwrap_or_default());
        if decoded.len() > largest {
            return Err(CodingFault::TooLarge);
        }
        match result {
            BrotliResult::NeedsMoreOutput => {}
            BrotliResult::ResultSuccess if left == 0 => return Ok(decoded),
            // The whole body is there: there is no more input.
            BrotliResult::ResultSuccess
            | BrotliResult::NeedsMoreInput
            | BrotliResult::ResultFailure => return Err(CodingFault::Unreadable),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use http::HeaderValue;

    use super::*;

    const ALL: [Coding; 4] = [Coding::Gzip, Coding::Deflate, Coding::Brotli, Coding::Zstd];
    const WIDE: Bounds = Bounds {
        bytes: 1 << 24,
        ratio: 1 << 20,
    };

    fn coded(body: &[u8], coding: Coding) -> Vec<u8> {
        let level = flate2::Compression::default();
        match coding {
            Coding::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
                encoder.write_all(body).unwrap();
                encoder.finish().unwrap()
            }
            Coding::Deflate => {
                let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), level);
                encoder.write_all(body).unwrap();
                encoder.finish().unwrap()
            }
            Coding::Brotli => {
                let mut written = Vec::new();
                let mut encoder = brotli::CompressorWriter::new(&mut written, 4096, 5, 20);
                encoder.write_all(body).unwrap();
                drop(encoder);
                written
            }
            Coding::Zstd => zstd::encode_all(body, 3).unwrap(),
        }
    }

    fn body() -> Vec<u8> {
        (0..5000)
            .flat_map(|number: u32| format!("{{\"id\":\"{}\"}},", number * 7919).into_bytes())
            .collect()
    }

    #[test]
    fn each_coding_is_undone() {
        for coding in ALL {
            let coded = coded(&body(), coding);
            assert_ne!(coded, body());
            assert_eq!(decoded(&coded, &[coding], &WIDE), Ok(body()), "{coding:?}");
        }
        let mut raw = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
        raw.write_all(&body()).unwrap();
        let raw = raw.finish().unwrap();
        assert_eq!(decoded(&raw, &[Coding::Deflate], &WIDE), Ok(body()));
    }

    #[test]
    fn several_are_undone_from_the_last_to_the_first() {
        let twice = coded(&coded(&body(), Coding::Gzip), Coding::Brotli);
        let codings = [Coding::Gzip, Coding::Brotli];
        assert_eq!(decoded(&twice, &codings, &WIDE), Ok(body()));
        assert!(decoded(&twice, &[Coding::Brotli, Coding::Gzip], &WIDE).is_err());
    }

    #[test]
    fn what_breaks_off_or_goes_on_behind_its_end_is_refused() {
        for coding in ALL {
            let coded = coded(&body(), coding);
            for cut in [0, 1, coded.len() / 2, coded.len() - 1] {
                assert_eq!(
                    decoded(&coded[..cut], &[coding], &WIDE),
                    Err(CodingFault::Unreadable),
                    "{coding:?} cut to {cut}"
                );
            }
            let longer = [coded.as_slice(), b"{}"].concat();
            assert!(
                decoded(&longer, &[coding], &WIDE).is_err(),
                "{coding:?} and more"
            );
        }
    }

    #[test]
    fn bounds_are_met_exactly() {
        for coding in ALL {
            let zeros = vec![b'0'; 3_000_000];
            let coded = coded(&zeros, coding);
            let bytes = |bytes| Bounds { bytes, ..WIDE };
            assert!(
                decoded(&coded, &[coding], &bytes(3_000_000)).is_ok(),
                "{coding:?}"
            );
            assert_eq!(
                decoded(&coded, &[coding], &bytes(2_999_999)),
                Err(CodingFault::TooLarge),
                "{coding:?}"
            );
            let ratio = Bounds { ratio: 100, ..WIDE };
            assert_eq!(
                decoded(&coded, &[coding], &ratio),
                Err(CodingFault::TooLarge),
                "{coding:?}: {} bytes decode to 3 MB",
                coded.len()
            );
        }
    }

    #[test]
    fn names_are_read_from_every_field_in_any_case() {
        let headers = |fields: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for field in fields {
                headers.append(header::CONTENT_ENCODING, HeaderValue::from_static(field));
            }
            headers
        };
        assert_eq!(of(&headers(&[])), Ok(vec![]));
        assert_eq!(of(&headers(&["identity", ""])), Ok(vec![]));
        assert_eq!(
            of(&headers(&["GZip, br", "zstd"])),
            Ok(vec![Coding::Gzip, Coding::Brotli, Coding::Zstd])
        );
        assert_eq!(of(&headers(&["gzip, compress"])), Err(CodingFault::Unknown));
        assert_eq!(of(&headers(&["br,br,br,br"])), Err(CodingFault::TooMany));
    }
}
