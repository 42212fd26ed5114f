//! What an answer about work that goes on means for what was reserved for it.

use crate::money::NanoUsd;

/// Where the work stands, by what an answer says of its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// It ended as it should.
    Done,
    /// It ended otherwise: failed, cancelled, expired.
    Failed,
    /// It goes on, or the answer names a state that nobody listed.
    Running,
    /// The route names no state: an answer that says a cost is the last word on it.
    Unstated,
}

/// What becomes of what was reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It stays reserved.
    Stays,
    /// The work cost so much.
    Costs(NanoUsd),
    /// Nobody will say what the work cost: it counts as what was reserved.
    CostsAsReserved,
}

/// Judges an answer. `cost` is what it says the work cost: `None` where it says nothing, `null`, or
/// something that can't be read or priced.
pub fn verdict(stage: Stage, cost: Option<NanoUsd>) -> Outcome {
    match (stage, cost) {
        (Stage::Running, _) | (Stage::Unstated, None) => Outcome::Stays,
        (Stage::Done | Stage::Unstated, Some(cost)) => Outcome::Costs(cost),
        // INVARIANT: money was spent on it. A backend that adds up at the end only says zero here.
        (Stage::Failed, Some(cost)) if !cost.is_zero() => Outcome::Costs(cost),
        (Stage::Failed, _) | (Stage::Done, None) => Outcome::CostsAsReserved,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CENT: NanoUsd = NanoUsd::from_nanos(10_000_000);

    #[test]
    fn every_end_has_its_price_and_what_goes_on_stays_reserved() {
        for (stage, cost, outcome) in [
            (Stage::Done, Some(CENT), Outcome::Costs(CENT)),
            (
                Stage::Done,
                Some(NanoUsd::ZERO),
                Outcome::Costs(NanoUsd::ZERO),
            ),
            (Stage::Done, None, Outcome::CostsAsReserved),
            (Stage::Failed, Some(CENT), Outcome::Costs(CENT)),
            (Stage::Failed, Some(NanoUsd::ZERO), Outcome::CostsAsReserved),
            (Stage::Failed, None, Outcome::CostsAsReserved),
            (Stage::Running, Some(CENT), Outcome::Stays),
            (Stage::Running, Some(NanoUsd::ZERO), Outcome::Stays),
            (Stage::Running, None, Outcome::Stays),
            (Stage::Unstated, Some(CENT), Outcome::Costs(CENT)),
            (
                Stage::Unstated,
                Some(NanoUsd::ZERO),
                Outcome::Costs(NanoUsd::ZERO),
            ),
            (Stage::Unstated, None, Outcome::Stays),
        ] {
            assert_eq!(verdict(stage, cost), outcome, "{stage:?} {cost:?}");
        }
    }
}
