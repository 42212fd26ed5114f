//! Answers that list many things: the caller gets those of them that are its own.
//!
//! What stays is decided as it is for a request that names one id, so that a list shows an id exactly
//! where reading it works. Of a thing nobody is known to own, the route's `unknown` says whether it
//! is everybody's; it is never adopted from a list.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, StatusCode, header};

use super::admission::Admission;
use super::answer::Answer;
use super::ownership::{key, may_reach, unavailable};
use crate::decision::Refusal;
use crate::identity::Principal;
use crate::inspect::coding::{self, Bounds};
use crate::inspect::sse::Frame;
use crate::ownership::list::events::{self, Event};
use crate::ownership::list::{ListFault, Listing, Standing, fields};
use crate::ownership::{Counted, Ownership, Registry, ResourceKey};
use crate::policy::{ListRule, OwnerScope, UnknownResource};

/// Most bytes a coded list may decode to for each of its own. Lists are much alike inside.
const RATIO: u64 = 200;

/// Most ids that are looked up in one visit to the store.
const LOOKED_UP_AT_ONCE: usize = 5_000;

/// What an answer's body is, by its media type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Media {
    Json,
    Lines,
    Events,
}

/// A listing whose items are told apart.
pub(super) struct Sorted {
    pub(super) listing: Listing,
    pub(super) keep: Vec<bool>,
    /// What may be said to be the total.
    pub(super) total: u64,
    /// What the backend says it is.
    pub(super) said: Option<u64>,
}

impl Admission {
    /// Whether a field of a request by `method` goes on. What a list, or a reading that is guarded,
    /// may be asked with is less than what other things may be: what a condition or a range is
    /// answered with tells of somebody's thing without naming its tenant.
    pub fn may_ask_with(&self, method: &Method, name: &HeaderName) -> bool {
        let judged = self.route.list.is_some() || self.is_guarded_reading(method);
        !judged || !fields::is_condition(name)
    }

    /// Corrects the fields of an answer that comes in events, or of a list without content.
    ///
    /// # Errors
    /// `upstream_unreadable` when the content is coded.
    pub fn correct_head(&self, method: &Method, headers: &mut HeaderMap) -> Result<(), Refusal> {
        if *method != Method::HEAD && !matches!(coding::of(headers).as_deref(), Ok([])) {
            return Err(self.unreadable("is a coded stream of events"));
        }
        if let Some(rule) = &self.route.list {
            fields::correct(headers, &rule.total_fields, None, |_| true);
        }
        Ok(())
    }

    /// What the caller may see of one event of a list.
    ///
    /// # Errors
    /// `state_unavailable` when nobody can tell whose its items are.
    pub(super) async fn own_part_of_event(
        &self,
        registry: &Registry,
        frame: &Frame,
    ) -> Result<Bytes, Refusal> {
        let (Some(rule), Some(principal)) = (&self.route.list, self.principal.as_deref()) else {
            return Ok(frame.lead());
        };
        match events::read(&rule.shape, frame) {
            Event::Passes => Ok(frame.bytes().clone()),
            Event::Leaves => Ok(frame.lead()),
            Event::Holds(listing) => {
                let sorted = self
                    .sorted(registry, principal, rule, listing, None)
                    .await?;
                if !sorted.keep.contains(&false) && !sorted.listing.says_total() {
                    return Ok(frame.bytes().clone());
                }
                Ok(match sorted.written() {
                    Ok(Some(data)) => frame.with_data(&data),
                    Ok(None) | Err(_) => frame.lead(),
                })
            }
        }
    }

    /// Takes from a list that was read whole what is not the caller's.
    ///
    /// An answer that is no success is no list, and passes.
    ///
    /// # Errors
    /// `upstream_unreadable` when it can't be understood, `state_unavailable` when nobody can tell
    /// whose its items are.
    pub(super) async fn own_items(
        &self,
        registry: &Registry,
        principal: &Principal,
        rule: &ListRule,
        mut answer: Answer,
    ) -> Result<Answer, Refusal> {
        match answer.status {
            // Nobody asked for them, and they tell of the whole list.
            StatusCode::PARTIAL_CONTENT | StatusCode::NOT_MODIFIED => {
                return Err(self.unreadable("answers a condition that was not sent"));
            }
            status if status.is_success() => {}
            _ => return Ok(answer),
        }
        if media(&answer.headers) == Media::Events {
            answer.body = self.own_events(registry, &answer.body).await?;
            fields::correct(&mut answer.headers, &rule.total_fields, None, |_| true);
            return Ok(answer);
        }
        let sorted = self
            .sorted_answer(registry, principal, rule, &mut answer)
            .await?;
        sorted
            .put_into(rule, &mut answer)
            .map_err(|fault| self.no_list(&fault))?;
        Ok(answer)
    }

    /// Reads an answer as a list and asks whose its items are.
    pub(super) async fn sorted_answer(
        &self,
        registry: &Registry,
        principal: &Principal,
        rule: &ListRule,
        answer: &mut Answer,
    ) -> Result<Sorted, Refusal> {
        let body = std::mem::take(&mut answer.body);
        let listing = match media(&answer.headers) {
            Media::Lines => Listing::of_lines(&rule.shape, body),
            Media::Json | Media::Events => Listing::of_json(&rule.shape, body),
        };
        let listing = listing.map_err(|fault| self.no_list(&fault))?;
        let said = said(rule, &answer.headers);
        self.sorted(registry, principal, rule, listing, said).await
    }

    async fn own_events(&self, registry: &Registry, body: &Bytes) -> Result<Bytes, Refusal> {
        let mut decoder = crate::inspect::sse::Decoder::new(body.len());
        decoder.push(body);
        let mut own = Vec::with_capacity(body.len());
        while let Some(frame) = decoder
            .next_frame()
            .map_err(|fault| self.unreadable(&fault.to_string()))?
        {
            own.extend_from_slice(&self.own_part_of_event(registry, &frame).await?);
        }
        Ok(own.into())
    }

    /// Asks whose each item is, and for the number that may be said instead of the backend's.
    async fn sorted(
        &self,
        registry: &Registry,
        principal: &Principal,
        rule: &ListRule,
        listing: Listing,
        said: Option<u64>,
    ) -> Result<Sorted, Refusal> {
        let mut keep = vec![false; listing.len()];
        let mut keys: Vec<ResourceKey> = Vec::new();
        let mut asked = Vec::new();
        let standings = listing.standings(principal.tenant());
        for (index, (standing, keep)) in standings.zip(&mut keep).enumerate() {
            match standing {
                Standing::Leaves => {}
                Standing::Stays => *keep = true,
                // What can be no id was never owned by anybody.
                Standing::Owned(id) => {
                    if let Ok(key) = key(&self.route, &rule.kind, rule.form, &id) {
                        keys.push(key);
                        asked.push(index);
                    }
                }
            }
        }
        for (keys, asked) in keys
            .chunks(LOOKED_UP_AT_ONCE)
            .zip(asked.chunks(LOOKED_UP_AT_ONCE))
        {
            let owners = registry.owners(keys).await.map_err(unavailable)?;
            for (owner, index) in owners.iter().zip(asked) {
                let own = match owner {
                    Ownership::Owned(owner) => may_reach(owner, &rule.access, principal),
                    Ownership::Unknown => self.route.unknown == UnknownResource::Pass,
                    Ownership::Retired => false,
                };
                if let Some(keep) = keep.get_mut(*index) {
                    *keep = own;
                }
            }
        }
        let mut sorted = Sorted {
            said: said.or(listing.total_said()),
            listing,
            keep,
            total: 0,
        };
        let owned = self.total_owned(registry, principal, rule, &sorted).await?;
        sorted.total = Listing::total(sorted.kept(), owned);
        Ok(sorted)
    }

    /// How many things of the list's kind are the caller's, where the answer says any number.
    pub(super) async fn total_owned(
        &self,
        registry: &Registry,
        principal: &Principal,
        rule: &ListRule,
        sorted: &Sorted,
    ) -> Result<u64, Refusal> {
        if sorted.listing.says_total() || !rule.total_fields.is_empty() {
            self.owned(registry, principal, rule).await
        } else {
            Ok(0)
        }
    }

    /// How many things of the list's kind are the caller's.
    async fn owned(
        &self,
        registry: &Registry,
        principal: &Principal,
        rule: &ListRule,
    ) -> Result<u64, Refusal> {
        let excepted = rule.access.unless_roles.iter();
        let all = match rule.access.scope {
            OwnerScope::Tenant => true,
            OwnerScope::User => excepted.into_iter().any(|role| principal.has_role(role)),
        };
        let counted = Counted {
            tenant: principal.tenant().clone(),
            user: (!all).then(|| principal.user().clone()),
            upstream: Box::from(&*self.route.upstream.name),
            kind: Box::from(&*rule.kind),
        };
        registry.count(counted).await.map_err(unavailable)
    }

    /// The answer without its content codings, of at most `largest` bytes.
    pub(super) fn uncoded(&self, mut answer: Answer, largest: u64) -> Result<Answer, Refusal> {
        let codings =
            coding::of(&answer.headers).map_err(|fault| self.unreadable(&fault.to_string()))?;
        if !codings.is_empty() {
            let bounds = Bounds {
                bytes: largest,
                ratio: RATIO,
            };
            answer.body = coding::decoded(&answer.body, &codings, &bounds)
                .map_err(|fault| self.unreadable(&fault.to_string()))?
                .into();
        }
        answer.headers.remove(header::CONTENT_ENCODING);
        Ok(answer)
    }

    pub(super) fn no_list(&self, fault: &ListFault) -> Refusal {
        self.unreadable(&format!("can't be filtered: {fault}"))
    }
}

impl Sorted {
    /// How many items stay.
    pub(super) fn kept(&self) -> usize {
        self.keep.iter().filter(|keep| **keep).count()
    }

    /// Makes the answer what the caller may see.
    pub(super) fn put_into(&self, rule: &ListRule, answer: &mut Answer) -> Result<(), ListFault> {
        answer.body = self.written()?.unwrap_or_default();
        self.put_fields(rule, answer);
        Ok(())
    }

    /// The same for the fields alone.
    pub(super) fn put_fields(&self, rule: &ListRule, answer: &mut Answer) {
        let left = match answer.headers.contains_key(header::LINK) {
            true => self.left(),
            false => Vec::new(),
        };
        let leaves = |id: &str| left.binary_search_by(|left| left.as_str().cmp(id)).is_ok();
        let total = Some(self.total);
        fields::correct(&mut answer.headers, &rule.total_fields, total, leaves);
    }

    fn written(&self) -> Result<Option<Bytes>, ListFault> {
        self.listing.rewritten(&self.keep, self.total)
    }

    /// The ids of the items that left, in order.
    fn left(&self) -> Vec<String> {
        let ids = self.listing.ids().zip(&self.keep);
        let mut left: Vec<String> = ids
            .filter(|(_, keep)| !**keep)
            .filter_map(|(id, _)| id.map(Cow::into_owned))
            .collect();
        left.sort_unstable();
        left
    }
}

/// What the backend counts, where it says so in a field that the route names.
fn said(rule: &ListRule, headers: &HeaderMap) -> Option<u64> {
    rule.total_fields
        .iter()
        .flat_map(|name| headers.get_all(name))
        .map(|value| value.to_str().ok().and_then(|text| text.parse().ok()))
        // Numbers that differ, or are none, are no number of anything.
        .reduce(|one, other| if one == other { one } else { None })
        .flatten()
}

/// Whether an answer comes in server-sent events.
pub(super) fn is_event_stream(headers: &HeaderMap) -> bool {
    media(headers) == Media::Events
}

pub(super) fn media(headers: &HeaderMap) -> Media {
    let said = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let essence = said.split(';').next().unwrap_or_default().trim();
    match essence.to_ascii_lowercase().as_str() {
        "text/event-stream" => Media::Events,
        "application/x-ndjson"
        | "application/ndjson"
        | "application/jsonl"
        | "application/jsonlines"
        | "application/x-jsonlines" => Media::Lines,
        _ => Media::Json,
    }
}
