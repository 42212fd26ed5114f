//! Putting right what a tenant has spent.

use std::io;
use std::sync::Arc;

use super::{ALWAYS, facts_of};
use crate::audit::{AuditLog, AuditUnavailable, Event, Ticket};
use crate::budget::Ledger;
use crate::budget::ledger::{Adjustment, Charge};
use crate::decision::StateUnavailable;
use crate::money::SignedUsd;

/// Longest reason, id and name that are kept, in bytes: what an audit record keeps whole.
const LONGEST_TEXT: usize = 512;

/// What became of an adjustment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Adjusted {
    /// It was made.
    Made,
    /// The same one was made before: what it says is what was booked then.
    Before(Adjustment),
}

/// Why nothing was adjusted, unless it says otherwise.
#[derive(Debug, thiserror::Error)]
pub enum AdjustError {
    /// Too long to stand in a record, or to be repeated.
    #[error("`{0}` is empty or longer than 512 bytes")]
    Text(&'static str),
    /// Another one has this id.
    #[error("an adjustment `{0}` was made before, of another amount or of another line")]
    Taken(Arc<str>),
    /// The audit log can't take the record.
    #[error("the adjustment could not be recorded")]
    Unrecorded,
    /// The audit log could not be written afterwards. It was adjusted; asking again with the same id
    /// says so and adjusts nothing.
    #[error("it was adjusted and could not be recorded yet; ask again with the same id")]
    RecordedLater,
    /// The ledger can't be written.
    #[error(transparent)]
    Ledger(#[from] StateUnavailable),
    /// The ledger can't be read.
    #[error("the ledger can't be read")]
    Journal(#[source] io::Error),
}

/// Books an adjustment in the ledger and then in the audit log, signed. Answered are a ticket, to
/// wait for the record to be on disk, and what became of it. Touches files: not for a thread that
/// serves requests.
///
/// # Errors
/// See [`AdjustError`].
pub fn adjust(
    ledger: &Ledger,
    audit: &AuditLog,
    adjustment: &Adjustment,
) -> Result<(Adjusted, Option<Ticket>), AdjustError> {
    for (name, text) in [
        ("reason", &adjustment.reason),
        ("id", &adjustment.id),
        ("by", &adjustment.by),
    ] {
        if text.is_empty() || text.len() > LONGEST_TEXT {
            return Err(AdjustError::Text(name));
        }
    }
    if adjustment.value.len() > LONGEST_TEXT {
        return Err(AdjustError::Text("value"));
    }
    audit
        .ready()
        .map_err(|AuditUnavailable| AdjustError::Unrecorded)?;
    if !ledger.adjust(adjustment)? {
        return Ok((before(ledger, adjustment)?, None));
    }
    let amount = SignedUsd::from_nanos(adjustment.amount).to_string();
    let facts = facts_of(adjustment, &amount);
    let signature = facts.sign(audit.keys());
    let ticket = audit
        .event(&Event::Adjusted {
            facts: &facts,
            signature: &signature,
        })
        .map_err(|AuditUnavailable| AdjustError::RecordedLater)?;
    Ok((Adjusted::Made, Some(ticket)))
}

/// The adjustment that has this id, if it is the same one.
fn before(ledger: &Ledger, asked: &Adjustment) -> Result<Adjusted, AdjustError> {
    let mut found = None;
    ledger
        .charges(&asked.tenant, ALWAYS.0, ALWAYS.1, &mut |charge| {
            if let Charge::Adjusted(adjustment) = charge
                && adjustment.id == asked.id
            {
                found = Some(adjustment);
            }
        })
        .map_err(AdjustError::Journal)?;
    match found {
        Some(made)
            if (made.amount, made.scope, &made.value)
                == (asked.amount, asked.scope, &asked.value) =>
        {
            Ok(Adjusted::Before(made))
        }
        Some(_) | None => Err(AdjustError::Taken(Arc::clone(&asked.id))),
    }
}
