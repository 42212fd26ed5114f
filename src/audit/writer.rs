//! The thread that writes.
//!
//! It takes what waits every flush interval, or when it is woken, and keeps what it could not
//! write for the next attempt. Order on disk: file trouble first, then the waiting records, then
//! the `gap` that tells of those that found no room, then a checkpoint if one is due.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::chain::Head;
use super::checkpoint::Checkpoint;
use super::event::Event;
use super::follow::Followers;
use super::health::Health;
use super::intake::{Intake, push_body};
use super::journal::Journal;
use super::keys::LogKeys;
use super::settings::Settings;
use crate::clock::SharedClock;

/// Largest capacity the queue keeps once it is empty.
const KEEP_BYTES: usize = 8 << 20;

/// When and where checkpoints are written.
#[derive(Debug)]
pub(super) struct Anchoring {
    path: PathBuf,
    keys: Arc<LogKeys>,
    every_records: u64,
    every: Duration,
    last: Checkpoint,
    at: Instant,
}

impl Anchoring {
    /// `last` was just written.
    pub(super) fn new(settings: &Settings, keys: Arc<LogKeys>, last: Checkpoint) -> Self {
        Self {
            path: settings.checkpoints.clone(),
            keys,
            every_records: settings.checkpoint_records,
            every: settings.checkpoint_interval,
            last,
            at: Instant::now(),
        }
    }

    fn is_due(&self, head: Head) -> bool {
        let records = head.seq - self.last.head.seq;
        records >= self.every_records || (records > 0 && self.at.elapsed() >= self.every)
    }

    fn anchor(&mut self, head: Head, clock: &SharedClock) -> io::Result<()> {
        if head == self.last.head {
            return Ok(());
        }
        let checkpoint = Checkpoint {
            head,
            ..self.last.clone()
        };
        checkpoint.append(&self.path, &self.keys, clock.now())?;
        // A copy in the process's own log: whoever collects that has a third place.
        tracing::info!(
            log_id = checkpoint.log_id,
            lineage = checkpoint.lineage,
            seq = head.seq,
            head = head.hash_text(),
            "audit checkpoint"
        );
        self.last = checkpoint;
        self.at = Instant::now();
        Ok(())
    }
}

/// State of the writing thread.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) journal: Journal,
    pub(super) anchoring: Anchoring,
    pub(super) intake: Arc<Intake>,
    pub(super) health: Arc<Health>,
    pub(super) followers: Arc<Followers>,
    pub(super) clock: SharedClock,
    /// JSON text of the instance's name.
    pub(super) instance: Arc<[u8]>,
    pub(super) interval: Duration,
    /// How long the end of the process waits for a disk that fails.
    pub(super) patience: Duration,
    pub(super) queue: Vec<u8>,
}

impl Writer {
    /// Writes until told to stop.
    pub(super) fn run(mut self) {
        let _announce = AnnounceEnd(Arc::clone(&self.health));
        let mut spare = Vec::new();
        let mut sweep = 0;
        let mut stopping_since = None;
        loop {
            let stopping = self.intake.wait(if stopping_since.is_some() {
                // `wait` answers at once when stopping; the retries still keep a distance.
                std::thread::sleep(self.interval.min(Duration::from_millis(50)));
                Duration::ZERO
            } else {
                self.interval
            });
            sweep += 1;
            self.intake.take(sweep, &mut self.queue, &mut spare);
            let written = self.flush(sweep, stopping);
            if stopping {
                let since = stopping_since.get_or_insert_with(Instant::now);
                if written || since.elapsed() >= self.patience {
                    break;
                }
            }
        }
        if !self.queue.is_empty() {
            tracing::error!(
                bytes = self.queue.len(),
                "audit records are lost: the disk did not take them before the end"
            );
        }
    }

    fn flush(&mut self, sweep: u64, last: bool) -> bool {
        let idle = self.queue.is_empty()
            && self.health.unreported_gap().is_none()
            && !self.anchoring.is_due(self.journal.head())
            && !last;
        if idle {
            self.health.publish(|progress| progress.durable = sweep);
            return true;
        }
        let began = Instant::now();
        self.health.write_begins();
        let outcome = self.write(last);
        self.health.write_ends();
        self.health
            .last_flush_us
            .store(began.elapsed().as_micros() as u64, Ordering::Relaxed);
        match outcome {
            Ok(()) => {
                self.health.publish(|progress| {
                    if progress.failing {
                        tracing::info!("the audit log can be written again");
                    }
                    progress.durable = sweep;
                    progress.failing = false;
                });
                true
            }
            Err(error) => {
                self.health.failed_flushes.fetch_add(1, Ordering::Relaxed);
                self.health.publish(|progress| {
                    if !progress.failing {
                        tracing::error!(%error, "the audit log can't be written");
                    }
                    progress.failing = true;
                });
                false
            }
        }
    }

    fn write(&mut self, last: bool) -> io::Result<()> {
        if let Some(file) = self.journal.prepare()? {
            tracing::warn!(file, "the audit log's file was taken away");
            self.write_event(&Event::FileReplaced { file: &file })?;
        }
        let mut done = 0;
        let outcome = loop {
            if done == self.queue.len() {
                break Ok(());
            }
            if self.journal.full() {
                self.anchor();
                if let Err(error) = self.journal.next_file() {
                    break Err(error);
                }
            }
            match self
                .journal
                .commit(self.queue.get(done..).unwrap_or_default())
            {
                Ok(committed) => {
                    done += committed.bytes;
                    self.intake.done(committed.bytes);
                    self.followers.tell(self.journal.committed());
                    self.health
                        .written
                        .fetch_add(committed.records, Ordering::Relaxed);
                }
                Err(error) => break Err(error),
            }
        };
        self.queue.drain(..done);
        self.queue.shrink_to(KEEP_BYTES);
        outcome?;
        if let Some(gap) = self.health.unreported_gap() {
            self.write_event(&gap)?;
            if let Event::Gap { lost, .. } = gap {
                self.health.gap_reported(lost);
            }
        }
        if last || self.anchoring.is_due(self.journal.head()) {
            self.anchor();
        }
        Ok(())
    }

    /// Writes an event past the queue: it tells of the disk, so it has to be there first.
    fn write_event(&mut self, event: &Event<'_>) -> io::Result<()> {
        let mut body = Vec::new();
        event.write_body(self.clock.now(), &mut body, &self.instance);
        let mut queue = Vec::new();
        push_body(&mut queue, &body);
        let committed = self.journal.commit(&queue)?;
        self.followers.tell(self.journal.committed());
        self.health
            .written
            .fetch_add(committed.records, Ordering::Relaxed);
        Ok(())
    }

    /// A checkpoint that fails is tried again; it does not stop the log, whose records are safe.
    fn anchor(&mut self) {
        if let Err(error) = self.anchoring.anchor(self.journal.head(), &self.clock) {
            self.health
                .failed_checkpoints
                .fetch_add(1, Ordering::Relaxed);
            tracing::error!(%error, "an audit checkpoint can't be written");
        }
    }
}

/// However the thread ends, by panic too, nobody waits for it or trusts it any longer.
#[derive(Debug)]
struct AnnounceEnd(Arc<Health>);

impl Drop for AnnounceEnd {
    fn drop(&mut self) {
        self.0.publish(|progress| progress.ended = true);
    }
}
