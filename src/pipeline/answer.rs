//! What an answer of the backend teaches the gate, and what of it the caller may see.
//!
//! INVARIANT: what an answer mints is on disk before the caller sees its id. A crash in between
//! leaves an owner of something nobody heard of, never an id without its owner.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, header};

use super::absence::Absence;
use super::admission::Admission;
use super::admit::is_coded;
use super::canonical::decode_segment;
use super::extract::{Found, found};
use super::ownership::{key, may_reach, owner, unavailable};
use super::question::named_by_path;
use crate::decision::{DenialCode, Failure, FailureCode, Refusal};
use crate::identity::Principal;
use crate::inspect::json::{self, Limits, Scalar};
use crate::ownership::{Ownership, Registry, ResourceKey};
use crate::policy::{Access, CreatesRule, Extractor};

/// An answer that was read whole.
#[derive(Debug)]
pub struct Answer {
    /// Status.
    pub status: StatusCode,
    /// Fields, without those of the connection.
    pub headers: HeaderMap,
    /// Content.
    pub body: Bytes,
}

impl Admission {
    /// Learns from the head of an answer: ids it mints in its fields, and that those of the request
    /// are gone.
    ///
    /// # Errors
    /// `not_found` when the answer names what is another's, `state_unavailable` when it can't be
    /// kept who owns what.
    pub async fn learn_from_head(
        &self,
        registry: &Registry,
        status: StatusCode,
        headers: &HeaderMap,
    ) -> Result<(), Refusal> {
        let Some(principal) = self.principal.as_deref().filter(|_| status.is_success()) else {
            return Ok(());
        };
        if self.deletes {
            for key in self.resources.iter().filter_map(|it| it.key.as_ref()) {
                registry
                    .release(key, principal.tenant())
                    .await
                    .map_err(unavailable)?;
            }
        }
        for rule in &self.route.creates {
            for place in &rule.ids {
                let Extractor::Header(name) = place else {
                    continue;
                };
                for value in headers.get_all(name.as_str()) {
                    let text = value.to_str().map_err(|_| {
                        self.unreadable(&format!("has a `{name}` that is not visible ASCII"))
                    })?;
                    self.mint(registry, principal, rule, &named_by(name, text))
                        .await?;
                }
            }
        }
        Ok(())
    }

    /// Holds an answer that was read whole against the route: what it says of another tenant is not
    /// passed, what it mints is kept, and of what it lists the caller's own stays. `largest` bounds
    /// what a coded list may decode to, in bytes.
    ///
    /// # Errors
    /// `not_found` when it names another tenant or another's resource; `upstream_unreadable` when a
    /// success can't be read; `state_unavailable` when it can't be kept who owns what.
    pub async fn judge_answer(
        &self,
        registry: &Registry,
        mut answer: Answer,
        largest: u64,
    ) -> Result<Answer, Refusal> {
        let Some(principal) = self.principal.as_deref() else {
            return Ok(answer);
        };
        // An answer without content names nobody.
        if answer.status == StatusCode::NO_CONTENT {
            return Ok(self.restored(answer));
        }
        if self.mcp.is_some() {
            answer = self.judge_mcp(registry, answer).await?;
        }
        if !self.route.needs_response_body() {
            return Ok(self.restored(answer));
        }
        if self.route.list.is_some() {
            answer = self.uncoded(answer, largest)?;
        } else if is_coded(&answer.headers) {
            return Err(self.unreadable("is compressed"));
        }
        // An error page need not be JSON; what a success says has to be readable.
        match self.guard_json(principal, &answer.body) {
            Err(Refusal::Failed(_)) if !answer.status.is_success() => {}
            judged => judged?,
        }
        if answer.status.is_success() {
            self.learn_from_body(registry, principal, &answer.body)
                .await?;
        }
        let answer = match &self.route.list {
            Some(rule) => self.own_items(registry, principal, rule, answer).await?,
            None => answer,
        };
        Ok(self.restored(answer))
    }

    /// The answer in the caller's own words, after everything was read in the backend's.
    pub(super) fn restored(&self, answer: Answer) -> Answer {
        let restoration = self.restoration();
        if is_coded(&answer.headers) {
            return answer;
        }
        if restoration.wants_lines(&answer.headers) {
            let body = restoration.lines(answer.body);
            return Answer { body, ..answer };
        }
        if !restoration.wants_whole(&answer.headers) {
            return answer;
        }
        match restoration.body(&answer.body) {
            Some(body) => Answer { body, ..answer },
            None => answer,
        }
    }

    /// Whether a request by `method` reads what the route's guard has to see.
    pub fn is_guarded_reading(&self, method: &Method) -> bool {
        let reads = *method == Method::GET || *method == Method::HEAD;
        reads && !self.route.guard_tenant.is_empty()
    }

    /// The method to ask the backend by. A guard has to see what a HEAD leaves out.
    pub fn asks_by(&self, method: &Method) -> Method {
        match self.route.list.is_none() && self.is_guarded_reading(method) {
            true => Method::GET,
            false => method.clone(),
        }
    }

    /// What is answered where a reading, which came by this method and target, brought what is
    /// another's: that nothing of this name is there. The name is the ids of the request, or what
    /// its path says on a route that names none.
    pub fn absent_after_all(
        self: &Arc<Self>,
        (method, came): (&Method, &str),
        refusal: &Refusal,
    ) -> Option<Absence> {
        let foreign =
            matches!(refusal, Refusal::Denied(denial) if denial.code == DenialCode::ForeignAnswer);
        if !foreign || !self.is_guarded_reading(method) {
            return None;
        }
        let denied = match self.resources.as_slice() {
            [] => named_by_path(&self.route, self.target().unwrap_or(came)),
            resources => resources.to_vec(),
        };
        (!denied.is_empty()).then(|| Absence {
            admission: Arc::clone(self),
            denied,
        })
    }

    /// Holds JSON text of an answer against the route's guard.
    pub(super) fn guard_json(&self, principal: &Principal, text: &[u8]) -> Result<(), Refusal> {
        let own = principal.tenant().as_str();
        for extractor in &self.route.guard_tenant {
            let Extractor::Body(pointer) = extractor else {
                continue;
            };
            let values = json::pointer_values(text, pointer, &Limits::default())
                .map_err(|fault| self.unreadable(&fault.to_string()))?;
            if values
                .iter()
                .any(|value| !matches!(value, Scalar::Text(tenant) if tenant == own))
            {
                return Err(self.foreign("names another tenant"));
            }
        }
        Ok(())
    }

    async fn learn_from_body(
        &self,
        registry: &Registry,
        principal: &Principal,
        body: &[u8],
    ) -> Result<(), Refusal> {
        for rule in &self.route.creates {
            let mut minted = 0;
            for place in &rule.ids {
                let Extractor::Body(pointer) = place else {
                    continue;
                };
                let values = json::pointer_values(body, pointer, &Limits::default())
                    .map_err(|fault| self.unreadable(&fault.to_string()))?;
                for value in values {
                    match found(value) {
                        Found::Text(text) => {
                            self.mint(registry, principal, rule, &text).await?;
                            minted += 1;
                        }
                        Found::Null => {}
                        Found::Container | Found::Other => {
                            return Err(self.unreadable("has an id that is no text"));
                        }
                    }
                }
            }
            let by_body = |place: &Extractor| matches!(place, Extractor::Body(_));
            if minted == 0 && rule.ids.iter().all(by_body) {
                tracing::warn!(route = %self.route.name, kind = %rule.kind,
                    "an answer that should mint an id has none; whatever it made belongs to nobody");
            }
        }
        Ok(())
    }

    /// Makes the caller the owner of an id that the backend minted.
    pub(super) async fn mint(
        &self,
        registry: &Registry,
        principal: &Principal,
        rule: &CreatesRule,
        text: &str,
    ) -> Result<(), Refusal> {
        let key = key(&self.route, &rule.kind, rule.form, text)
            .map_err(|error| self.unreadable(&format!("mints what can be no id: {error}")))?;
        self.begins(&key);
        let owned = registry
            .mint(&key, &owner(principal))
            .await
            .map_err(unavailable)?;
        self.reached(&owned, &rule.access, principal, &key)
    }

    /// What an answer names is the caller's, or the answer is not.
    fn reached(
        &self,
        owned: &Ownership,
        access: &Access,
        principal: &Principal,
        key: &ResourceKey,
    ) -> Result<(), Refusal> {
        match owned {
            Ownership::Owned(owner) if may_reach(owner, access, principal) => Ok(()),
            Ownership::Owned(_) | Ownership::Retired | Ownership::Unknown => {
                Err(self.foreign(&format!("mints a {} that belongs to another", key.kind())))
            }
        }
    }

    /// The answer is somebody else's: the caller gets the 404, the operator an alert.
    pub(super) fn foreign(&self, what: &str) -> Refusal {
        tracing::error!(route = %self.route.name, "an answer of the backend {what}");
        DenialCode::ForeignAnswer.into()
    }

    pub(super) fn unreadable(&self, why: &str) -> Refusal {
        let log = format!(
            "route `{}` has to read its answers, and this one {why}",
            self.route.name
        );
        Failure::logged(FailureCode::UpstreamUnreadable, log).into()
    }
}

/// The id in a field: of a reference (RFC 9110 sections 10.2.2 and 8.7) the last segment of its
/// path, of any other the whole value.
fn named_by<'value>(name: &str, value: &'value str) -> Cow<'value, str> {
    if name != header::LOCATION.as_str() && name != header::CONTENT_LOCATION.as_str() {
        return Cow::Borrowed(value);
    }
    let path = value.split(['?', '#']).next().unwrap_or(value);
    let path = path.trim_end_matches('/');
    decode_segment(path.rsplit('/').next().unwrap_or(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_names_what_its_last_segment_says() {
        for value in [
            "/threads/t-1",
            "https://backend/threads/t-1/",
            "/threads/t-1?x=1#y",
            "/threads/t%2D1",
            "t-1",
        ] {
            assert_eq!(named_by("location", value), "t-1", "{value}");
        }
        assert_eq!(named_by("mcp-session-id", "a/b"), "a/b");
    }
}
