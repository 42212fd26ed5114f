//! What threads can see of the writer: how far it is and whether it gets anywhere.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::event::Event;
use super::intake::Ticket;
use crate::clock::Timestamp;

/// The log can't be written; answered as `audit_unavailable`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the audit log can't be written")]
pub struct AuditUnavailable;

/// Figures for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AuditStats {
    /// Records on disk, written by this process.
    pub written: u64,
    /// Records that could not be kept.
    pub lost: u64,
    /// Attempts to write that failed.
    pub failed_flushes: u64,
    /// Checkpoints that could not be written.
    pub failed_checkpoints: u64,
    /// How long the last write and sync took, in microseconds.
    pub last_flush_us: u64,
    /// Bytes of records that are not on disk.
    pub waiting_bytes: u64,
    /// Whether the log can be written.
    pub healthy: bool,
}

/// How far the writer is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Progress {
    /// The last sweep of which all records are on disk.
    pub(super) durable: u64,
    /// The last attempt failed.
    pub(super) failing: bool,
    /// The thread has ended.
    pub(super) ended: bool,
}

/// Shared between the writer and everybody else.
#[derive(Debug)]
pub(super) struct Health {
    started: Instant,
    stall: Duration,
    failing: AtomicBool,
    /// Milliseconds after `started` at which the running write began, plus 1; 0 if none runs.
    busy_since: AtomicU64,
    pub(super) written: AtomicU64,
    pub(super) failed_flushes: AtomicU64,
    pub(super) failed_checkpoints: AtomicU64,
    pub(super) last_flush_us: AtomicU64,
    lost: AtomicU64,
    unreported: AtomicU64,
    unreported_since: AtomicI64,
    progress: watch::Sender<Progress>,
    mirror: Mutex<Progress>,
    moved: Condvar,
}

impl Health {
    pub(super) fn new(stall: Duration) -> Self {
        Self {
            started: Instant::now(),
            stall,
            failing: AtomicBool::new(false),
            busy_since: AtomicU64::new(0),
            written: AtomicU64::new(0),
            failed_flushes: AtomicU64::new(0),
            failed_checkpoints: AtomicU64::new(0),
            last_flush_us: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            unreported: AtomicU64::new(0),
            unreported_since: AtomicI64::new(0),
            progress: watch::Sender::new(Progress::default()),
            mirror: Mutex::default(),
            moved: Condvar::new(),
        }
    }

    /// Whether the last write succeeded and no write is stuck. Asks for the time only while a
    /// write runs.
    pub(super) fn is_healthy(&self) -> bool {
        if self.failing.load(Ordering::Acquire) {
            return false;
        }
        let since = self.busy_since.load(Ordering::Relaxed);
        since == 0 || self.elapsed_ms().saturating_sub(since - 1) < self.stall.as_millis() as u64
    }

    pub(super) fn write_begins(&self) {
        self.busy_since
            .store(self.elapsed_ms() + 1, Ordering::Relaxed);
    }

    pub(super) fn write_ends(&self) {
        self.busy_since.store(0, Ordering::Relaxed);
    }

    pub(super) fn count_lost(&self, at: Timestamp) {
        self.lost.fetch_add(1, Ordering::Relaxed);
        if self.unreported.fetch_add(1, Ordering::Relaxed) == 0 {
            self.unreported_since
                .store(at.as_micros(), Ordering::Relaxed);
        }
    }

    /// The loss that no record tells of yet.
    pub(super) fn unreported_gap(&self) -> Option<Event<'static>> {
        match self.unreported.load(Ordering::Relaxed) {
            0 => None,
            lost => Some(Event::Gap {
                lost,
                since: Timestamp::from_micros(self.unreported_since.load(Ordering::Relaxed)),
            }),
        }
    }

    /// `lost` of the loss is told of.
    pub(super) fn gap_reported(&self, lost: u64) {
        self.unreported.fetch_sub(lost, Ordering::Relaxed);
    }

    pub(super) fn publish(&self, change: impl Fn(&mut Progress)) {
        let mut mirror = self.lock();
        change(&mut mirror);
        self.failing
            .store(mirror.failing || mirror.ended, Ordering::Release);
        self.progress.send_replace(*mirror);
        self.moved.notify_all();
    }

    /// Waits for a ticket at most as long as a write may take.
    pub(super) async fn wait(&self, ticket: Ticket) -> Result<(), AuditUnavailable> {
        let mut progress = self.progress.subscribe();
        let settled = progress.wait_for(|progress| settled(progress, ticket));
        match tokio::time::timeout(self.stall, settled).await {
            Ok(Ok(progress)) if progress.durable >= ticket.0 => Ok(()),
            Ok(Ok(_) | Err(_)) | Err(_) => Err(AuditUnavailable),
        }
    }

    /// The same for a thread.
    pub(super) fn wait_blocking(&self, ticket: Ticket) -> Result<(), AuditUnavailable> {
        let (progress, _) = self
            .moved
            .wait_timeout_while(self.lock(), self.stall, |progress| {
                !settled(progress, ticket)
            })
            .unwrap_or_else(PoisonError::into_inner);
        if progress.durable >= ticket.0 {
            Ok(())
        } else {
            Err(AuditUnavailable)
        }
    }

    /// Waits until the writer has ended, at most `longest`; answers whether it has.
    pub(super) fn wait_for_end(&self, longest: Duration) -> bool {
        let (progress, _) = self
            .moved
            .wait_timeout_while(self.lock(), longest, |progress| !progress.ended)
            .unwrap_or_else(PoisonError::into_inner);
        progress.ended
    }

    pub(super) fn stats(&self, waiting_bytes: usize) -> AuditStats {
        AuditStats {
            written: self.written.load(Ordering::Relaxed),
            lost: self.lost.load(Ordering::Relaxed),
            failed_flushes: self.failed_flushes.load(Ordering::Relaxed),
            failed_checkpoints: self.failed_checkpoints.load(Ordering::Relaxed),
            last_flush_us: self.last_flush_us.load(Ordering::Relaxed),
            waiting_bytes: waiting_bytes as u64,
            healthy: self.is_healthy(),
        }
    }

    fn elapsed_ms(&self) -> u64 {
        self.started.elapsed().as_millis() as u64
    }

    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.mirror.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn settled(progress: &Progress, ticket: Ticket) -> bool {
    progress.durable >= ticket.0 || progress.failing || progress.ended
}
