//! Reading an HTTP/1 request head off a connection, before pingora's parser sees it.
//!
//! pingora 0.9.1 has a timeout per read and none for the head as a whole, takes heads of 1 MiB,
//! accepts a bare LF as a line end, and drops `Content-Length` beside `Transfer-Encoding` before any
//! callback runs. Reading the head here gives one deadline for all of it, a size limit, and the raw
//! bytes for [`crate::pipeline::framing`]. What was read is handed to pingora as the beginning of
//! its buffer, so nothing is parsed twice but the head itself.

use std::time::Duration;

use bytes::BytesMut;
use pingora::protocols::Stream;
use pingora::server::ShutdownWatch;
use pingora_timeout::fast_timeout::fast_timeout;
use tokio::io::AsyncReadExt;

/// Largest head in bytes, request line and all.
pub(super) const MAX_HEAD: usize = 64 * 1024;

/// Room for one read; most heads fit whole.
const READ_SIZE: usize = 4 * 1024;

/// How long a connection may be silent, and how long a head may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct HeadDeadlines {
    /// From the beginning of the wait to the first byte.
    pub(super) first_byte: Duration,
    /// From the first byte to the blank line.
    pub(super) whole_head: Duration,
}

/// What came of reading a head.
#[derive(Debug)]
pub(super) enum HeadRead {
    /// A head of this many bytes stands at the front of the buffer; the rest is body.
    Complete {
        /// Head and what was read beyond it.
        buffer: BytesMut,
        /// Length of the head with its blank line.
        head_length: usize,
    },
    /// The client closed the connection, or said nothing for too long. Nothing to answer.
    Gone,
    /// The client began a head and did not end it in time.
    TooSlow,
    /// The head is larger than [`MAX_HEAD`].
    TooLarge,
}

/// Reads one head.
///
/// On shutdown an idle connection is not cut at once: a request that is already under way would be
/// lost without an answer. It gets `linger` more to begin its request, is served, and told to close.
pub(super) async fn read_head(
    stream: &mut Stream,
    deadlines: HeadDeadlines,
    shutdown: &mut ShutdownWatch,
    linger: Duration,
) -> HeadRead {
    let mut buffer = BytesMut::with_capacity(READ_SIZE);
    if !first_bytes(stream, &mut buffer, deadlines.first_byte, shutdown, linger).await {
        return HeadRead::Gone;
    }
    match head_end(&buffer, 0) {
        Some(head_length) => HeadRead::Complete {
            buffer,
            head_length,
        },
        None => match fast_timeout(deadlines.whole_head, rest_of_head(stream, buffer)).await {
            Ok(read) => read,
            Err(_elapsed) => HeadRead::TooSlow,
        },
    }
}

/// Waits for the first bytes; false when none come.
async fn first_bytes(
    stream: &mut Stream,
    buffer: &mut BytesMut,
    wait: Duration,
    shutdown: &mut ShutdownWatch,
    linger: Duration,
) -> bool {
    let stopping = *shutdown.borrow();
    if stopping {
        let read = fast_timeout(linger.min(wait), stream.read_buf(buffer)).await;
        return matches!(read, Ok(Ok(count)) if count > 0);
    }
    tokio::select! {
        biased;
        read = fast_timeout(wait, stream.read_buf(buffer)) => {
            return matches!(read, Ok(Ok(count)) if count > 0);
        }
        _ = shutdown.changed() => {}
    }
    let read = fast_timeout(linger.min(wait), stream.read_buf(buffer)).await;
    matches!(read, Ok(Ok(count)) if count > 0)
}

async fn rest_of_head(stream: &mut Stream, mut buffer: BytesMut) -> HeadRead {
    loop {
        if buffer.len() > MAX_HEAD {
            return HeadRead::TooLarge;
        }
        // A terminator may straddle two reads: look again at the last three bytes.
        let scanned = buffer.len().saturating_sub(3);
        buffer.reserve(READ_SIZE);
        match stream.read_buf(&mut buffer).await {
            Ok(count) if count > 0 => {}
            Ok(_) | Err(_) => return HeadRead::Gone,
        }
        if let Some(head_length) = head_end(&buffer, scanned) {
            return HeadRead::Complete {
                buffer,
                head_length,
            };
        }
    }
}

/// Length of the head at the front of `bytes`, found at or after `from`.
///
/// An empty line ends it whether its line ends are CRLF or bare LF: a head that mixes them is
/// refused later, and must not be waited for until the deadline.
fn head_end(bytes: &[u8], from: usize) -> Option<usize> {
    let tail = bytes.get(from..)?;
    memchr::memchr_iter(b'\n', tail).find_map(|at| {
        let after = tail.get(at + 1..)?;
        match after {
            [b'\n', ..] => Some(from + at + 2),
            [b'\r', b'\n', ..] => Some(from + at + 3),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_ends_at_its_first_empty_line() {
        assert_eq!(
            head_end(b"GET / HTTP/1.1\r\nHost: a\r\n\r\nbody", 0),
            Some(27)
        );
        assert_eq!(head_end(b"GET / HTTP/1.1\nHost: a\n\nbody", 0), Some(24));
        assert_eq!(head_end(b"GET / HTTP/1.1\r\nHost: a\r\n", 0), None);
    }

    #[test]
    fn a_terminator_that_straddles_two_reads_is_found() {
        let whole = b"GET / HTTP/1.1\r\n\r\n";
        for cut in 1..whole.len() {
            let scanned = cut.saturating_sub(3);
            assert_eq!(head_end(whole, scanned), Some(whole.len()), "cut at {cut}");
        }
    }
}
