//! Content codings undone piece by piece, beside a body that goes on as it is.
//!
//! What is flushed on the sending side comes out at once, so that whoever reads along is never behind
//! by more than the sender's own buffer. That a body ends before its coding does is not noticed
//! here: who reads along has the end of what is inside to go by.

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};
use flate2::{Decompress, FlushDecompress, Status};
use zstd::stream::raw::{DParameter, Decoder as ZstdDecoder, InBuffer, Operation, OutBuffer};

use super::{Coding, CodingFault, STEP, ZSTD_WINDOW_LOG, is_zlib};

/// Undoes the codings of one body.
pub struct Undo {
    /// The last one applied first.
    stages: Vec<Stage>,
    /// Most bytes that may come out of one stage for one piece.
    most: usize,
}

impl Undo {
    /// For a body of these codings, in the order they were applied. `most` bounds what one piece may
    /// come to in each of them.
    ///
    /// # Errors
    /// A decoder can't be made.
    pub fn new(codings: &[Coding], most: usize) -> Result<Self, CodingFault> {
        let stages: Result<Vec<Stage>, CodingFault> =
            codings.iter().rev().copied().map(Stage::of).collect();
        Ok(Self {
            stages: stages?,
            most,
        })
    }

    /// What the next piece decodes to.
    ///
    /// # Errors
    /// It is not coded so, goes on behind its end, or comes to too much. Nothing that follows can be
    /// decoded.
    pub fn push(&mut self, piece: &[u8]) -> Result<Vec<u8>, CodingFault> {
        let mut decoded = piece.to_vec();
        for stage in &mut self.stages {
            let mut outcome = Vec::new();
            stage.push(&decoded, &mut outcome, self.most)?;
            decoded = outcome;
        }
        Ok(decoded)
    }
}

impl std::fmt::Debug for Undo {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Undo")
            .field("stages", &self.stages.len())
            .finish_non_exhaustive()
    }
}

enum Stage {
    Gzip {
        inflate: Decompress,
        ended: bool,
    },
    /// With or without a wrapper, which the first two bytes tell.
    Deflate {
        inflate: Option<Decompress>,
        first: Vec<u8>,
        ended: bool,
    },
    Brotli {
        state: Box<BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>>,
        ended: bool,
    },
    Zstd(Box<ZstdDecoder<'static>>),
}

/// The window of every gzip and zlib body (RFC 1951 section 2).
const WINDOW_BITS: u8 = 15;

impl Stage {
    fn of(coding: Coding) -> Result<Self, CodingFault> {
        Ok(match coding {
            Coding::Gzip => Self::Gzip {
                inflate: Decompress::new_gzip(WINDOW_BITS),
                ended: false,
            },
            Coding::Deflate => Self::Deflate {
                inflate: None,
                first: Vec::new(),
                ended: false,
            },
            Coding::Brotli => {
                let alloc = StandardAlloc::default;
                Self::Brotli {
                    state: Box::new(BrotliState::new_strict(alloc(), alloc(), alloc())),
                    ended: false,
                }
            }
            Coding::Zstd => {
                let mut decoder = ZstdDecoder::new().map_err(|_| CodingFault::Unreadable)?;
                decoder
                    .set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW_LOG))
                    .map_err(|_| CodingFault::Unreadable)?;
                Self::Zstd(Box::new(decoder))
            }
        })
    }

    fn push(&mut self, piece: &[u8], out: &mut Vec<u8>, most: usize) -> Result<(), CodingFault> {
        match self {
            Self::Gzip { inflate, ended } => {
                let mut rest = piece;
                loop {
                    // Another member may follow (RFC 1952 section 2.2).
                    if *ended && !rest.is_empty() {
                        *inflate = Decompress::new_gzip(WINDOW_BITS);
                        *ended = false;
                    }
                    rest = inflated(inflate, rest, out, most, ended)?;
                    if rest.is_empty() {
                        return Ok(());
                    }
                }
            }
            Self::Deflate {
                inflate,
                first,
                ended,
            } => {
                let inflate = match inflate {
                    Some(inflate) => inflate,
                    None => {
                        first.extend_from_slice(piece);
                        if first.len() < 2 {
                            return Ok(());
                        }
                        inflate.insert(Decompress::new(is_zlib(first)))
                    }
                };
                let held = std::mem::take(first);
                let piece = if held.is_empty() { piece } else { &held };
                match inflated(inflate, piece, out, most, ended)? {
                    [] => Ok(()),
                    _ => Err(CodingFault::Unreadable),
                }
            }
            Self::Brotli { state, ended } => unbrotlied(state, piece, out, most, ended),
            Self::Zstd(decoder) => unzstd(decoder, piece, out, most),
        }
    }
}

/// Inflates one piece; returns what stands behind the end of the stream.
fn inflated<'piece>(
    inflate: &mut Decompress,
    mut piece: &'piece [u8],
    out: &mut Vec<u8>,
    most: usize,
    ended: &mut bool,
) -> Result<&'piece [u8], CodingFault> {
    loop {
        if *ended {
            return Ok(piece);
        }
        out.reserve(STEP.min(4 * piece.len() + 1024));
        let (taken, given) = (inflate.total_in(), inflate.total_out());
        let status = inflate
            .decompress_vec(piece, out, FlushDecompress::None)
            .map_err(|_| CodingFault::Unreadable)?;
        if out.len() > most {
            return Err(CodingFault::TooLarge);
        }
        let read = usize::try_from(inflate.total_in() - taken).unwrap_or(usize::MAX);
        piece = piece.get(read..).unwrap_or_default();
        *ended = status == Status::StreamEnd;
        let room_left = out.len() < out.capacity();
        if !*ended && piece.is_empty() && room_left {
            return Ok(piece);
        }
        if !*ended && read == 0 && inflate.total_out() == given && room_left {
            return Err(CodingFault::Unreadable);
        }
    }
}

fn unbrotlied(
    state: &mut BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>,
    piece: &[u8],
    out: &mut Vec<u8>,
    most: usize,
    ended: &mut bool,
) -> Result<(), CodingFault> {
    if *ended {
        return match piece {
            [] => Ok(()),
            _ => Err(CodingFault::Unreadable),
        };
    }
    let mut step = vec![0; STEP.min(4 * piece.len() + 1024)];
    let (mut left, mut taken, mut total) = (piece.len(), 0, 0);
    loop {
        let (mut room, mut filled) = (step.len(), 0);
        let result = BrotliDecompressStream(
            &mut left,
            &mut taken,
            piece,
            &mut room,
            &mut filled,
            &mut step,
            &mut total,
            state,
        );
        out.extend_from_slice(step.get(..filled).unwrap_or_default());
        if out.len() > most {
            return Err(CodingFault::TooLarge);
        }
        match result {
            BrotliResult::NeedsMoreOutput => {}
            BrotliResult::NeedsMoreInput => return Ok(()),
            BrotliResult::ResultSuccess if left == 0 => {
                *ended = true;
                return Ok(());
            }
            BrotliResult::ResultSuccess | BrotliResult::ResultFailure => {
                return Err(CodingFault::Unreadable);
            }
        }
    }
}

fn unzstd(
    decoder: &mut ZstdDecoder<'_>,
    piece: &[u8],
    out: &mut Vec<u8>,
    most: usize,
) -> Result<(), CodingFault> {
    let mut input = InBuffer::around(piece);
    let mut step = vec![0; STEP.min(4 * piece.len() + 1024)];
    loop {
        let mut output = OutBuffer::around(step.as_mut_slice());
        decoder
            .run(&mut input, &mut output)
            .map_err(|_| CodingFault::Unreadable)?;
        let given = output.as_slice();
        let is_full = given.len() == output.capacity();
        out.extend_from_slice(given);
        if out.len() > most {
            return Err(CodingFault::TooLarge);
        }
        // A full step may have left something inside; a frame may be followed by another.
        if input.pos() == piece.len() && !is_full {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    const ALL: [Coding; 4] = [Coding::Gzip, Coding::Deflate, Coding::Brotli, Coding::Zstd];

    /// Each part flushed before the next is written, as servers send events.
    fn coded(parts: &[Vec<u8>], coding: Coding) -> Vec<Vec<u8>> {
        let mut pieces = Vec::new();
        let level = flate2::Compression::default();
        macro_rules! flushed {
            ($encoder:expr) => {{
                let mut encoder = $encoder;
                let mut sent = 0;
                for part in parts {
                    encoder.write_all(part).unwrap();
                    encoder.flush().unwrap();
                    let written = encoder.get_ref().len();
                    pieces.push(encoder.get_ref()[sent..].to_vec());
                    sent = written;
                }
                (encoder, sent)
            }};
        }
        let last = match coding {
            Coding::Gzip => {
                let (encoder, sent) = flushed!(flate2::write::GzEncoder::new(Vec::new(), level));
                encoder.finish().unwrap()[sent..].to_vec()
            }
            Coding::Deflate => {
                let (encoder, sent) = flushed!(flate2::write::ZlibEncoder::new(Vec::new(), level));
                encoder.finish().unwrap()[sent..].to_vec()
            }
            Coding::Brotli => {
                let (encoder, sent) =
                    flushed!(brotli::CompressorWriter::new(Vec::new(), 4096, 5, 20));
                encoder.into_inner()[sent..].to_vec()
            }
            Coding::Zstd => {
                let (encoder, sent) = flushed!(zstd::Encoder::new(Vec::new(), 3).unwrap());
                encoder.finish().unwrap()[sent..].to_vec()
            }
        };
        pieces.push(last);
        pieces
    }

    fn undone(pieces: &[Vec<u8>], coding: Coding) -> Result<Vec<Vec<u8>>, CodingFault> {
        let mut undo = Undo::new(&[coding], 1 << 22).unwrap();
        pieces.iter().map(|piece| undo.push(piece)).collect()
    }

    #[test]
    fn what_is_flushed_comes_out_at_once() {
        let parts: Vec<Vec<u8>> = (0..50)
            .map(|number| format!("data: {{\"number\":{number}}}\n\n").into_bytes())
            .collect();
        for coding in ALL {
            let out = undone(&coded(&parts, coding), coding).unwrap();
            assert_eq!(out[..50], parts, "{coding:?}");
            assert_eq!(out[50], b"", "{coding:?}");
        }
    }

    #[test]
    fn a_bomb_is_refused_and_what_just_fits_is_not() {
        for coding in ALL {
            let zeros = vec![b'0'; 3_000_000];
            let coded = coded(std::slice::from_ref(&zeros), coding).concat();
            let mut wide = Undo::new(&[coding], 3_000_000).unwrap();
            assert_eq!(wide.push(&coded).unwrap().len(), zeros.len(), "{coding:?}");
            let mut narrow = Undo::new(&[coding], 2_999_999).unwrap();
            assert_eq!(
                narrow.push(&coded),
                Err(CodingFault::TooLarge),
                "{coding:?}"
            );
        }
    }

    #[test]
    fn what_is_not_coded_so_is_refused() {
        for coding in ALL {
            let mut undo = Undo::new(&[coding], 1 << 20).unwrap();
            let plain = b"data: {\"not\": \"coded at all\"}\n\n".repeat(40);
            assert!(undo.push(&plain).is_err(), "{coding:?}");
        }
    }

    #[test]
    fn deflate_without_its_wrapper_and_several_gzip_members_are_undone() {
        let level = flate2::Compression::fast();
        let mut raw = flate2::write::DeflateEncoder::new(Vec::new(), level);
        raw.write_all(b"plain deflate").unwrap();
        let raw = raw.finish().unwrap();
        let pieces: Vec<Vec<u8>> = raw.iter().map(|byte| vec![*byte]).collect();
        assert_eq!(
            undone(&pieces, Coding::Deflate).unwrap().concat(),
            b"plain deflate"
        );

        let member = coded(&[b"member ".to_vec()], Coding::Gzip).concat();
        let twice = [member.clone(), member].concat();
        assert_eq!(
            undone(&[twice], Coding::Gzip).unwrap().concat(),
            b"member member "
        );
    }

    proptest! {
        #[test]
        fn any_split_comes_to_the_same(
            parts in proptest::collection::vec(proptest::collection::vec(0_u8..8, 0..200), 0..6),
            size in 1_usize..40,
        ) {
            for coding in ALL {
                let coded = coded(&parts, coding).concat();
                let pieces: Vec<Vec<u8>> = coded.chunks(size).map(<[u8]>::to_vec).collect();
                prop_assert_eq!(undone(&pieces, coding).unwrap().concat(), parts.concat());
            }
        }

        #[test]
        fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            for coding in ALL {
                let mut undo = Undo::new(&[coding], 1 << 16).unwrap();
                for piece in bytes.chunks(7) {
                    if undo.push(piece).is_err() {
                        break;
                    }
                }
            }
        }
    }
}
