//! Whether a log is whole: every record as it was sealed, in its place, up to where it must reach.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::chain::{Head, HexHash, Link, Problem};
use super::checkpoint::{self, Checkpoint, Entry};
use super::files::{self, LogPath};
use super::keys::{KeyError, LogKeys};
use super::lines::{Line, Lines};
use super::settings::Settings;

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Records that are in order.
    pub records: u64,
    /// Checkpoints whose signature is good.
    pub checkpoints: u64,
    /// Each chain.
    pub lineages: Vec<LineageReport>,
    /// The first thing wrong, by lineage and place.
    pub first_bad: Option<Bad>,
}

impl Report {
    /// Whether nothing is wrong.
    pub fn is_good(&self) -> bool {
        self.first_bad.is_none()
    }
}

/// One chain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LineageReport {
    /// Its number in the folder.
    pub lineage: u32,
    /// Its id.
    pub log_id: Option<String>,
    /// Number of the first record that is there.
    pub first_seq: u64,
    /// Number of the last good record.
    pub last_seq: u64,
    /// Number of the last record a checkpoint names; what lies behind it is chained but not anchored.
    pub anchored_seq: u64,
    /// The last file ends in half a record: it is being written, or the process was killed and the
    /// next start will put that half aside.
    pub torn_tail: bool,
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Bad {
    /// Where.
    pub file: PathBuf,
    /// Line, from 1; 0 for the file as a whole.
    pub line: u64,
    /// Number the record there has, or should have.
    pub seq: u64,
    /// What.
    #[serde(serialize_with = "as_text")]
    pub problem: Problem,
}

/// Why nothing could be verified.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The folder or a file can't be read.
    #[error("`{}` can't be read", path.display())]
    Io {
        /// What.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// There is no key.
    #[error("the audit log has no key")]
    Key(#[from] KeyError),
}

/// Reads the whole log and its checkpoints. The log may be in use.
///
/// A log whose oldest files were archived is good if a checkpoint names the record before its
/// first one, as each rotation leaves one.
///
/// # Errors
/// Something can't be read. What is wrong with the log is in the report.
pub fn verify(settings: &Settings) -> Result<Report, VerifyError> {
    verify_watched(settings, &|_bytes, _of| {})
}

/// As [`verify`]; `watch` is told of each record how many bytes it has, and how many the files had
/// together when the reading began.
///
/// # Errors
/// As of [`verify`].
pub fn verify_watched(
    settings: &Settings,
    watch: &dyn Fn(u64, u64),
) -> Result<Report, VerifyError> {
    let keys = LogKeys::load(&settings.secret)?;
    // Checkpoints first: a log that is in use only grows beyond what they say.
    let (anchors, forged) = anchors(&settings.checkpoints, &keys)?;
    let mut lineages = files::list(&settings.directory).map_err(|source| VerifyError::Io {
        path: settings.directory.clone(),
        source,
    })?;
    for lineage in anchors.keys() {
        lineages.entry(*lineage).or_default();
    }

    let mut report = Report {
        checkpoints: anchors.values().map(|own| own.len() as u64).sum(),
        ..Report::default()
    };
    let none = Vec::new();
    let sizes = lineages.values().flatten().map(|path| size(&path.path));
    let all = sizes.sum();
    let watch = |bytes: u64| watch(bytes, all);
    for (lineage, paths) in &lineages {
        let anchors = anchors.get(lineage).unwrap_or(&none);
        let mut check = LineageCheck::new(&keys, *lineage, anchors, &watch);
        let bad = check.run(&settings.directory, paths)?;
        report.records += check.good;
        report.lineages.push(check.report);
        report.first_bad = report.first_bad.or(bad);
    }
    report.first_bad = report.first_bad.or(forged);
    Ok(report)
}

/// What can't be read is told when it is its turn.
fn size(path: &Path) -> u64 {
    path.metadata().map_or(0, |metadata| metadata.len())
}

type Anchors = BTreeMap<u32, Vec<Checkpoint>>;

fn anchors(path: &Path, keys: &LogKeys) -> Result<(Anchors, Option<Bad>), VerifyError> {
    let entries = checkpoint::read(path, keys).map_err(|source| VerifyError::Io {
        path: path.to_owned(),
        source,
    })?;
    let mut anchors = Anchors::new();
    let mut forged = None;
    for entry in entries {
        match entry {
            Entry::Signed(checkpoint) => {
                anchors
                    .entry(checkpoint.lineage)
                    .or_default()
                    .push(checkpoint);
            }
            Entry::Forged { line } => {
                forged.get_or_insert(Bad {
                    file: path.to_owned(),
                    line,
                    seq: 0,
                    problem: Problem::ForgedCheckpoint,
                });
            }
        }
    }
    Ok((anchors, forged))
}

/// The walk over one chain.
struct LineageCheck<'check> {
    keys: &'check LogKeys,
    anchors: &'check [Checkpoint],
    watch: &'check dyn Fn(u64),
    by_seq: BTreeMap<u64, HexHash>,
    head: Option<Head>,
    good: u64,
    report: LineageReport,
}

impl<'check> LineageCheck<'check> {
    fn new(
        keys: &'check LogKeys,
        lineage: u32,
        anchors: &'check [Checkpoint],
        watch: &'check dyn Fn(u64),
    ) -> Self {
        Self {
            keys,
            anchors,
            watch,
            by_seq: anchors
                .iter()
                .map(|anchor| (anchor.head.seq, anchor.head.hash))
                .collect(),
            head: None,
            good: 0,
            report: LineageReport {
                lineage,
                log_id: anchors.first().map(|anchor| anchor.log_id.clone()),
                anchored_seq: anchors
                    .iter()
                    .map(|anchor| anchor.head.seq)
                    .max()
                    .unwrap_or(0),
                ..LineageReport::default()
            },
        }
    }

    fn run(&mut self, directory: &Path, paths: &[LogPath]) -> Result<Option<Bad>, VerifyError> {
        for (index, path) in paths.iter().enumerate() {
            let last = index + 1 == paths.len();
            if let Some(bad) = self.file(&path.path, last)? {
                return Ok(Some(bad));
            }
        }
        let place = paths.last().map_or(directory, |path| &path.path);
        Ok(self.end().map(|problem| Bad {
            file: place.to_owned(),
            line: 0,
            seq: self.report.last_seq + 1,
            problem,
        }))
    }

    fn file(&mut self, path: &Path, last: bool) -> Result<Option<Bad>, VerifyError> {
        let io_error = |source| VerifyError::Io {
            path: path.to_owned(),
            source,
        };
        let mut lines = Lines::open(path).map_err(io_error)?;
        loop {
            let expected = self.head.map_or(1, |head| head.seq + 1);
            let problem = match lines.next().map_err(io_error)? {
                None => return Ok(None),
                Some(Line::Torn) if last => {
                    self.report.torn_tail = true;
                    return Ok(None);
                }
                Some(Line::Torn | Line::TooLong) => Problem::Malformed,
                Some(Line::Whole(line)) => match self.record(line) {
                    Ok(()) => continue,
                    Err(problem) => problem,
                },
            };
            return Ok(Some(Bad {
                file: path.to_owned(),
                line: lines.count(),
                seq: expected,
                problem,
            }));
        }
    }

    fn record(&mut self, line: &[u8]) -> Result<(), Problem> {
        let link = Link::parse(line).ok_or(Problem::Malformed)?;
        link.check(self.keys)?;
        match &self.head {
            Some(head) => link.follows(head)?,
            None => self.beginning(&link, line)?,
        }
        let head = link.head();
        match self.by_seq.get(&head.seq) {
            Some(hash) if *hash != head.hash => return Err(Problem::ContradictsCheckpoint),
            Some(_) | None => {}
        }
        self.head = Some(head);
        self.report.last_seq = head.seq;
        self.good += 1;
        (self.watch)(line.len() as u64 + 1);
        Ok(())
    }

    fn beginning(&mut self, link: &Link<'_>, line: &[u8]) -> Result<(), Problem> {
        self.report.first_seq = link.seq;
        if link.seq == 1 {
            link.follows(&Head::GENESIS)?;
            let named = genesis_log_id(line);
            let same = match &self.report.log_id {
                Some(anchored) => named.as_ref() == Some(anchored),
                None => true,
            };
            self.report.log_id = named;
            return if same { Ok(()) } else { Err(Problem::OtherLog) };
        }
        let vouched = link
            .seq
            .checked_sub(1)
            .and_then(|before| self.by_seq.get(&before));
        if vouched == Some(link.prev) {
            Ok(())
        } else {
            Err(Problem::NoBeginning)
        }
    }

    fn end(&self) -> Option<Problem> {
        let reached = self.head.map_or(0, |head| head.seq);
        let ids_agree = self
            .anchors
            .iter()
            .all(|anchor| Some(&anchor.log_id) == self.report.log_id.as_ref());
        if self.report.anchored_seq > reached {
            Some(Problem::CutOff {
                checkpoint: self.report.anchored_seq,
            })
        } else if self.anchors.is_empty() && reached > 0 {
            Some(Problem::NoCheckpoint)
        } else if !ids_agree {
            Some(Problem::OtherLog)
        } else {
            None
        }
    }
}

fn genesis_log_id(line: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Genesis {
        log_id: String,
    }
    serde_json::from_slice::<Genesis>(line)
        .ok()
        .map(|genesis| genesis.log_id)
}

fn as_text<S: serde::Serializer>(problem: &Problem, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(problem)
}
