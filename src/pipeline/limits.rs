//! What a caller may ask for a second, and at a time.
//!
//! Asked as soon as it is known who calls and that the call is allowed: before its body is read, so
//! that the slot covers the reading (but where a refusal has to name the call in it), and before it is known whether the things it names are the
//! caller's, so that a limit that is reached says nothing about those. What is refused afterwards
//! gives back what it took; that something is not there is an answer like any other, and does not.
//!
//! A public route knows no caller and is held to no limit.

use std::time::Instant;

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::{Gate, Trail};
use crate::budget::limits::{Entrant, Limited, Pass, Standing};
use crate::decision::{Denial, DenialCode, Refusal};
use crate::identity::Principal;
use crate::policy::PolicySnapshot;

/// How all limits of the caller stand, and what is allowed
/// (draft-ietf-httpapi-ratelimit-headers-11).
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Media types of answers that go on for as long as there is something to say. gRPC is not among
/// them: a single answer has the same type there.
const STREAMS: [&str; 4] = [
    "text/event-stream",
    "application/x-ndjson",
    "application/jsonl",
    "application/vnd.amazon.eventstream",
];

/// A request and the limits of its caller.
#[derive(Debug, Default)]
pub(super) enum Limiting {
    /// Nothing was asked.
    #[default]
    Unasked,
    /// It was let in, and holds its slots.
    Under(Box<Pass>),
    /// It holds nothing: it was not let in, or is as good as ended.
    Over(Standing),
}

impl Gate {
    /// Asks the limits of the caller, once for each request.
    pub(super) fn enter(
        &self,
        snapshot: &PolicySnapshot,
        principal: &Principal,
        stream: bool,
        trail: &mut Trail,
    ) -> Result<(), Denial> {
        match trail.limiting {
            Limiting::Unasked => {}
            // The second time that the gate is asked, with the body.
            Limiting::Under(_) | Limiting::Over(_) => return Ok(()),
        }
        let entrant = Entrant {
            tenant: principal.tenant(),
            user: principal.user().as_str(),
            stream,
        };
        let policy = snapshot.limits(principal.tenant()).policy();
        if let Some(inquiry) = &mut trail.inquiry {
            inquiry.limits = Some(policy);
            return self.weigh(stream, trail);
        }
        match self.limiter().enter(&entrant, &policy, Instant::now()) {
            Ok(pass) => {
                trail.limiting = Limiting::Under(Box::new(pass));
                Ok(())
            }
            Err(limited) => Err(self.limited(limited, trail)),
        }
    }

    /// The answer goes on: it is a stream, and takes a place among those.
    ///
    /// # Errors
    /// Too many are open.
    pub fn open_stream(&self, trail: &mut Trail) -> Result<(), Denial> {
        if trail.inquiry.is_some() {
            return self.weigh(true, trail);
        }
        let opened = match &mut trail.limiting {
            Limiting::Under(pass) => pass.open_stream(Instant::now()),
            Limiting::Unasked | Limiting::Over(_) => Ok(()),
        };
        opened.map_err(|limited| self.limited(limited, trail))
    }

    /// As [`Gate::open_stream`], where the head of the answer says that it goes on.
    ///
    /// # Errors
    /// Too many are open.
    pub fn answer_begins(&self, headers: &HeaderMap, trail: &mut Trail) -> Result<(), Denial> {
        match media_type(headers, &header::CONTENT_TYPE) {
            Some(kind) if STREAMS.iter().any(|it| kind.eq_ignore_ascii_case(it)) => {
                self.open_stream(trail)
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Whether the limits would let an inquiry in, which takes nothing of them.
    fn weigh(&self, stream: bool, trail: &mut Trail) -> Result<(), Denial> {
        let policy = trail.inquiry.as_ref().and_then(|inquiry| inquiry.limits);
        let (Some(principal), Some(policy)) = (&trail.principal, policy) else {
            return Ok(());
        };
        let entrant = Entrant {
            tenant: principal.tenant(),
            user: principal.user().as_str(),
            stream,
        };
        match self.limiter().weigh(&entrant, &policy, Instant::now()) {
            Ok(standing) => {
                trail.limiting = Limiting::Over(standing);
                Ok(())
            }
            Err(limited) => Err(self.limited(limited, trail)),
        }
    }

    fn limited(&self, limited: Limited, trail: &mut Trail) -> Denial {
        let tenant = trail.principal.as_ref().map(|caller| caller.tenant());
        if trail.inquiry.is_none() {
            self.metrics().limited(tenant, limited.limit.as_str());
        }
        let code = match limited.limit.is_rate() {
            true => DenialCode::RateLimited,
            false => DenialCode::ConcurrencyLimited,
        };
        let denial = Denial {
            retry_after: Some(limited.retry_after_seconds()),
            ..Denial::because(code, limited.to_string())
        };
        // Whoever holds slots keeps them until the refusal gives them back.
        if let Limiting::Unasked = trail.limiting {
            trail.limiting = Limiting::Over(limited.standing);
        }
        denial
    }
}

impl Trail {
    /// The request is as good as ended: others may take its place.
    pub fn free_slots(&mut self) {
        if let Limiting::Under(pass) = &self.limiting {
            self.limiting = Limiting::Over(pass.standing().clone());
        }
    }

    /// The gate refuses the request, and its backend has not heard of it: it gets back what it took.
    /// That something is not there is what a backend says as well, and costs the same.
    pub fn give_back(&mut self, refusal: &Refusal) {
        if let Refusal::Denied(denial) = refusal
            && denial.code == DenialCode::NotFound
        {
            return;
        }
        match std::mem::take(&mut self.limiting) {
            Limiting::Under(pass) => {
                self.limiting = Limiting::Over(pass.give_back(Instant::now()));
            }
            held @ (Limiting::Unasked | Limiting::Over(_)) => self.limiting = held,
        }
    }

    /// What the answer says of the limits of its caller: nothing where there are none.
    pub fn limit_fields(&self) -> Vec<(HeaderName, HeaderValue)> {
        let standing = match &self.limiting {
            Limiting::Unasked => return Vec::new(),
            Limiting::Under(pass) => pass.standing(),
            Limiting::Over(standing) => standing,
        };
        let fields = [
            (RATE_LIMIT, standing.field_of_what_is_left()),
            (RATE_LIMIT_POLICY, standing.policy_field()),
        ];
        let written = |(name, text): (HeaderName, Option<String>)| {
            Some((name, HeaderValue::try_from(text?).ok()?))
        };
        fields.into_iter().filter_map(written).collect()
    }
}

/// Whether a request can be told to be one for a stream before it is answered: it leaves HTTP, or
/// takes nothing but a stream for an answer.
pub(super) fn asks_for_stream(headers: &HeaderMap, upgrade: bool) -> bool {
    let accepted = media_type(headers, &header::ACCEPT);
    upgrade || accepted.is_some_and(|kind| kind.eq_ignore_ascii_case("text/event-stream"))
}

/// The media type of a field that names one, without its parameters. One of several is none.
fn media_type<'headers>(headers: &'headers HeaderMap, name: &HeaderName) -> Option<&'headers str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().filter(|_| values.next().is_none())?;
    let kind = value.to_str().ok()?.split(';').next()?;
    Some(kind.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn only_who_takes_nothing_else_asks_for_a_stream() {
        let asks = |accept| asks_for_stream(&with(header::ACCEPT, accept), false);
        assert!(asks("text/event-stream"));
        assert!(asks("Text/Event-Stream; charset=utf-8"));
        assert!(!asks("application/json, text/event-stream"));
        assert!(!asks("*/*"));
        assert!(asks_for_stream(&HeaderMap::new(), true));
        assert!(!asks_for_stream(&HeaderMap::new(), false));
    }
}
