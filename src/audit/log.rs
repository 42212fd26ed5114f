//! The log as the rest of the gate sees it.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::event::Event;
use super::files::{self, LineageLock};
use super::filter::Filter;
use super::follow::{Followers, Following};
use super::health::{AuditStats, AuditUnavailable, Health};
use super::intake::{Intake, Ticket, push_body};
use super::journal::Journal;
use super::json::push_string;
use super::keys::{KeyError, LogKeys, LogSecret, SecretSource};
use super::record::RequestRecord;
use super::recovery::{self, OpenError};
use super::settings::{Durability, OnFailure, Settings};
use super::storage::{Disk, Storage};
use super::writer::{Anchoring, Writer};
use crate::clock::{SharedClock, Timestamp};

/// The open audit log of this process.
///
/// Dropping it writes what waits, like [`AuditLog::shutdown`].
#[derive(Debug)]
pub struct AuditLog {
    intake: Arc<Intake>,
    health: Arc<Health>,
    followers: Arc<Followers>,
    keys: Arc<LogKeys>,
    clock: SharedClock,
    instance: Arc<[u8]>,
    on_failure: OnFailure,
    durability: Durability,
    patience: Duration,
    writer: Mutex<Option<JoinHandle<()>>>,
    /// `None`: nothing is ever written.
    _lineage: Option<LineageLock>,
}

impl AuditLog {
    /// Opens the log, goes on where the last process left off, and starts the writing thread.
    ///
    /// # Errors
    /// No key, no usable folder, or the end of the log does not verify ([`OpenError::Tampered`]).
    pub fn open(settings: &Settings, clock: SharedClock) -> Result<Self, OpenError> {
        Self::open_on(Box::new(Disk), settings, clock)
    }

    pub(super) fn open_on(
        storage: Box<dyn Storage>,
        settings: &Settings,
        clock: SharedClock,
    ) -> Result<Self, OpenError> {
        let io_error = |source| OpenError::Io {
            directory: settings.directory.clone(),
            source,
        };
        files::make_directory(&settings.directory).map_err(io_error)?;
        let keys = Arc::new(LogKeys::load_or_create(&settings.secret)?);
        let lineage = LineageLock::acquire(&settings.directory)
            .map_err(io_error)?
            .ok_or_else(|| OpenError::TooManyWriters(settings.directory.clone()))?;
        let resumed = recovery::resume(settings, &keys, lineage.lineage)?;
        let checkpoint = recovery::begin(&resumed, lineage.lineage);
        checkpoint
            .append(&settings.checkpoints, &keys, clock.now())
            .map_err(io_error)?;
        let journal = Journal::open(
            storage,
            Arc::clone(&keys),
            settings.directory.clone(),
            settings.rotate_bytes,
            lineage.lineage,
            &resumed,
        )
        .map_err(io_error)?;

        let mut instance = Vec::new();
        push_string(&mut instance, settings.instance.as_bytes(), 256);
        let instance: Arc<[u8]> = instance.into();
        let mut queue = Vec::new();
        let mut first = |event: Event<'_>| {
            let mut body = Vec::new();
            event.write_body(clock.now(), &mut body, &instance);
            push_body(&mut queue, &body);
        };
        first(Event::LogOpened {
            log_id: &resumed.log_id,
            lineage: lineage.lineage,
        });
        if let Some((torn_file, bytes)) = &resumed.torn {
            tracing::warn!(torn_file, bytes, "half an audit record was cut off");
            first(Event::Recovered {
                torn_file,
                bytes: *bytes,
            });
        }

        let intake = Arc::new(Intake::new(settings.waiting_bytes));
        intake.reserve(queue.len());
        let health = Arc::new(Health::new(settings.stall));
        let followers = Arc::new(Followers::new());
        let writer = Writer {
            journal,
            anchoring: Anchoring::new(settings, Arc::clone(&keys), checkpoint),
            intake: Arc::clone(&intake),
            health: Arc::clone(&health),
            followers: Arc::clone(&followers),
            clock: Arc::clone(&clock),
            instance: Arc::clone(&instance),
            interval: settings.flush,
            patience: settings.stall,
            queue,
        };
        let thread = std::thread::Builder::new()
            .name("audit-writer".to_owned())
            .spawn(move || writer.run())
            .map_err(io_error)?;
        Ok(Self {
            intake,
            health,
            followers,
            keys,
            clock,
            instance,
            on_failure: settings.on_failure,
            durability: settings.durability,
            patience: settings.stall,
            writer: Mutex::new(Some(thread)),
            _lineage: Some(lineage),
        })
    }

    /// A log that is ready and keeps nothing: for a gate that is only asked what it would do. What it
    /// is given is lost, and counted so.
    ///
    /// # Errors
    /// No key can be derived.
    pub fn idle(clock: SharedClock) -> Result<Self, KeyError> {
        let stall = Duration::from_secs(1);
        let secret = SecretSource::Given(LogSecret::new([0; 32]));
        Ok(Self {
            intake: Arc::new(Intake::new(0)),
            health: Arc::new(Health::new(stall)),
            followers: Arc::new(Followers::new()),
            keys: Arc::new(LogKeys::load(&secret)?),
            clock,
            instance: Arc::from(*b"null"),
            on_failure: OnFailure::Allow,
            durability: Durability::Batch,
            patience: stall,
            writer: Mutex::new(None),
            _lineage: None,
        })
    }

    /// Whether a request may be served at all: to be asked before anything happens that would
    /// need a record. Costs two loads while the log is well.
    ///
    /// # Errors
    /// `on_failure = "deny"`, and the disk fails, is stuck, or no room is left for records.
    pub fn ready(&self) -> Result<(), AuditUnavailable> {
        match self.on_failure {
            OnFailure::Allow => Ok(()),
            OnFailure::Deny if self.healthy() && !self.intake.is_full() => Ok(()),
            OnFailure::Deny => Err(AuditUnavailable),
        }
    }

    /// Hands over the record of one request. Never waits for the disk.
    ///
    /// A record that finds room is kept even while the disk fails, and written once it does not:
    /// the requests that [`AuditLog::ready`] let in before are not lost. One that finds none is
    /// counted and told of in a `gap` record.
    ///
    /// # Errors
    /// `on_failure = "deny"` and no room is left.
    pub fn append(&self, record: &RequestRecord<'_>) -> Result<Ticket, AuditUnavailable> {
        self.push(record.ts, |out| record.write_body(out, &self.instance))
    }

    /// Hands over the record of an event.
    ///
    /// # Errors
    /// As for [`AuditLog::append`].
    pub fn event(&self, event: &Event<'_>) -> Result<Ticket, AuditUnavailable> {
        let now = self.clock.now();
        self.push(now, |out| event.write_body(now, out, &self.instance))
    }

    /// Waits until the record of a ticket is on disk, at most the stall time.
    ///
    /// # Errors
    /// `on_failure = "deny"`, and the disk fails or takes longer.
    pub async fn wait_durable(&self, ticket: Ticket) -> Result<(), AuditUnavailable> {
        self.intake.ring();
        self.forgive(self.health.wait(ticket).await)
    }

    /// The same for a thread outside a runtime.
    ///
    /// # Errors
    /// As for [`AuditLog::wait_durable`].
    pub fn wait_durable_blocking(&self, ticket: Ticket) -> Result<(), AuditUnavailable> {
        self.intake.ring();
        self.forgive(self.health.wait_blocking(ticket))
    }

    /// Whether an answer has to wait for its record.
    pub fn durability(&self) -> Durability {
        self.durability
    }

    /// Whether the last write succeeded and none is stuck.
    pub fn healthy(&self) -> bool {
        self.health.is_healthy()
    }

    /// Figures for metrics.
    pub fn stats(&self) -> AuditStats {
        self.health.stats(self.intake.waiting_bytes())
    }

    /// Watches the records that match, from here on, each once it is on disk. Of this process's
    /// records: during an upgrade in place another one writes its own.
    pub fn follow(&self, filter: &Filter) -> Following {
        self.followers.follow(filter)
    }

    /// The log's keys, for reading it.
    pub fn keys(&self) -> &Arc<LogKeys> {
        &self.keys
    }

    /// Writes what waits, a `shutdown` record and a checkpoint, and ends the writing thread.
    /// Records that are appended later find the log unavailable. Calling it again does nothing.
    /// Blocks for up to three times the stall time: not for a thread that serves requests.
    ///
    /// # Errors
    /// The disk did not take everything within the stall time.
    pub fn shutdown(&self) -> Result<(), AuditUnavailable> {
        let writer = self
            .writer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(writer) = writer else {
            return Ok(());
        };
        let told = self.event(&Event::Shutdown);
        self.intake.stop();
        // A write that began before the stop, the retries, and the last of them.
        if !self.health.wait_for_end(self.patience * 3) {
            return Err(AuditUnavailable);
        }
        let ended = writer.join().map_err(|_| AuditUnavailable);
        let emptied = if self.intake.waiting_bytes() == 0 {
            Ok(())
        } else {
            Err(AuditUnavailable)
        };
        told.and(ended).and(emptied)
    }

    fn push(
        &self,
        at: Timestamp,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Result<Ticket, AuditUnavailable> {
        match self.intake.push(write) {
            Ok(ticket) => Ok(ticket),
            Err(_full) => {
                self.health.count_lost(at);
                match self.on_failure {
                    OnFailure::Deny => Err(AuditUnavailable),
                    OnFailure::Allow => Ok(Ticket::SETTLED),
                }
            }
        }
    }

    fn forgive(&self, outcome: Result<(), AuditUnavailable>) -> Result<(), AuditUnavailable> {
        match self.on_failure {
            OnFailure::Deny => outcome,
            OnFailure::Allow => Ok(()),
        }
    }
}

impl Drop for AuditLog {
    fn drop(&mut self) {
        if self.shutdown().is_err() {
            tracing::error!("the audit log could not be written to its end");
        }
    }
}
