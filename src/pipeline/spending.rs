//! What one request may cost, what it has cost so far, and what it is charged in the end.
//!
//! Money is held before the backend hears of the request and settled once, however the request ends.
//! What is charged where nobody says what it cost errs on the side of the ceiling:
//!
//! | the request | is charged |
//! |---|---|
//! | never reached the backend | nothing |
//! | was refused by it (4xx) without a word on usage | nothing |
//! | took too long for it or for what is before it (408, 499, 504, 524) | what was held: the work may have been done |
//! | failed there (5xx) without a word on usage | nothing where a provider is asked, what was held where an agent is: it may have paid others |
//! | came to its end, with its usage | what that costs |
//! | was answered, without a readable usage; broke off; was not answered in time | what was held, or what was metered if that is more |
//! | began work that goes on and whose cost comes later (`cost.follow`) | what [`super::later`] hears of it; what was held stays held until then |

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use crate::audit::TokenCounts;
use crate::budget::ledger::{ChargeFacts, Crossing, Kept, Settled};
use crate::budget::prices::{Bound, Price, PriceTable};
use crate::budget::{Ceiling, Reservation, ReserveError};
use crate::decision::Denial;
use crate::inspect::usage::{Meter, MeterSettings, Reading, Usage};
use crate::money::NanoUsd;
use crate::policy::{CostPolicy, CostSource, RoutePolicy};
use crate::telemetry::warnings::decimal;

use super::cost::refused;

/// Bytes of text that a token is taken for while a stream goes on: what one of English has. A stream
/// is not ended for tokens that its text need not have taken; its usage says at the end what it did.
const BYTES_OF_A_TOKEN: u64 = 4;

/// The money side of an admitted request.
#[derive(Debug)]
pub struct Spending {
    pub(super) reservation: Reservation,
    pub(super) route: Arc<RoutePolicy>,
    pub(super) ceilings: Arc<[Ceiling]>,
    pub(super) prices: Arc<PriceTable>,
    /// The model that was asked for.
    pub(super) model: Option<Arc<str>>,
    /// The models that may answer in its place.
    pub(super) others: Arc<[Arc<str>]>,
    /// What the request may use at most, where it bounds that itself.
    pub(super) bound: Option<Bound>,
    /// The request asks for its answer in pieces.
    pub(super) streams: bool,
    /// The caller did not ask for the usage that its answer tells the gate.
    pub(super) hides_usage: bool,
    pub(super) exhausted_status: u16,
    pub(super) answer: Option<Answering>,
}

/// An answer that has begun.
#[derive(Debug)]
pub(super) struct Answering {
    status: StatusCode,
    meter: Option<Meter>,
    ended: bool,
}

/// What a request was charged.
#[derive(Clone, Debug)]
pub struct Bill {
    /// The charge; `None` where it comes later.
    pub cost: Option<NanoUsd>,
    /// On what ground: `usage`, `stated`, `fixed`, `reserved`, `released`, `followed`.
    pub how: &'static str,
    /// What is left under the tightest ceiling; `None` where none holds.
    pub remaining: Option<NanoUsd>,
    /// The model, as the answer has it or as it was asked for.
    pub model: Option<Arc<str>>,
    /// What was used, where that is known.
    pub tokens: Option<TokenCounts>,
    /// The price list it was computed by.
    pub price_revision: Option<Arc<str>>,
    /// Shares of ceilings that were passed.
    pub crossed: Vec<Crossing>,
}

impl Bill {
    /// What the caller is told of them: `scope=tenant;window=month;used=0.8`, the furthest of each
    /// ceiling, one after another.
    pub fn warning(&self) -> Option<String> {
        let mut told: Vec<&Crossing> = Vec::new();
        for crossing in &self.crossed {
            let of = |it: &Crossing| (it.ceiling.scope, it.ceiling.window);
            match told.iter_mut().find(|it| of(it) == of(crossing)) {
                Some(known) if known.threshold < crossing.threshold => *known = crossing,
                Some(_) => {}
                None => told.push(crossing),
            }
        }
        let texts: Vec<String> = told
            .into_iter()
            .map(|crossing| {
                let Ceiling { scope, window, .. } = &crossing.ceiling;
                let used = decimal(crossing.threshold);
                format!("scope={};window={window};used={used}", scope.as_str())
            })
            .collect();
        (!texts.is_empty()).then(|| texts.join(", "))
    }
}

impl Spending {
    fn cost(&self) -> Option<&CostPolicy> {
        self.route.cost.as_ref()
    }

    /// What is left under the tightest ceiling with the request's own hold taken off.
    pub fn remaining(&self) -> Option<NanoUsd> {
        self.reservation.remaining()
    }

    /// Whether an answer with these fields is one document, which can wait to say what it cost.
    pub fn is_one_document(&self, headers: &HeaderMap) -> bool {
        let json = headers
            .get(http::header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split(';').next())
            .map(str::trim)
            .is_some_and(|kind| {
                kind.eq_ignore_ascii_case("application/json") || kind.ends_with("+json")
            });
        json && !self.streams
    }

    /// The backend answers.
    pub fn answered(&mut self, status: StatusCode, headers: &HeaderMap) {
        let Some(cost) = self.route.cost.as_ref() else {
            return;
        };
        let hides = self.hides_usage && status.is_success();
        self.answer = Some(Answering {
            status,
            meter: meter(&cost.source, status, headers, hides),
            ended: false,
        });
    }

    /// Whether the caller may see less of the answer than came.
    pub fn hides(&self) -> bool {
        match &self.answer {
            Some(answer) => answer.meter.as_ref().is_some_and(Meter::hides),
            None => self.hides_usage,
        }
    }

    /// Meters a piece of the answer: what of it goes on.
    pub fn pass(&mut self, piece: Bytes) -> Bytes {
        match &mut self.answer {
            Some(Answering {
                meter: Some(meter), ..
            }) => meter.push(&piece),
            Some(Answering { meter: None, .. }) | None => piece,
        }
    }

    /// The answer came to its end: what was held back of it.
    pub fn end(&mut self) -> Bytes {
        match &mut self.answer {
            Some(answer) => {
                answer.ended = true;
                let meter = answer.meter.as_mut();
                meter.map(Meter::finish).unwrap_or_default()
            }
            None => Bytes::new(),
        }
    }

    /// Holds more where a stream has used up what was held.
    ///
    /// # Errors
    /// Why the stream has to end: its route cuts off, and no more is to be had.
    pub fn keep_up(&mut self) -> Result<(), Denial> {
        let so_far = match self.beyond_the_bound() {
            Some(so_far) if so_far > self.reservation.amount() => so_far,
            Some(_) | None => return Ok(()),
        };
        let cuts = self.cost().is_some_and(|cost| cost.cut_off);
        // An eighth more than is needed, so that the next few pieces need not ask again.
        let wanted = so_far.plus(NanoUsd::from_nanos(so_far.nanos() / 8));
        match self.reservation.grow_to(wanted, &self.ceilings, !cuts) {
            Ok(()) => Ok(()),
            Err(ReserveError::Exceeded(exhausted)) => {
                Err(refused(&exhausted, self.exhausted_status, None))
            }
            // What can't be written down counts in memory; the end settles it.
            Err(ReserveError::Full(_) | ReserveError::Unavailable(_)) => Ok(()),
        }
    }

    /// What the request has come to, where its answer is longer than the request allowed.
    fn beyond_the_bound(&self) -> Option<NanoUsd> {
        let meter = self.answer.as_ref()?.meter.as_ref()?;
        let bound = self.bound.as_ref()?;
        let produced = meter.output_bytes() / BYTES_OF_A_TOKEN;
        if produced <= bound.output_tokens {
            return None;
        }
        let so_far = Bound {
            output_tokens: produced,
            ..bound.clone()
        };
        Some(self.price()?.upper_bound(&so_far))
    }

    /// The price of the model that was asked for.
    fn price(&self) -> Option<&Price> {
        price_of(&self.prices, self.model.as_deref())
    }

    /// The model that was asked for.
    pub(super) fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }

    /// Charges the request. `sent`: the backend may have heard of it. `work` is what its answer says
    /// it began, if that is followed.
    pub fn settle(self, sent: bool, work: Option<Kept>) -> Bill {
        let meter = self.answer.as_ref().and_then(|it| it.meter.as_ref());
        let reading = meter.map(Meter::reading);
        let (cost, how) = self.charge(sent, reading.as_ref());
        let usage = reading.map(|reading| reading.usage).unwrap_or_default();
        let model = usage.model.clone().or_else(|| self.model.clone());
        let tokens = tokens(&usage);
        let price_revision = (how == "usage").then(|| self.prices.revision());
        if let Some(work) = work
            && self.goes_on(cost, how)
        {
            return self.keep(work, model);
        }
        let facts = facts(&usage, model.clone(), price_revision.clone());
        let Settled { remaining, crossed } = self.reservation.settle(cost, facts);
        Bill {
            cost: Some(cost),
            how,
            remaining,
            model,
            tokens,
            price_revision,
            crossed,
        }
    }

    /// Whether the work that an answer says it began is not paid for yet: the answer says no cost, or
    /// a cost of nothing, which is what there is at the beginning.
    fn goes_on(&self, cost: NanoUsd, how: &str) -> bool {
        let began = self.answer.as_ref();
        let began = began.is_some_and(|answer| answer.status.is_success());
        let paid = matches!(how, "usage" | "stated") && !cost.is_zero();
        began && !paid
    }

    /// Lets what is held outlive the request.
    fn keep(self, work: Kept, model: Option<Arc<str>>) -> Bill {
        let (held, remaining) = (self.reservation.amount(), self.reservation.remaining());
        let (cost, how) = match self.reservation.keep(work) {
            Ok(_id) => (None, "followed"),
            // What can't be kept was settled.
            Err(_unavailable) => (Some(held), "reserved"),
        };
        Bill {
            cost,
            how,
            remaining,
            model,
            tokens: None,
            price_revision: None,
            crossed: Vec::new(),
        }
    }

    fn charge(&self, sent: bool, reading: Option<&Reading>) -> (NanoUsd, &'static str) {
        let held = self.reservation.amount();
        let least = self.beyond_the_bound().map_or(held, |it| it.max(held));
        let Some(source) = self.cost().map(|cost| &cost.source).filter(|_| sent) else {
            return (NanoUsd::ZERO, "released");
        };
        let Some(answer) = &self.answer else {
            // Sent, and never answered.
            return (held, "reserved");
        };
        let refused = answer.status.is_client_error() && !is_late(answer.status);
        let failed = answer.status.is_server_error() && !is_late(answer.status);
        let metered = reading.and_then(|reading| self.priced(&reading.usage));
        let whole = answer.ended && reading.is_some_and(|reading| reading.complete);
        let denies = reading.is_some_and(Reading::denies_its_text);
        match (source, metered) {
            (CostSource::Fixed(_), _) if refused => (NanoUsd::ZERO, "released"),
            (CostSource::Fixed(amount), _) => (*amount, "fixed"),
            (CostSource::Stated(_), Some((cost, how))) if whole => (cost, how),
            (CostSource::Usage(_), Some((cost, how))) if whole && !denies => (cost, how),
            (CostSource::Stated(_), None) if refused => (NanoUsd::ZERO, "released"),
            (CostSource::Usage(_), None) if refused || failed => (NanoUsd::ZERO, "released"),
            (_, Some((cost, _))) => (cost.max(least), "reserved"),
            (_, None) => (least, "reserved"),
        }
    }

    /// What was used costs, as far as it is known.
    fn priced(&self, usage: &Usage) -> Option<(NanoUsd, &'static str)> {
        let source = &self.cost()?.source;
        let first = priced(source, &self.prices, self.model.as_deref(), usage)?;
        match first {
            (cost, "usage") if !self.others.is_empty() => {
                Some((cost.max(self.at_another(usage)), "usage"))
            }
            alone => Some(alone),
        }
    }

    /// What was used costs at the list price of the model that answered; at the dearest of those that
    /// the request leads to, where that one is not listed. A price of the operator's for the first
    /// is none for the others.
    fn at_another(&self, usage: &Usage) -> NanoUsd {
        let answered = usage.model.as_deref();
        if let Some(price) = answered.and_then(|model| self.prices.listed(model)) {
            return price.cost(usage);
        }
        let prices = self.others.iter().filter_map(|it| self.prices.find(it));
        prices
            .map(|price| price.cost(usage))
            .max()
            .unwrap_or(NanoUsd::ZERO)
    }
}

/// What was used costs, as far as it is known. `asked` is the model that was asked for.
pub(super) fn priced(
    source: &CostSource,
    prices: &PriceTable,
    asked: Option<&str>,
    usage: &Usage,
) -> Option<(NanoUsd, &'static str)> {
    if let (Some(cost), CostSource::Stated(_)) = (usage.cost, source) {
        return Some((cost, "stated"));
    }
    tokens(usage)?;
    let price = prices.of_answer(asked, usage.model.as_deref())?;
    Some((price.cost(usage), "usage"))
}

/// Whether an answer says that another took too long, who may have worked all the same: callers can
/// bring that about by fields and members that say how long they wait.
fn is_late(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 499 | 504 | 524)
}

fn price_of<'prices>(prices: &'prices PriceTable, model: Option<&str>) -> Option<&'prices Price> {
    match model {
        Some(model) => prices.find(model),
        None => prices.default_price(),
    }
}

/// What the ledger keeps beside a charge.
pub(super) fn facts(
    usage: &Usage,
    model: Option<Arc<str>>,
    price_revision: Option<Arc<str>>,
) -> ChargeFacts {
    ChargeFacts {
        model,
        price_revision,
        input: usage.input,
        cache_read: usage.cache_read,
        cache_write: usage.cache_write,
        output: usage.output,
        reasoning: usage.reasoning,
    }
}

/// The counts of a record: what a cache took is input, and audio is counted with the rest.
fn tokens(usage: &Usage) -> Option<TokenCounts> {
    let sum = |counts: &[Option<u64>]| {
        let known = counts.iter().flatten().copied();
        known.reduce(u64::saturating_add)
    };
    let input = sum(&[
        usage.input,
        usage.cache_write,
        usage.cache_write_1h,
        usage.audio_input,
    ]);
    let output = sum(&[usage.output, usage.audio_output]);
    let known = input.or(output).or(usage.cache_read).is_some();
    known.then(|| TokenCounts {
        input: input.unwrap_or(0),
        output: output.unwrap_or(0),
        cache_read: usage.cache_read.unwrap_or(0),
    })
}

/// What reads the usage out of an answer, where that says it.
pub(super) fn meter(
    source: &CostSource,
    status: StatusCode,
    headers: &HeaderMap,
    hides: bool,
) -> Option<Meter> {
    match source {
        CostSource::Usage(format) => Some(Meter::new(MeterSettings {
            format: *format,
            status,
            headers,
            hide_usage_chunk: hides,
        })),
        CostSource::Stated(places) => Some(Meter::by_pointers(places, headers)),
        CostSource::Fixed(_) => None,
    }
}
