//! One table out of all prices.

use crate::budget::prices::{Clash, PriceTable, clashes};
use crate::inspect::Glob;
use crate::policy::document::{built_in_prices, listed};
use crate::policy::problem::{Located, ProblemKind};

use super::Compiler;

impl Compiler<'_> {
    /// The prices of the files before those that are built in, and the default for the rest.
    pub(super) fn prices(&self) -> PriceTable {
        let document = self.document;
        self.refuse_clashes();
        let own: Vec<_> = document.prices.iter().filter_map(listed).collect();
        let settings = &document.price_settings;
        let built_in = match settings.built_in {
            true => built_in_prices(),
            false => &[],
        };
        let default = settings.default.as_ref();
        PriceTable::new(
            &own,
            built_in,
            default.map(|(stated, price)| (stated, price.clone())),
        )
    }

    fn refuse_clashes(&self) {
        let prices = self.document.prices.iter();
        let models: Vec<&Located<Glob>> = prices.flat_map(|entry| &entry.models).collect();
        let names: Vec<&Glob> = models.iter().map(|model| &model.value).collect();
        for (later, first, clash) in clashes(&names) {
            let (Some(later), Some(first)) = (models.get(later), models.get(first)) else {
                continue;
            };
            let (kind, message) = match clash {
                Clash::Same => (
                    ProblemKind::Duplicate,
                    format!(
                        "`{}` has a price in {} already",
                        later.value.as_str(),
                        first.place.short()
                    ),
                ),
                Clash::Tie => (
                    ProblemKind::Conflict,
                    format!(
                        "some models fit this pattern and `{}` in {}, and neither is longer",
                        first.value.as_str(),
                        first.place.short()
                    ),
                ),
            };
            self.report.add(&later.place, kind, message);
        }
    }
}
