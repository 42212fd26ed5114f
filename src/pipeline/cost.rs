//! Holding money for a request before its backend hears of it.

use std::sync::Arc;

use bytes::Bytes;

use super::Gate;
use super::extract::{Found, Source};
use super::generation::Generation;
use super::ownership::NamedResource;
use super::spending::Spending;
use super::trail::Trail;
use crate::budget::estimate::{RequestBound, Unbounded, bound_of_request};
use crate::budget::ledger::{Exhausted, Full, Request};
use crate::budget::prices::{self, Price};
use crate::budget::{Ceiling, Reservation, ReserveError, Spender};
use crate::clock::Timestamp;
use crate::decision::{CeilingFacts, Denial, DenialCode, Refusal};
use crate::identity::Principal;
use crate::inspect::usage::UsageFormat;
use crate::inspect::usage::request::{takes_usage_option, with_usage_asked};
use crate::money::NanoUsd;
use crate::ownership::MAX_ID_LENGTH;
use crate::policy::{CostPolicy, CostSource, Extractor, RoutePolicy};
use crate::telemetry::warnings::Warning;

/// What a request that may cost something is let in by.
pub(super) struct Costing<'request> {
    pub(super) generation: &'request Generation,
    pub(super) route: &'request Arc<RoutePolicy>,
    pub(super) principal: &'request Principal,
    pub(super) source: Source<'request, 'request>,
    /// Every model that it can lead to, the one that it asks for, or is made to, first.
    pub(super) models: &'request [String],
    /// The body that goes to the backend, where it is not the one that came.
    pub(super) rewritten: Option<&'request Bytes>,
    /// The things of the caller's that the request names.
    pub(super) resources: &'request [NamedResource],
    /// Those that are not the caller's.
    pub(super) denied: &'request [NamedResource],
}

/// What was held, and what the backend gets.
pub(super) struct Costed {
    /// `None` where nothing is held, as the request is only asked about.
    pub(super) spending: Option<Spending>,
    /// The request asks for its answer in pieces.
    pub(super) streams: bool,
    /// The body with what the gate needs to meter the answer, where it is not the one there was.
    pub(super) body: Option<Bytes>,
}

/// What a request can come to.
struct Bound {
    amount: NanoUsd,
    request: Option<RequestBound>,
    tokens: Option<prices::Bound>,
}

impl Gate {
    /// Holds what the request can come to, under every ceiling of its tenant at once. `None` where
    /// its route costs nothing.
    ///
    /// # Errors
    /// `budget_exceeded` where it does not fit or its line finds no room, `price_unknown` where nothing bounds it,
    /// `request_rejected` for a body whose bound can't be read,
    /// `state_unavailable` where it can't be kept.
    pub(super) fn hold_cost(
        &self,
        costing: &Costing<'_>,
        trail: &mut Trail,
    ) -> Result<Option<Costed>, Refusal> {
        let cost = costing.route.cost.as_ref();
        let Some(cost) = cost.filter(|cost| cost.charges()) else {
            return Ok(None);
        };
        let snapshot = costing.generation.snapshot();
        let longest = costing.models.iter().map(String::len).max();
        if longest.is_some_and(|longest| longest > MAX_ID_LENGTH) {
            let detail = format!("the name of a model is longer than {MAX_ID_LENGTH} bytes");
            return Err(Denial::because(DenialCode::RequestRejected, detail).into());
        }
        let mut models = costing.models.iter().map(|model| Arc::from(model.as_str()));
        let model: Option<Arc<str>> = models.next();
        let mut body = None;
        let mut hides_usage = false;
        let current = costing.rewritten.map(|bytes| &**bytes);
        let current = current.or(costing.source.body).unwrap_or_default();
        if let CostSource::Usage(UsageFormat::OpenAi | UsageFormat::Auto) = cost.source
            && takes_usage_option(costing.source.target.path())
            && let Some(asking) = with_usage_asked(current)
        {
            body = Some(asking);
            hides_usage = true;
        }
        let current = body.as_deref().unwrap_or(current);
        let ceilings = snapshot.ceilings(costing.principal.tenant());
        let bound = costing.bound(cost, model.as_deref(), current);
        let bound = bound.map_err(|refusal| match refusal {
            Refusal::Denied(denial) if denial.code == DenialCode::PriceUnknown => {
                let at = trail.received();
                Refusal::Denied(self.with_tightest(denial, costing, cost, ceilings, at))
            }
            other => other,
        })?;
        let spender = costing.spender(cost)?;
        let request_id = *trail.request_id();
        let request = Request {
            request_id: request_id.as_str(),
            at: trail.received(),
            spender: &spender,
            ceilings,
            amount: bound.amount,
        };
        let status = snapshot.costs.exhausted_status;
        let streams = bound.request.as_ref().is_some_and(|bound| bound.streams)
            // Gemini says it in the path, and its stream may be one JSON array.
            || costing.source.target.path().ends_with(":streamGenerateContent");
        let reservation = match trail.inquiry.is_some() {
            true => {
                self.weigh_cost(&request, status, hides_usage, trail)?;
                None
            }
            false => Some(self.reserve(&request, status)?),
        };
        let spending = reservation.map(|reservation| Spending {
            reservation,
            route: Arc::clone(costing.route),
            ceilings: Arc::clone(ceilings),
            prices: Arc::clone(&snapshot.prices),
            model,
            others: models.collect(),
            bound: bound.tokens,
            streams,
            hides_usage,
            exhausted_status: status,
            answer: None,
        });
        Ok(Some(Costed {
            spending,
            streams,
            body,
        }))
    }

    /// The denial of a request without a known price, with the ceiling of the caller that is nearest
    /// to its end: the first that the request could break.
    fn with_tightest(
        &self,
        denial: Denial,
        costing: &Costing<'_>,
        cost: &CostPolicy,
        ceilings: &[Ceiling],
        at: Timestamp,
    ) -> Denial {
        let Ok(spender) = costing.spender(cost) else {
            return denial;
        };
        let lines = self.ledger().standing_on(&spender, ceilings, at);
        let lines = lines.unwrap_or_default();
        let tightest = lines.into_iter().max_by_key(|line| line.used_thousandths);
        Denial {
            ceiling: tightest.map(|line| {
                Box::new(CeilingFacts {
                    scope: line.scope.as_str(),
                    window: line.window.to_string(),
                    limit_usd: line.limit.to_string(),
                    spent_usd: line.spent.plus(line.reserved).to_string(),
                    resets_at: line.resets_at.map(|at| at.to_string()),
                })
            }),
            ..denial
        }
    }

    fn reserve(&self, request: &Request<'_>, status: u16) -> Result<Reservation, Refusal> {
        let reserved = self.ledger().reserve(request);
        reserved.map_err(|error| match error {
            ReserveError::Exceeded(exhausted) => {
                let now = self.now();
                let warning = Warning::of_refusal(request.spender, &exhausted, now);
                self.warnings().tell(warning);
                Refusal::Denied(refused(&exhausted, status, Some(now)))
            }
            ReserveError::Full(full) => Refusal::Denied(crowded(full, status)),
            ReserveError::Unavailable(unavailable) => unavailable.into(),
        })
    }
}

impl Costing<'_> {
    /// What the request names at a place, if anything: what is owned, in the one spelling it is known
    /// by. What is somebody else's is not named: how its line stands is for whoever may reach it.
    fn name(&self, place: &Extractor, what: &str) -> Result<String, Denial> {
        let text = self.one(place, what)?.unwrap_or_default();
        if self.denied.iter().any(|named| named.place == *place) {
            return Ok(String::new());
        }
        let owned = self.resources.iter().find(|named| named.place == *place);
        // A name is kept for as long as what was spent under it.
        match owned.and_then(|named| named.key.as_ref()) {
            Some(key) => Ok(key.id().as_str().to_owned()),
            None if text.len() <= MAX_ID_LENGTH => Ok(text),
            None => Err(Denial::because(
                DenialCode::RequestRejected,
                format!("the name of {what} is longer than {MAX_ID_LENGTH} bytes"),
            )),
        }
    }

    /// The one text at a place, if there is any.
    fn one(&self, place: &Extractor, what: &str) -> Result<Option<String>, Denial> {
        let values = self.source.values(place)?;
        match values.as_slice() {
            [] | [Found::Null] => Ok(None),
            [Found::Text(text)] if !text.is_empty() => Ok(Some(text.to_string())),
            _ => Err(Denial::because(
                DenialCode::RequestRejected,
                format!("the request has to name {what} once, as a text"),
            )),
        }
    }

    fn spender(&self, cost: &CostPolicy) -> Result<Spender, Denial> {
        let session = match &cost.session {
            Some(place) => self.name(place, "a session")?,
            None if !self.denied.is_empty() => String::new(),
            None => match self.resources.first() {
                Some(NamedResource {
                    kind,
                    key: Some(key),
                    ..
                }) => format!("{kind}:{}", key.id()),
                Some(_) | None => String::new(),
            },
        };
        let agent = match &cost.agent {
            Some(place) => self.name(place, "an agent")?,
            // The outermost actor is the one that acts (RFC 8693 section 4.1).
            None => {
                let actors = &self.principal.delegation().actors;
                actors.first().map_or_else(String::new, ToString::to_string)
            }
        };
        Ok(Spender {
            tenant: self.principal.tenant().clone(),
            user: self.principal.user().as_str().into(),
            agent: agent.into(),
            route: Arc::clone(&self.route.name),
            session: session.into(),
        })
    }

    /// The most the request can come to.
    fn bound(&self, cost: &CostPolicy, model: Option<&str>, body: &[u8]) -> Result<Bound, Refusal> {
        let costs = &self.generation.snapshot().costs;
        let held = cost.reserve.or(costs.reserve);
        let opaque = |amount| Bound {
            amount,
            request: None,
            tokens: None,
        };
        let format = match &cost.source {
            CostSource::Fixed(amount) => return Ok(opaque(*amount)),
            CostSource::Stated(_) => {
                let why = "nothing bounds what the request may cost: `cost.reserve_usd` is missing";
                return held.map(opaque).ok_or_else(|| self.unknown(why.to_owned()));
            }
            CostSource::Usage(format) => *format,
        };
        let in_body = cost.model.as_ref().is_some_and(Extractor::reads_body);
        let elsewhere = model.filter(|_| !in_body);
        let price = match (self.price(model), held) {
            (Ok(price), _) => price,
            // What begins work on many models (a batch) names none itself.
            (Err(_), Some(amount)) if model.is_none() => return Ok(opaque(amount)),
            (Err(unknown), _) => return Err(unknown),
        };
        let others = self.models.iter().skip(1);
        let others: Vec<&Price> = others
            .map(|model| self.price(Some(model)))
            .collect::<Result<_, _>>()?;
        let request = bound_of_request(format, body, elsewhere).map_err(Denial::from)?;
        match (of_prices(&request, price, &others), held) {
            (Ok((amount, tokens)), _) => Ok(Bound {
                amount,
                request: Some(request),
                tokens: Some(tokens),
            }),
            (Err(_), Some(amount)) => Ok(Bound {
                request: Some(request),
                ..opaque(amount)
            }),
            (Err(unbounded), None) => Err(self.unknown(unbounded.to_string())),
        }
    }

    fn price(&self, model: Option<&str>) -> Result<&Price, Refusal> {
        let prices = &self.generation.snapshot().prices;
        let found = match model {
            Some(model) => prices.find(model),
            None => prices.default_price(),
        };
        found.ok_or_else(|| {
            self.unknown(match model {
                Some(model) => format!("the model `{model}` has no price"),
                None => "the request names no model: it belongs into a body that is sent as \
                         `Content-Type: application/json`"
                    .to_owned(),
            })
        })
    }

    fn unknown(&self, detail: String) -> Refusal {
        let denial = Denial {
            status: Some(self.generation.snapshot().costs.exhausted_status),
            ..Denial::because(DenialCode::PriceUnknown, detail)
        };
        denial.into()
    }
}

/// The most that a request comes to at the dearest of the prices that can apply, and its bound at
/// the first.
fn of_prices(
    request: &RequestBound,
    price: &Price,
    others: &[&Price],
) -> Result<(NanoUsd, prices::Bound), Unbounded> {
    let tokens = request.of_price(price, None)?;
    let mut amount = price.upper_bound(&tokens);
    for other in others {
        amount = amount.max(other.upper_bound(&request.of_price(other, None)?));
    }
    Ok((amount, tokens))
}

/// Whole seconds until a time, at least one.
fn seconds(now: Timestamp, until: Timestamp) -> u32 {
    let micros = until
        .as_micros()
        .saturating_sub(now.as_micros())
        .max(1)
        .cast_unsigned();
    u32::try_from(micros.div_ceil(1_000_000)).unwrap_or(u32::MAX)
}

/// Says that what a request would spend could not be kept apart from what others of its tenant do.
pub(super) fn crowded(full: Full, status: u16) -> Denial {
    let detail = format!(
        "the tenant has {} users, agents, routes and sessions that spent of late, and no more are kept apart: go on with one of them, or ask the operator for a higher `[ledger] lines_per_tenant`",
        full.most
    );
    Denial {
        status: Some(status),
        ..Denial::because(DenialCode::BudgetExceeded, detail)
    }
}

/// Says of a ceiling that a request does not fit under it.
pub(super) fn refused(exhausted: &Exhausted, status: u16, now: Option<Timestamp>) -> Denial {
    let taken = exhausted.spent.plus(exhausted.reserved);
    let scope = exhausted.scope.as_str();
    let detail = format!(
        "the request does not fit under the {scope}'s ceiling of {} USD ({}): {taken} USD are spent or held for requests under way",
        exhausted.limit, exhausted.window,
    );
    Denial {
        status: Some(status),
        retry_after: now
            .zip(exhausted.resets_at)
            .map(|(now, at)| seconds(now, at)),
        ceiling: Some(Box::new(CeilingFacts {
            scope,
            window: exhausted.window.to_string(),
            limit_usd: exhausted.limit.to_string(),
            spent_usd: taken.to_string(),
            resets_at: exhausted.resets_at.map(|at| at.to_string()),
        })),
        ..Denial::because(DenialCode::BudgetExceeded, detail)
    }
}
