//! Charges, from the records of a journal.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use super::charge::Charge;
use super::codec::Damage;
use super::journal::Follow;
use super::record::{Opening, Record};
use crate::budget::ceiling::Spender;
use crate::clock::Timestamp;
use crate::tenant::TenantId;

/// A reservation whose end was not read yet.
#[derive(Debug)]
struct Pending {
    request_id: Arc<str>,
    at: Timestamp,
    spender: Spender,
}

/// Picks charges out of a journal: a tenant's, or everybody's. Each generation begins with what was open, so each is
/// read by itself.
pub(super) struct Statement<'a> {
    tenant: Option<&'a TenantId>,
    period: Range<Timestamp>,
    pending: HashMap<u64, Pending>,
    visit: &'a mut dyn FnMut(Charge),
}

impl<'a> Statement<'a> {
    pub(super) fn new(
        tenant: Option<&'a TenantId>,
        period: Range<Timestamp>,
        visit: &'a mut dyn FnMut(Charge),
    ) -> Self {
        Self {
            tenant,
            period,
            pending: HashMap::new(),
            visit,
        }
    }

    fn wants(&self, tenant: &TenantId, at: Timestamp) -> bool {
        self.tenant.is_none_or(|wanted| wanted == tenant) && self.period.contains(&at)
    }

    fn open(&mut self, opening: Opening<'_>) {
        if self.wants(&opening.spender.tenant, opening.at) {
            let pending = Pending {
                request_id: opening.request_id.into(),
                at: opening.at,
                spender: opening.spender,
            };
            self.pending.insert(opening.id, pending);
        }
    }
}

impl Follow for Statement<'_> {
    fn restart(&mut self) {
        self.pending.clear();
    }

    fn record(&mut self, bytes: &[u8]) -> Result<(), Damage> {
        match Record::read(bytes)? {
            Record::Reserve(opening) | Record::Open(opening) => self.open(opening),
            Record::Settle {
                id,
                cost,
                how,
                at: settled_at,
                facts,
            } => {
                if let Some(pending) = self.pending.remove(&id) {
                    (self.visit)(Charge::Request {
                        at: pending.at,
                        request_id: pending.request_id,
                        spender: pending.spender,
                        cost,
                        facts: facts.into_owned(),
                        how,
                        settled_at,
                    });
                }
            }
            Record::Adjust(adjustment) => {
                if self.wants(&adjustment.tenant, adjustment.at) {
                    (self.visit)(Charge::Adjusted(adjustment.into_owned()));
                }
            }
            Record::Grow { .. }
            | Record::Keep { .. }
            | Record::Forget { .. }
            | Record::Line(_)
            | Record::Adjusted { .. }
            | Record::Whole { .. } => {}
        }
        Ok(())
    }
}
