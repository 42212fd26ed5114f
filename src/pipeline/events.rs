//! Answers that come in events: each is judged before it is passed on.
//!
//! What holds for an answer that was read whole holds for every event of a stream: it names no
//! other tenant where the route guards that, the first id it mints is on disk before the caller
//! sees it, and of what it lists the caller's own stays.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use super::admission::Admission;
use super::admit::is_coded;
use super::extract::{Found, found};
use super::listing::is_event_stream;
use crate::decision::Refusal;
use crate::identity::Principal;
use crate::inspect::json::{self, Limits};
use crate::inspect::sse::Frame;
use crate::ownership::Registry;
use crate::policy::{CreatesRule, Extractor};

/// Data that ends a stream and is no JSON, by the habit of APIs shaped like OpenAI's.
const DONE: &[u8] = b"[DONE]";

/// Judges the events of one answer, in their order.
#[derive(Debug)]
pub struct EventJudge<'answer> {
    admission: &'answer Admission,
    principal: &'answer Principal,
    /// Rules whose id did not come yet.
    awaited: Vec<&'answer CreatesRule>,
}

impl Admission {
    /// What judges the events of an answer; `None` for one that comes in no events, or that nothing
    /// has to be known of.
    pub fn event_judge(&self, status: StatusCode, headers: &HeaderMap) -> Option<EventJudge<'_>> {
        let principal = self.principal.as_deref()?;
        let places = |rule: &CreatesRule| rule.ids.iter().any(in_events);
        let awaited: Vec<_> = self
            .route
            .creates
            .iter()
            .filter(|rule| places(rule))
            .collect();
        let judged = self.route.list.is_some()
            || self.mcp.is_some()
            || !self.route.guard_tenant.is_empty()
            || !awaited.is_empty();
        let events = is_event_stream(headers) && !is_coded(headers);
        (judged && status.is_success() && events).then_some(EventJudge {
            admission: self,
            principal,
            awaited,
        })
    }
}

fn in_events(place: &Extractor) -> bool {
    matches!(place, Extractor::Event(_))
}

impl EventJudge<'_> {
    /// Whether the head of the answer has to wait: the answer may turn out to be another's.
    pub fn holds_head(&self) -> bool {
        !self.awaited.is_empty()
    }

    /// What the caller may see of an event.
    ///
    /// # Errors
    /// `not_found` when it names another tenant or another's resource, `upstream_unreadable` when it
    /// can't be read, `state_unavailable` when it can't be kept or told who owns what.
    pub async fn pass(&mut self, registry: &Registry, frame: &Frame) -> Result<Bytes, Refusal> {
        let Some(data) = frame.data().filter(|data| **data != *DONE) else {
            return Ok(frame.bytes().clone());
        };
        self.admission.guard_json(self.principal, &data)?;
        self.learn(registry, &data).await?;
        if self.admission.mcp.is_some() {
            return self.admission.judge_event(registry, frame).await;
        }
        match self.admission.route.list {
            Some(_) => self.admission.own_part_of_event(registry, frame).await,
            None => Ok(frame.bytes().clone()),
        }
    }

    async fn learn(&mut self, registry: &Registry, data: &[u8]) -> Result<(), Refusal> {
        let mut still = Vec::new();
        for rule in std::mem::take(&mut self.awaited) {
            let mut came = false;
            for place in &rule.ids {
                let Extractor::Event(pointer) = place else {
                    continue;
                };
                // An event that is no JSON mints nothing: nobody could read an id from it.
                let values =
                    json::pointer_values(data, pointer, &Limits::default()).unwrap_or_default();
                for value in values {
                    if let Found::Text(id) = found(value) {
                        self.admission
                            .mint(registry, self.principal, rule, &id)
                            .await?;
                        came = true;
                    }
                }
            }
            if !came {
                still.push(rule);
            }
        }
        self.awaited = still;
        Ok(())
    }
}
