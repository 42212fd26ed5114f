//! Telling the audit log what only the ledger knows.
//!
//! A request's cost is written to the ledger first and to its audit record then. A process that is
//! killed in between leaves the ledger ahead, and so does one whose open reservations are settled
//! for it after its end. For each line that the log does not have, an event is recorded; what the
//! log has is looked up, so it is recorded once, whichever process does it.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::{ALWAYS, Kind, LedgerLine, ON_ITS_WAY, facts_of, key};
use crate::audit::{
    AuditLog, AuditUnavailable, Booked, Event, ExportError, Filter, Settings, Ticket, costs,
};
use crate::budget::Ledger;
use crate::budget::ledger::{Charge, How};
use crate::clock::Timestamp;
use crate::money::SignedUsd;

/// Why the books could not be reconciled.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// The audit log can't be read.
    #[error("the audit log can't be read")]
    Audit(#[from] ExportError),
    /// The audit log can't be written.
    #[error("the audit log can't be written")]
    Unrecorded,
    /// The ledger, or what is remembered beside it, can't be used.
    #[error("the ledger can't be read")]
    Ledger(#[from] io::Error),
}

impl From<AuditUnavailable> for ReconcileError {
    fn from(_: AuditUnavailable) -> Self {
        Self::Unrecorded
    }
}

/// Reconciles the books now and then. Several processes may: one at a time does.
#[derive(Debug)]
pub struct Reconciler {
    settings: Settings,
    lock: PathBuf,
    mark: PathBuf,
}

impl Reconciler {
    /// One that remembers beside the ledger in `directory` how far it came.
    pub fn new(settings: Settings, directory: &Path) -> Self {
        Self {
            settings,
            lock: directory.join("reconcile.lock"),
            mark: directory.join("reconciled"),
        }
    }

    /// Records what the audit log lacks; answers how many lines that were. Of what was settled
    /// moments ago the record may be on its way; it is looked at next time. Reads files and waits
    /// for the disk: not for a thread that serves requests.
    ///
    /// # Errors
    /// See [`ReconcileError`]; the next call does what this one could not.
    pub fn reconcile(
        &self,
        ledger: &Ledger,
        audit: &AuditLog,
        now: Timestamp,
    ) -> Result<u64, ReconcileError> {
        audit.ready()?;
        let Some(_held) = self.held()? else {
            return Ok(0);
        };
        let lines = unchecked(ledger, self.marked(), now)?;
        let missing = self.missing(&lines)?;
        let mut last = None;
        for charge in lines {
            if missing.contains(&LedgerLine::of(&charge).key()) {
                last = record(audit, &charge)?.or(last);
            }
        }
        if let Some(ticket) = last {
            audit.wait_durable_blocking(ticket)?;
        }
        self.remember(now.plus_seconds(-ON_ITS_WAY))?;
        Ok(missing.len() as u64)
    }

    /// Which of the lines the log does not have.
    fn missing(&self, lines: &[Charge]) -> Result<HashSet<u128>, ExportError> {
        let mut missing: HashSet<u128> = lines
            .iter()
            .map(|charge| LedgerLine::of(charge).key())
            .collect();
        let Some(since) = lines.iter().map(Charge::at).min() else {
            return Ok(missing);
        };
        let filter = Filter {
            since: Some(since),
            ..Filter::default()
        };
        costs(&self.settings, &filter, |cost| {
            let found = match cost.booked {
                Booked::Request(id) => key(cost.tenant, Kind::Request, id),
                Booked::Adjustment { id, .. } => key(cost.tenant, Kind::Adjustment, id),
            };
            missing.remove(&found);
        })?;
        Ok(missing)
    }

    fn held(&self) -> io::Result<Option<File>> {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&self.lock)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Up to when lines were looked at; without a readable mark all are looked at again.
    fn marked(&self) -> Option<Timestamp> {
        let text = fs::read_to_string(&self.mark).ok()?;
        Some(Timestamp::from_micros(text.trim().parse().ok()?))
    }

    fn remember(&self, upto: Timestamp) -> io::Result<()> {
        let draft = self.mark.with_extension("draft");
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&draft)?;
        write!(file, "{}", upto.as_micros())?;
        fs::rename(&draft, &self.mark)
    }
}

/// Lines of the ledger that were settled since the mark and cost something.
fn unchecked(ledger: &Ledger, mark: Option<Timestamp>, now: Timestamp) -> io::Result<Vec<Charge>> {
    let since = mark.unwrap_or(ALWAYS.0);
    let settled_before = now.plus_seconds(-ON_ITS_WAY);
    let mut lines = Vec::new();
    ledger.every_charge(since, &mut |charge| {
        let line = LedgerLine::of(&charge);
        let recovered = match &charge {
            // The process is dead: nothing of it is on its way.
            Charge::Request { how, .. } => *how == How::Recovered,
            Charge::Adjusted(_) => false,
        };
        let due = recovered || line.settled_at < settled_before;
        if due && line.settled_at >= since && line.cost != SignedUsd::ZERO {
            lines.push(charge);
        }
    })?;
    Ok(lines)
}

fn record(audit: &AuditLog, charge: &Charge) -> Result<Option<Ticket>, AuditUnavailable> {
    let ticket = match charge {
        Charge::Request {
            at,
            request_id,
            spender,
            cost,
            facts,
            how,
            ..
        } => audit.event(&Event::Settlement {
            tenant: spender.tenant.as_str(),
            request_id,
            arrived: *at,
            cost_usd: &cost.to_string(),
            how: how.as_str(),
            model: facts.model.as_deref(),
            price_revision: facts.price_revision.as_deref(),
        })?,
        Charge::Adjusted(adjustment) => {
            let amount = SignedUsd::from_nanos(adjustment.amount).to_string();
            let facts = facts_of(adjustment, &amount);
            let signature = facts.sign(audit.keys());
            audit.event(&Event::Adjusted {
                facts: &facts,
                signature: &signature,
            })?
        }
    };
    Ok(Some(ticket))
}
