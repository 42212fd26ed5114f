//! Whether the audit log and the ledger add up to the same, line by line.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;

use super::{Kind, LedgerLine, ON_ITS_WAY, facts_of, key};
use crate::audit::{Booked, ExportError, Filter, KeyError, LogKeys, RecordedCost, Settings, costs};
use crate::budget::Ledger;
use crate::budget::ledger::Charge;
use crate::clock::Timestamp;
use crate::money::{AmountError, SignedUsd};
use crate::tenant::TenantId;

/// Most differences that are named.
const MOST_NAMED: usize = 1_000;

/// What the books say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Lines of the ledger.
    pub lines: u64,
    /// What the ledger's lines add up to, which is what statements do.
    pub ledger: SignedUsd,
    /// What the audit log's `cost_usd` add up to.
    pub audit: SignedUsd,
    /// Lines of the ledger whose record may be on its way.
    pub on_their_way: u64,
    /// How many lines differ.
    pub different: u64,
    /// Which they are, at most a thousand, by tenant and id.
    pub differences: Vec<Difference>,
}

impl Comparison {
    /// Whether the books say the same.
    pub fn is_good(&self) -> bool {
        self.different == 0
    }
}

/// A line on which the books differ.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Difference {
    /// Whose.
    pub tenant: String,
    /// `request` or `adjustment`.
    pub kind: &'static str,
    /// Its id.
    pub id: String,
    /// What the audit log has; zero where it has nothing.
    pub audit: SignedUsd,
    /// What the ledger has.
    pub ledger: SignedUsd,
    /// The amounts are the same, and what the audit log signed is something else.
    pub forged: bool,
}

/// Why the books can't be compared.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// The audit log can't be read, or was edited.
    #[error("the audit log")]
    Audit(#[from] ExportError),
    /// Its key can't be had.
    #[error("the audit log's key")]
    Key(#[from] KeyError),
    /// A cost in it is no amount.
    #[error("the audit log has a cost of `{0}`")]
    Amount(String, #[source] AmountError),
    /// The ledger can't be read.
    #[error("the ledger")]
    Ledger(#[from] io::Error),
}

/// Both sums of one line.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    audit: SignedUsd,
    ledger: SignedUsd,
    forged: bool,
}

impl Sums {
    fn differ(&self) -> bool {
        self.audit != self.ledger || self.forged
    }
}

/// Compares the books: of one tenant, or of all. `now` is when it began: of what was settled since
/// shortly before, the record may be on its way.
///
/// # Errors
/// A book can't be read.
pub fn compare(
    settings: &Settings,
    ledger: &Ledger,
    period: &Period,
    now: Timestamp,
) -> Result<Comparison, CompareError> {
    let keys = LogKeys::load(&settings.secret)?;
    let mut books = Books::default();
    // The audit log first: what is then only in the ledger was settled meanwhile, or is missing.
    books.read_audit(settings, period)?;
    books.read_ledger(ledger, period, &keys, now)?;
    books.name(settings, ledger, period)
}

/// Whose lines, over which time; by when they count.
#[derive(Clone, Debug, Default)]
pub struct Period {
    /// Only this tenant's.
    pub tenant: Option<TenantId>,
    /// From when on.
    pub since: Option<Timestamp>,
    /// Before when.
    pub until: Option<Timestamp>,
}

impl Period {
    fn filter(&self) -> Filter {
        Filter {
            tenant: self.tenant.clone(),
            since: self.since,
            until: self.until,
            ..Filter::default()
        }
    }

    /// Shows every line of the ledger in it.
    fn charges(&self, ledger: &Ledger, visit: &mut dyn FnMut(Charge)) -> io::Result<()> {
        let from = self.since.unwrap_or(super::ALWAYS.0);
        let until = self.until.unwrap_or(super::ALWAYS.1);
        match &self.tenant {
            Some(tenant) => ledger.charges(tenant, from, until, visit),
            None => ledger.every_charge(from, &mut |charge| {
                if (from..until).contains(&charge.at()) {
                    visit(charge);
                }
            }),
        }
    }
}

#[derive(Default)]
struct Books {
    sums: HashMap<u128, Sums>,
    /// What adjustments were signed with.
    signatures: HashMap<u128, String>,
    found: Comparison,
}

impl Books {
    fn read_audit(&mut self, settings: &Settings, period: &Period) -> Result<(), CompareError> {
        let mut unreadable = None;
        costs(settings, &period.filter(), |cost| {
            match cost.cost_usd.parse::<SignedUsd>() {
                Ok(amount) => {
                    let (key, _) = named(&cost);
                    let sums = self.sums.entry(key).or_default();
                    sums.audit += amount;
                    self.found.audit += amount;
                    if let Booked::Adjustment { signature, .. } = cost.booked {
                        self.signatures.insert(key, signature.to_owned());
                    }
                }
                Err(error) => {
                    unreadable.get_or_insert((cost.cost_usd.to_owned(), error));
                }
            }
        })?;
        match unreadable {
            Some((text, error)) => Err(CompareError::Amount(text, error)),
            None => Ok(()),
        }
    }

    fn read_ledger(
        &mut self,
        ledger: &Ledger,
        period: &Period,
        keys: &LogKeys,
        now: Timestamp,
    ) -> Result<(), CompareError> {
        let settled_before = now.plus_seconds(-ON_ITS_WAY);
        period.charges(ledger, &mut |charge| {
            let line = LedgerLine::of(&charge);
            let key = line.key();
            self.found.lines += 1;
            self.found.ledger += line.cost;
            let unrecorded = !self.sums.contains_key(&key);
            if unrecorded && line.settled_at >= settled_before && line.cost != SignedUsd::ZERO {
                self.found.on_their_way += 1;
                return;
            }
            let sums = self.sums.entry(key).or_default();
            sums.ledger += line.cost;
            if let (Charge::Adjusted(adjustment), Some(signature)) =
                (&charge, self.signatures.get(&key))
            {
                let amount = line.cost.to_string();
                sums.forged = !facts_of(adjustment, &amount).is_signed(keys, signature);
            }
        })?;
        Ok(())
    }

    /// Names the lines that differ, by reading the books once more: sums are kept by hash.
    fn name(
        mut self,
        settings: &Settings,
        ledger: &Ledger,
        period: &Period,
    ) -> Result<Comparison, CompareError> {
        self.sums.retain(|_, sums| sums.differ());
        self.found.different = self.sums.len() as u64;
        if self.sums.is_empty() {
            return Ok(self.found);
        }
        let mut named_lines: BTreeMap<(String, &'static str, String), Sums> = BTreeMap::new();
        let mut seen = HashSet::new();
        let mut name = |key: u128, tenant: &str, kind: Kind, id: &str| {
            if let Some(sums) = self.sums.get(&key)
                && seen.len() < MOST_NAMED
                && seen.insert(key)
            {
                let place = (tenant.to_owned(), kind.as_str(), id.to_owned());
                named_lines.insert(place, *sums);
            }
        };
        costs(settings, &period.filter(), |cost| {
            let (key, kind) = named(&cost);
            let (Booked::Request(id) | Booked::Adjustment { id, .. }) = cost.booked;
            name(key, cost.tenant, kind, id);
        })?;
        period.charges(ledger, &mut |charge| {
            let line = LedgerLine::of(&charge);
            name(line.key(), line.tenant, line.kind, line.id);
        })?;
        self.found.differences = named_lines
            .into_iter()
            .map(|((tenant, kind, id), sums)| Difference {
                tenant,
                kind,
                id,
                audit: sums.audit,
                ledger: sums.ledger,
                forged: sums.forged && sums.audit == sums.ledger,
            })
            .collect();
        Ok(self.found)
    }
}

fn named(cost: &RecordedCost<'_>) -> (u128, Kind) {
    match cost.booked {
        Booked::Request(id) => (key(cost.tenant, Kind::Request, id), Kind::Request),
        Booked::Adjustment { id, .. } => (key(cost.tenant, Kind::Adjustment, id), Kind::Adjustment),
    }
}
