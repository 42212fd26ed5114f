//! Records as they come onto the disk, for whoever watches.
//!
//! The writing thread hands on what it has committed and waits for nobody. Who reads too slowly
//! finds that the oldest pieces are gone, and is told how many records that were: their numbers
//! have no gaps.

use std::sync::Arc;

use tokio::sync::broadcast;

use super::chain::Link;
use super::filter::{Facets, Filter, Matcher};

/// Pieces that are kept for slow readers.
const PIECES: usize = 64;
/// Size of a piece, in bytes, if it has more than one record.
const PIECE: usize = 64 << 10;

/// Where followers are told.
#[derive(Debug)]
pub(super) struct Followers(broadcast::Sender<Arc<[u8]>>);

/// Somebody who watches.
#[derive(Debug)]
pub struct Following {
    pieces: broadcast::Receiver<Arc<[u8]>>,
    piece: Arc<[u8]>,
    at: usize,
    matcher: Matcher,
    expected: Option<u64>,
    /// The line that a gap was found before.
    held: Option<String>,
}

/// What a watcher is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Followed {
    /// A record that matches: its line, without line break.
    Record(String),
    /// So many records, whether they match or not, came faster than they were read.
    Missed(u64),
}

impl Followers {
    pub(super) fn new() -> Self {
        Self(broadcast::Sender::new(PIECES))
    }

    /// Tells of lines that are on disk. Costs one load while nobody watches.
    pub(super) fn tell(&self, lines: &[u8]) {
        if self.0.receiver_count() == 0 {
            return;
        }
        let mut rest = lines;
        while !rest.is_empty() {
            let (piece, left) = rest.split_at(end_of_piece(rest));
            // The last watcher may have left.
            let _ = self.0.send(piece.into());
            rest = left;
        }
    }

    /// Watches what comes from here on.
    pub(super) fn follow(&self, filter: &Filter) -> Following {
        Following {
            pieces: self.0.subscribe(),
            piece: Arc::default(),
            at: 0,
            matcher: Matcher::new(filter),
            expected: None,
            held: None,
        }
    }
}

/// The last end of a line within a piece's size, or the first end of all.
fn end_of_piece(lines: &[u8]) -> usize {
    let is_end = |byte: &u8| *byte == b'\n';
    let within = lines.get(..PIECE).unwrap_or(lines);
    let end = match within.iter().rposition(is_end) {
        Some(end) => Some(end),
        None => lines.iter().position(is_end),
    };
    end.map_or(lines.len(), |end| end + 1)
}

impl Following {
    /// The next record that matches, or how many were missed; `None` once the log is closed. Nothing
    /// is lost when it is dropped and asked anew.
    pub async fn next(&mut self) -> Option<Followed> {
        loop {
            if let Some(line) = self.held.take() {
                return Some(Followed::Record(line));
            }
            while let Some(line) = self.line() {
                if let Some(shown) = self.shown(&line) {
                    return Some(shown);
                }
            }
            match self.pieces.recv().await {
                Ok(piece) => {
                    self.piece = piece;
                    self.at = 0;
                }
                // The numbers say how many records that were.
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }

    fn line(&mut self) -> Option<Vec<u8>> {
        let rest = self.piece.get(self.at..)?;
        let end = rest.iter().position(|byte| *byte == b'\n')?;
        self.at += end + 1;
        rest.get(..end).map(<[u8]>::to_vec)
    }

    fn shown(&mut self, line: &[u8]) -> Option<Followed> {
        let seq = Link::parse(line)?.seq;
        let missed = self
            .expected
            .map_or(0, |expected| seq.saturating_sub(expected));
        self.expected = Some(seq + 1);
        let matches = Facets::of(line).is_some_and(|facets| self.matcher.matches(&facets));
        let record = matches.then(|| String::from_utf8_lossy(line).into_owned());
        if missed > 0 {
            self.held = record;
            return Some(Followed::Missed(missed));
        }
        record.map(Followed::Record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::chain::{Head, seal};
    use crate::audit::keys::LogKeys;
    use crate::audit::{LogSecret, SecretSource};

    fn log(records: usize) -> Vec<u8> {
        let secret = LogSecret::parse(&"ab".repeat(32)).unwrap();
        let keys = LogKeys::load(&SecretSource::Given(secret)).unwrap();
        let (mut lines, mut head) = (Vec::new(), Head::GENESIS);
        for number in 0..records {
            let (tenant, reason) = match number % 2 {
                0 => ("acme", "ok"),
                _ => ("globex", "not_found"),
            };
            let body = format!(
                "\"ts\":\"2026-11-21T10:00:00.000000Z\",\"tenant_id\":\"{tenant}\",\
                 \"route\":\"chat\",\"decision\":\"permit\",\"reason\":\"{reason}\",\
                 \"filling\":\"{}\"",
                "x".repeat(2_000)
            );
            head = seal(&keys, head, body.as_bytes(), &mut lines);
        }
        lines
    }

    fn seqs(shown: &[Followed]) -> Vec<u64> {
        let seq = |shown: &Followed| match shown {
            Followed::Record(line) => Link::parse(line.as_bytes()).map(|link| link.seq),
            Followed::Missed(_) => None,
        };
        shown.iter().filter_map(seq).collect()
    }

    async fn rest(followers: Followers, mut following: Following) -> Vec<Followed> {
        drop(followers);
        let mut shown = Vec::new();
        while let Some(next) = following.next().await {
            shown.push(next);
        }
        shown
    }

    #[tokio::test]
    async fn a_watcher_sees_what_matches_in_order() {
        let followers = Followers::new();
        followers.tell(&log(3));
        let following = followers.follow(&Filter {
            reason: Some("not_found".to_owned()),
            route: Some("chat".to_owned()),
            ..Filter::default()
        });
        followers.tell(&log(100));
        let shown = rest(followers, following).await;
        let expected: Vec<u64> = (2..=100).step_by(2).collect();
        assert_eq!(seqs(&shown), expected, "records from before are not shown");
        assert_eq!(shown.len(), 50);
    }

    #[tokio::test]
    async fn who_reads_too_slowly_is_told_how_many_records_are_gone() {
        let followers = Followers::new();
        let mut following = followers.follow(&Filter::default());
        let lines = log(3_000);
        let first = lines.split_inclusive(|byte| *byte == b'\n').next().unwrap();
        followers.tell(first);
        assert_eq!(seqs(&[following.next().await.unwrap()]), [1]);
        followers.tell(lines.get(first.len()..).unwrap());
        let shown = rest(followers, following).await;
        let Some(Followed::Missed(missed)) = shown.first() else {
            panic!("{:?}", shown.first());
        };
        let seqs = seqs(&shown);
        assert!(*missed > 100, "{missed}");
        assert_eq!(seqs.first(), Some(&(missed + 2)));
        assert_eq!(seqs.last(), Some(&3_000));
        assert_eq!(
            missed + 1 + seqs.len() as u64,
            3_000,
            "none is missed unsaid"
        );
    }
}
