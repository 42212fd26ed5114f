//! What costs need of each other: a ceiling something to hold, a cost something to hold back.

use std::sync::Arc;

use super::{Compiler, values};
use crate::policy::problem::ProblemKind;
use crate::policy::{Ceilings, CostSource};

impl Compiler<'_> {
    /// What tenants spend under that say nothing themselves.
    pub(super) fn default_ceilings(&self) -> Ceilings {
        let stated = self.document.defaults.ceilings.as_ref();
        stated.map_or_else(|| Ceilings::from([]), |it| Arc::clone(&it.ceilings))
    }

    pub(super) fn check_costs(&self) {
        let document = self.document;
        let routes = || values(&document.routes);
        if routes().all(|(_, route)| route.cost.is_none()) {
            let tenants = document.tenants.iter();
            let stated = tenants.map(|tenant| tenant.ceilings.as_ref());
            for entry in stated
                .chain([document.defaults.ceilings.as_ref()])
                .flatten()
            {
                self.report.add(
                    &entry.place,
                    ProblemKind::NeverMatches,
                    "no route has a `cost`, so nothing would ever be held against this ceiling",
                );
            }
        }
        for (name, route) in routes() {
            let Some(cost) = &route.cost else { continue };
            let metered = cost.charges() && !matches!(cost.source, CostSource::Fixed(_));
            if metered && route.reads_page_by_page() {
                self.report.add(
                    &name.place,
                    ProblemKind::Conflict,
                    "a list that is read page by page is asked for several times, so that only a \
                     `fixed_usd` says what it costs",
                );
            }
            let held = cost.reserve.or(document.costs.reserve);
            let stated = matches!(cost.source, CostSource::Stated(_)) && cost.charges();
            if stated && held.is_none() {
                self.report.add(
                    &name.place,
                    ProblemKind::Missing,
                    "nothing bounds what a request may cost before its answer says it: give \
                     `cost.reserve_usd`, or `[costs] reserve_usd` for all such routes",
                );
            }
        }
    }
}
