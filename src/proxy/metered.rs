//! Answers whose cost is metered on their way.

use bytes::{Bytes, BytesMut};
use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};
use pingora::http::ResponseHeader;
use pingora::protocols::http::HttpTask;
use pingora::protocols::http::client::HttpSession as Upstream;
use pingora::proxy::Session;

use super::context::Exchange;
use super::deliver::{frame, next_chunk, relay, trailers_of, while_it_stands, write};
use super::exchange::Broken;
use super::failures;
use super::judge::say_whole;
use super::last_word::LastWord;
use crate::decision::{Denial, FailureCode};
use crate::money::NanoUsd;
use crate::pipeline::later::Reporting;
use crate::pipeline::{Answer, Bill};

/// What the request cost, in USD.
const COST: HeaderName = HeaderName::from_static("x-fabric-cost-usd");
/// What is left under the tightest ceiling, in USD.
const REMAINING: HeaderName = HeaderName::from_static("x-fabric-budget-remaining-usd");

/// A ceiling of which the request reached a share that somebody wanted to know of.
const WARNING: HeaderName = HeaderName::from_static("x-fabric-budget-warning");

/// Largest document that waits until it is known what it cost, in bytes. A larger one goes out as it
/// comes and does not say.
const LARGEST_DOCUMENT: usize = 1024 * 1024;

impl Exchange {
    /// The backend answers: what it cost can be read from here on.
    pub(super) fn answer_begins(&mut self, status: StatusCode, headers: &HeaderMap) {
        if let Some(spending) = self.trail_mut().spending() {
            spending.answered(status, headers);
        }
        if let Some(reporting) = self.trail_mut().reporting() {
            reporting.answered(status, headers);
        }
    }

    /// Meters a piece of the answer as it came: what of it goes on.
    pub(super) fn meter(&mut self, piece: Bytes) -> Bytes {
        let reports = self.trail_mut().reporting().map(|it| it.pass(&piece));
        self.hear(reports);
        match self.trail_mut().spending() {
            Some(spending) => spending.pass(piece),
            None => piece,
        }
    }

    /// The answer came to its end: what was held back of it.
    pub(super) fn meter_end(&mut self) -> Bytes {
        let reports = self.trail_mut().reporting().map(Reporting::end);
        self.hear(reports);
        match self.trail_mut().spending() {
            Some(spending) => spending.end(),
            None => Bytes::new(),
        }
    }

    /// Holds more where a stream has used up what was held.
    ///
    /// # Errors
    /// Why it has to end.
    pub(super) fn keep_up(&mut self) -> Result<(), Denial> {
        match self.trail_mut().spending() {
            Some(spending) => spending.keep_up(),
            None => Ok(()),
        }
    }

    /// Whether less of the answer may go on than comes.
    pub(super) fn hides_usage(&mut self) -> bool {
        let spending = self.trail_mut().spending();
        spending.is_some_and(|spending| spending.hides())
    }

    /// Whether the answer is a document that can wait to say what it cost.
    pub(super) fn can_say_its_cost(&mut self, headers: &HeaderMap) -> bool {
        let spending = self.trail_mut().spending();
        spending.is_some_and(|spending| spending.is_one_document(headers))
    }

    /// The fields that say what the request cost, where that is known, and what is left.
    fn cost_fields(&mut self) -> impl Iterator<Item = (HeaderName, HeaderValue)> + use<> {
        let billed = self.trail().bill().map(|bill| (bill.cost, bill.remaining));
        let held = || Some((None, self.trail_mut().spending()?.remaining()));
        let (cost, remaining) = billed.or_else(held).unwrap_or_default();
        let warning = self.trail().bill().and_then(Bill::warning);
        let warning = warning.and_then(|text| HeaderValue::try_from(text).ok());
        [(COST, cost), (REMAINING, remaining)]
            .into_iter()
            .filter_map(|(name, amount)| Some((name, written(amount?)?)))
            .chain(warning.map(|value| (WARNING, value)))
    }

    /// Puts them into the fields of an answer.
    pub(super) fn say_cost_in(&mut self, headers: &mut HeaderMap) {
        for (name, value) in self.cost_fields() {
            headers.insert(name, value);
        }
    }

    /// Puts them into the head of an answer.
    pub(super) fn say_cost(&mut self, answer: &mut ResponseHeader) -> Result<(), Broken> {
        for (name, value) in self.cost_fields() {
            answer
                .insert_header(name, value)
                .map_err(|error| Broken::Refused(failures::internal(&error)))?;
        }
        Ok(())
    }
}

fn written(amount: NanoUsd) -> Option<HeaderValue> {
    HeaderValue::from_str(&amount.to_string()).ok()
}

/// Writes an answer that says what it cost: one document, which waits for its end.
pub(super) async fn answer_with_cost(
    upstream: &mut Upstream,
    session: &mut Session,
    exchange: &mut Exchange,
    mut answer: ResponseHeader,
) -> Result<(), Broken> {
    let mut whole = BytesMut::new();
    let mut lifetime = exchange
        .lifetime(session.req_header())
        .ok_or(FailureCode::Internal)?;
    loop {
        let next = next_chunk(upstream, session);
        let piece = match while_it_stands(&mut lifetime, next).await {
            Ok(piece) => piece,
            // Nothing was written: the client can still be told.
            Err(Broken::Withdrawn { denial, .. }) => return Err(Broken::Refused(denial.into())),
            Err(Broken::Torn(error)) => return Err(Broken::Refused(failures::of_upstream(&error))),
            Err(broken) => return Err(broken),
        };
        let Some(piece) = piece else { break };
        whole.extend_from_slice(&exchange.meter(piece));
        if whole.len() > LARGEST_DOCUMENT {
            frame(session, &mut answer)?;
            exchange.say_cost(&mut answer)?;
            exchange.trail_mut().count_out(whole.len());
            let mut last_word = LastWord::of(&answer.headers);
            last_word.passed(&whole);
            let body = HttpTask::Body(Some(whole.freeze()), false);
            write(
                session,
                vec![HttpTask::Header(Box::new(answer), false), body],
            )
            .await?;
            return relay(upstream, session, exchange, last_word, lifetime).await;
        }
    }
    whole.extend_from_slice(&exchange.meter_end());
    let trailers = trailers_of(upstream).await.map_err(Broken::Torn)?;
    exchange.charge();
    let parts = http::response::Parts::from(answer);
    let mut answer = Answer {
        status: parts.status,
        headers: parts.headers,
        body: whole.freeze(),
    };
    exchange.say_cost_in(&mut answer.headers);
    say_whole(session, exchange, answer, trailers).await
}
