//! One record by its number, and how it stands in the chain.

use std::io;

use serde::Serialize;

use super::backward::Backward;
use super::chain::{Head, Link, Problem};
use super::checkpoint::{self, Checkpoint, Entry};
use super::files::{self, LogPath};
use super::keys::LogKeys;
use super::lines::{Line, Lines};
use super::settings::Settings;

/// Most records that are read behind one to reach a checkpoint. A checkpoint is due every 10,000.
const MOST_FOLLOWED: u64 = 50_000;

/// A record and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundRecord {
    /// The line of the log, without line break.
    pub line: String,
    /// How it stands.
    pub place: ChainPlace,
}

/// How a record stands in its chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChainPlace {
    /// What it comes to.
    pub state: ChainState,
    /// Which chain of the folder.
    pub lineage: u32,
    /// Its bytes give its hash under the log's key.
    pub sealed: bool,
    /// It holds the hash of the record before it. `None` where that one is not there any more.
    pub continues: Option<bool>,
    /// The record after it holds its hash; `None` while it is the last.
    pub continued: Option<bool>,
    /// The signed checkpoint at or behind it up to which every record was read and found in order.
    pub checkpoint: Option<u64>,
    /// The first thing that is wrong.
    pub problem: Option<String>,
}

/// What is known of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ChainState {
    /// In order, and so is everything up to a signed checkpoint behind it.
    Verified,
    /// In order; no signed checkpoint behind it was reached.
    Chained,
    /// It, or what it hangs on, was changed.
    Broken,
}

/// The record of this number. Several chains have one during an upgrade in place: then the one
/// with this hash, or without a hash that of the first chain. Reads files: not for a thread that
/// serves requests.
///
/// # Errors
/// The log can't be read.
pub fn find(
    settings: &Settings,
    keys: &LogKeys,
    seq: u64,
    hash: Option<&str>,
) -> io::Result<Option<FoundRecord>> {
    // Checkpoints first: a log that is in use only grows beyond what they say.
    let checkpoints = checkpoint::read(&settings.checkpoints, keys)?;
    for (lineage, paths) in files::list(&settings.directory)? {
        let anchors = checkpoints
            .iter()
            .filter_map(|entry| match entry {
                Entry::Signed(checkpoint) if checkpoint.lineage == lineage => Some(checkpoint),
                Entry::Signed(_) | Entry::Forged { .. } => None,
            })
            .collect();
        let mut search = Search {
            keys,
            anchors,
            lineage,
            seq,
            hash,
        };
        if let Some(found) = search.among(&paths)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// A search in one chain.
struct Search<'search> {
    keys: &'search LogKeys,
    anchors: Vec<&'search Checkpoint>,
    lineage: u32,
    seq: u64,
    hash: Option<&'search str>,
}

impl Search<'_> {
    fn among(&mut self, paths: &[LogPath]) -> io::Result<Option<FoundRecord>> {
        let Some(start) = self.file_of(paths)? else {
            return Ok(None);
        };
        let (earlier, paths) = paths.split_at(start);
        let mut before = match earlier.last() {
            Some(path) => last_head(path)?,
            None => Some(Head::GENESIS),
        };
        let mut paths = paths.iter();
        let Some(path) = paths.next() else {
            return Ok(None);
        };
        let mut lines = Lines::open(&path.path)?;
        loop {
            let Some(line) = lines.next()? else {
                // A file whose first line was changed does not say that the record is in it.
                let Some(path) = paths.next() else {
                    return Ok(None);
                };
                lines = Lines::open(&path.path)?;
                continue;
            };
            let Some((line, link)) = whole(&line) else {
                before = None;
                continue;
            };
            if link.seq > self.seq {
                // Nobody but the log itself says that what was looked for is not there.
                if link.check(self.keys).is_ok() {
                    return Ok(None);
                }
                before = None;
                continue;
            }
            if link.seq == self.seq {
                if self.hash.is_some_and(|hash| hash.as_bytes() != link.hash) {
                    // Somebody may have put it before the one that is looked for.
                    before = None;
                    continue;
                }
                let mut place = self.placed(&link, before);
                let head = link.head();
                let line = String::from_utf8_lossy(line).into_owned();
                self.follow(head, &mut place, lines, paths)?;
                return Ok(Some(FoundRecord { line, place }));
            }
            before = Some(link.head());
        }
    }

    /// The last file that does not begin behind the record.
    fn file_of(&self, paths: &[LogPath]) -> io::Result<Option<usize>> {
        for (index, path) in paths.iter().enumerate().rev() {
            let mut lines = Lines::open(&path.path)?;
            if let Some(line) = lines.next()?
                && whole(&line).is_some_and(|(_, link)| link.seq <= self.seq)
            {
                return Ok(Some(index));
            }
        }
        Ok(None)
    }

    /// What the record and the one before it say.
    fn placed(&self, link: &Link<'_>, before: Option<Head>) -> ChainPlace {
        let mut place = ChainPlace {
            state: ChainState::Chained,
            lineage: self.lineage,
            sealed: link.check(self.keys).is_ok(),
            continues: None,
            continued: None,
            checkpoint: None,
            problem: None,
        };
        if let Err(problem) = link.check(self.keys) {
            place.broken(&problem);
        }
        let vouched = |anchor: &&&Checkpoint| anchor.head.seq + 1 == link.seq;
        // Older files may have been archived; the checkpoint that was made then stands for them.
        let before = match before {
            Some(Head { seq: 0, .. }) if link.seq > 1 => {
                self.anchors.iter().find(vouched).map(|anchor| anchor.head)
            }
            before => before,
        };
        if let Some(before) = before {
            let follows = link.follows(&before);
            place.continues = Some(follows.is_ok());
            if let Err(problem) = follows {
                place.broken(&problem);
            }
        }
        place
    }

    /// Reads on to the next checkpoint.
    fn follow(
        &self,
        mut head: Head,
        place: &mut ChainPlace,
        mut lines: Lines,
        mut paths: std::slice::Iter<'_, LogPath>,
    ) -> io::Result<()> {
        for _ in 0..MOST_FOLLOWED {
            if let Some(anchor) = self.anchors.iter().find(|it| it.head.seq == head.seq) {
                if anchor.head.hash != head.hash {
                    place.broken(&Problem::ContradictsCheckpoint);
                } else if place.state == ChainState::Chained {
                    place.checkpoint = Some(head.seq);
                    place.state = ChainState::Verified;
                }
                if place.continued.is_some() {
                    return Ok(());
                }
            }
            let problem = loop {
                break match lines.next()? {
                    None => match paths.next() {
                        Some(path) => {
                            lines = Lines::open(&path.path)?;
                            continue;
                        }
                        None => return Ok(()),
                    },
                    // The end of a file that is being written.
                    Some(Line::Torn) => return Ok(()),
                    Some(line) => match whole(&line) {
                        Some((_, link)) => {
                            let follows = link.follows(&head).and_then(|()| link.check(self.keys));
                            place.continued.get_or_insert(link.follows(&head).is_ok());
                            head = link.head();
                            follows.err()
                        }
                        None => Some(Problem::Malformed),
                    },
                };
            };
            // A record that has its checkpoint is vouched for, whatever comes behind that.
            if place.state == ChainState::Verified {
                return Ok(());
            }
            if let Some(problem) = problem {
                place.broken(&problem);
                return Ok(());
            }
        }
        Ok(())
    }
}

impl ChainPlace {
    fn broken(&mut self, problem: &Problem) {
        self.state = ChainState::Broken;
        self.problem.get_or_insert_with(|| problem.to_string());
    }
}

fn whole<'line>(line: &Line<'line>) -> Option<(&'line [u8], Link<'line>)> {
    match line {
        Line::Whole(line) => Some((line, Link::parse(line)?)),
        Line::Torn | Line::TooLong => None,
    }
}

fn last_head(path: &LogPath) -> io::Result<Option<Head>> {
    let last = Backward::open(&path.path, None)?.next()?;
    Ok(last.and_then(|(_, line)| Link::parse(&line).map(|link| link.head())))
}
