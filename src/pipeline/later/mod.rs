//! Work that goes on behind the answer to the request that began it: who began it, what is heard of
//! it, and what it is charged in the end.
//!
//! See [`crate::budget::later`] for what is charged when. Everything that tells of the work ends in
//! [`Gate::hear`]; whatever comes too late finds nothing that is still reserved.

mod question;
mod report;

use std::sync::Arc;
use std::time::Duration;

pub use question::OwnQuestion;
pub use report::{Report, Reporting};

use super::Gate;
use super::admission::Admission;
use super::spending::{facts, priced};
use super::trail::Trail;
use crate::audit::Event;
use crate::budget::later::{Followed, Outcome, verdict};
use crate::budget::ledger::{ChargeFacts, How, Kept, KeptReservation};
use crate::clock::Timestamp;
use crate::identity::PrincipalKind;
use crate::money::NanoUsd;
use crate::ownership::ResourceKey;
use crate::policy::RoutePolicy;
use crate::tenant::TenantId;

/// What the ledger knows a thing by. No tenant, upstream or kind holds a `/`, so that two keys that
/// are alike are one thing of one tenant.
pub(super) fn ledger_key(tenant: &TenantId, key: &ResourceKey) -> String {
    format!("{tenant}/{}/{}/{}", key.upstream(), key.kind(), key.id())
}

impl Admission {
    /// Notes what the answer says it made, where that is work to be followed: the first thing that
    /// the route's first `creates` finds.
    pub(super) fn begins(&self, key: &ResourceKey) {
        let follows = self
            .route
            .cost
            .as_ref()
            .is_some_and(|it| it.follow.is_some());
        let kind = self.route.creates.first().map(|rule| &*rule.kind);
        if follows && kind == Some(key.kind()) {
            self.began.get_or_init(|| key.clone());
        }
    }

    /// How the ledger keeps what is held for the work that the answer says it began, if any.
    pub(super) fn work_begun(&self, model: Option<&str>, now: Timestamp) -> Option<Kept> {
        let principal = self.principal.as_deref()?;
        let follow = self.route.cost.as_ref()?.follow.as_ref()?;
        let key = self.began.get()?;
        let mut note = Followed::new(key.kind().to_owned(), key.id().as_str().to_owned());
        note.model = model.map(str::to_owned);
        note.roles = principal.roles().iter().map(ToString::to_string).collect();
        note.machine = principal.kind() == PrincipalKind::Machine;
        let lasts = i64::try_from(follow.lasts.as_secs()).unwrap_or(i64::MAX);
        Some(Kept {
            key: ledger_key(principal.tenant(), key).into(),
            deadline: now.plus_seconds(lasts),
            detail: note.to_bytes().into(),
        })
    }
}

impl Gate {
    /// All work whose cost is not known yet. Nothing where the ledger can't be read: it will be
    /// asked again.
    pub fn followed(&self) -> Vec<KeptReservation> {
        self.ledger().all_kept().unwrap_or_else(|error| {
            tracing::warn!(%error, "work that goes on can't be looked up");
            Vec::new()
        })
    }

    /// How often the policy in force has the gate ask about the work; `None` is never.
    pub fn asks_every(&self, kept: &KeptReservation) -> Option<Duration> {
        let generation = self.generation();
        question::asking(generation.snapshot(), &kept.spender.route).map(|ask| ask.every)
    }

    /// Hears what an answer tells of work that goes on, and charges what has ended. `true` where
    /// nothing is held for it any more.
    pub fn hear(&self, reporting: &Reporting, report: &Report) -> bool {
        let (Some(cost), generation) = (reporting.cost(), self.generation()) else {
            return false;
        };
        let prices = &generation.snapshot().prices;
        let mut open = false;
        for kept in self.kept_for(&report.key) {
            let note = Followed::from_bytes(&kept.kept.detail).ok();
            let asked = note.as_ref().and_then(|note| note.model.as_deref());
            let usage = report.usage.as_ref();
            let bill = usage.and_then(|usage| priced(&cost.source, prices, asked, usage));
            match verdict(report.stage, bill.map(|(cost, _)| cost)) {
                Outcome::Stays => open = true,
                Outcome::CostsAsReserved => self.end_work(&kept, Ending::as_reserved(&kept)),
                Outcome::Costs(cost) => {
                    let revision = bill
                        .is_some_and(|(_, how)| how == "usage")
                        .then(|| prices.revision());
                    let model = usage.and_then(|usage| usage.model.clone());
                    let model = model.or_else(|| asked.map(Arc::from));
                    let facts = usage.map(|usage| facts(usage, model, revision));
                    let ending = Ending {
                        cost,
                        how: How::Settled,
                        facts: facts.unwrap_or_default(),
                    };
                    self.end_work(&kept, ending);
                }
            }
        }
        !open
    }

    /// Charges what is held for work about things that this request deleted: nobody will tell of it.
    pub(super) fn let_go_of_work(&self, trail: &Trail, admission: &Admission) {
        let (Some(principal), true) = (admission.principal(), admission.deletes) else {
            return;
        };
        let follows = |route: &Arc<RoutePolicy>| {
            let cost = route.cost.as_ref();
            cost.is_some_and(|cost| cost.follow.is_some())
        };
        let routes = &admission.generation.snapshot().routes;
        if !trail
            .upstream_status()
            .is_some_and(|status| (200..300).contains(&status))
            || !routes.iter().any(follows)
        {
            return;
        }
        for key in admission.resources.iter().filter_map(|it| it.key.as_ref()) {
            for kept in self.kept_for(&ledger_key(principal.tenant(), key)) {
                self.end_work(&kept, Ending::as_reserved(&kept));
            }
        }
    }

    /// Charges what is held for work that nobody told of in time.
    pub fn expire(&self, kept: &KeptReservation) {
        let ending = Ending {
            how: How::Expired,
            ..Ending::as_reserved(kept)
        };
        self.end_work(kept, ending);
    }

    fn kept_for(&self, key: &str) -> Vec<KeptReservation> {
        self.ledger().kept(key).unwrap_or_else(|error| {
            // Somebody will tell of it again, or its time is up.
            tracing::warn!(%error, "what is heard of work that goes on can't be booked");
            Vec::new()
        })
    }

    /// Ends what is held, once among all gates on the ledger: the one that did says so in its log.
    fn end_work(&self, kept: &KeptReservation, ending: Ending) {
        let Ending { cost, how, facts } = ending;
        let generation = self.generation();
        let ceilings = generation.snapshot().ceilings(&kept.spender.tenant);
        let (model, revision) = (facts.model.clone(), facts.price_revision.clone());
        let ended = self
            .ledger()
            .settle_kept(kept.id, cost, how, facts, ceilings);
        match ended {
            Ok(Some(settled)) => {
                let charge = (cost, how.as_str());
                self.count_charge(&kept.spender.tenant, charge, &settled.crossed);
            }
            Ok(None) => return,
            Err(error) => {
                tracing::warn!(%error, request_id = %kept.request_id, "work that ended can't be booked yet");
                return;
            }
        }
        let event = Event::Settlement {
            tenant: kept.spender.tenant.as_str(),
            request_id: &kept.request_id,
            arrived: kept.at,
            cost_usd: &cost.to_string(),
            how: how.as_str(),
            model: model.as_deref(),
            price_revision: revision.as_deref(),
        };
        if self.audit().event(&event).is_err() {
            tracing::error!(request_id = %kept.request_id, %cost, "what work cost could not be recorded");
        }
    }
}

/// What becomes of what is held.
struct Ending {
    cost: NanoUsd,
    how: How,
    facts: ChargeFacts,
}

impl Ending {
    fn as_reserved(kept: &KeptReservation) -> Self {
        Self {
            cost: kept.amount,
            how: How::Settled,
            facts: ChargeFacts::default(),
        }
    }
}
