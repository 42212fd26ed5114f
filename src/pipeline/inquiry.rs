//! Asking what would become of a request without sending it.
//!
//! An inquiry goes through [`Gate::admit`] like any request: the same steps in the same order. What
//! differs is that nothing is left behind. Steps that would take something look whether they could
//! and write down what they found: no id is claimed, no limit is used up, no delivery is marked as
//! taken, no money is held, nothing is recorded or counted, and no use of a resource is noted.

use std::sync::Arc;

use super::cost::{crowded, refused};
use super::ownership::{NamedResource, owner};
use super::trail::Trail;
use super::{Gate, limits};
use crate::budget::ledger::{LineStanding, Request};
use crate::budget::limits::{LimitPolicy, Standing};
use crate::budget::{ReserveError, Spender};
use crate::decision::{Failure, Refusal, StateUnavailable};
use crate::identity::Principal;
use crate::money::NanoUsd;
use crate::ownership::{Ownership, Registry, ResourceKey};

/// The steps in their order, as far as a request got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// The head is read in one way only, or refused.
    #[default]
    Target,
    /// Method and path lead to a route.
    Route,
    /// Who calls.
    Authenticate,
    /// The tenant is served, and whatever names one names the same.
    Tenant,
    /// Roles, scopes and rules.
    Authorize,
    /// How many requests at a time and a second.
    Limits,
    /// Size of the body, and what it says of shared memory.
    Body,
    /// Tools, prompts and resources of an MCP message.
    Tools,
    /// What the backend gets in place of what came.
    Rewrite,
    /// Models.
    Models,
    /// Whose the things are that it names.
    Ownership,
    /// Money is held.
    Cost,
    /// It goes to the backend.
    Backend,
}

impl Stage {
    /// Every stage, in order.
    pub const ALL: [Self; 13] = [
        Self::Target,
        Self::Route,
        Self::Authenticate,
        Self::Tenant,
        Self::Authorize,
        Self::Limits,
        Self::Body,
        Self::Tools,
        Self::Rewrite,
        Self::Models,
        Self::Ownership,
        Self::Cost,
        Self::Backend,
    ];

    /// Its name for programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Target => "target",
            Self::Route => "route",
            Self::Authenticate => "authenticate",
            Self::Tenant => "tenant",
            Self::Authorize => "authorize",
            Self::Limits => "limits",
            Self::Body => "body",
            Self::Tools => "tools",
            Self::Rewrite => "rewrite",
            Self::Models => "models",
            Self::Ownership => "ownership",
            Self::Cost => "cost",
            Self::Backend => "backend",
        }
    }
}

/// Whose a thing is that was asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// The caller may reach it.
    Caller,
    /// Another owns it, or the caller lacks the role to reach it.
    Another,
    /// Nobody is known to own it.
    Nobody,
    /// It was somebody's, who is forgotten; it stays out of reach.
    Retired,
    /// Nobody was asked: there is no registry.
    NotAsked,
}

impl Whose {
    /// Its name for programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Another => "another",
            Self::Nobody => "nobody",
            Self::Retired => "retired",
            Self::NotAsked => "not asked",
        }
    }
}

/// A thing that the request names.
#[derive(Clone, Debug)]
pub struct Asked {
    /// What and where.
    pub named: NamedResource,
    /// Whose.
    pub whose: Whose,
    /// Sending the request would make the caller its owner.
    pub claims: bool,
}

/// What would be held for the request.
#[derive(Clone, Debug)]
pub struct Held {
    /// Who spends.
    pub spender: Spender,
    /// How much.
    pub amount: NanoUsd,
    /// How its lines stand under the ceilings that apply, without this request.
    pub ceilings: Vec<LineStanding>,
}

/// What an inquiry supposes, and what it found.
#[derive(Debug, Default)]
pub struct Inquiry {
    pub(super) supposed: Option<Arc<Principal>>,
    pub(super) owners_unknown: bool,
    pub(super) limits: Option<LimitPolicy>,
    pub(super) resources: Vec<Asked>,
    pub(super) held: Option<Held>,
    pub(super) hides_usage: bool,
}

impl Inquiry {
    /// About a request with the credential that stands in it.
    pub fn by_credential() -> Self {
        Self::default()
    }

    /// About a request of this caller, whatever credential stands in it.
    pub fn by(supposed: Arc<Principal>) -> Self {
        Self {
            supposed: Some(supposed),
            ..Self::default()
        }
    }

    /// Where nobody knows whose things are: each is taken for the caller's.
    #[must_use]
    pub fn without_owners(self) -> Self {
        Self {
            owners_unknown: true,
            ..self
        }
    }

    /// The things that the request names.
    pub fn resources(&self) -> &[Asked] {
        &self.resources
    }

    /// What would be held for it, if it got so far.
    pub fn held(&self) -> Option<&Held> {
        self.held.as_ref()
    }

    /// Whose each of these is, as the caller's request would be told; no use of them is noted.
    pub(super) async fn owners(
        &self,
        registry: &Registry,
        keys: &[ResourceKey],
        caller: &Principal,
    ) -> Result<Vec<Ownership>, StateUnavailable> {
        match self.owners_unknown {
            true => Ok(vec![Ownership::Owned(owner(caller)); keys.len()]),
            false => registry.look(keys).await,
        }
    }

    /// Writes down what was found of a thing.
    pub(super) fn found(&mut self, named: &NamedResource, whose: Whose, claims: bool) {
        self.resources.push(Asked {
            named: named.clone(),
            whose: match self.owners_unknown {
                true => Whose::NotAsked,
                false => whose,
            },
            claims,
        });
    }
}

impl Gate {
    /// Begins the trail of an inquiry. It can be shown to [`Gate::admit`] only: nothing of it is
    /// ever recorded.
    pub fn inquire(&self, inquiry: Inquiry) -> Trail {
        let mut trail = self.begin();
        trail.inquiry = Some(Box::new(inquiry));
        trail
    }

    /// Whether what a request can come to would be held, and how its ceilings stand.
    ///
    /// # Errors
    /// It would not.
    pub(super) fn weigh_cost(
        &self,
        request: &Request<'_>,
        exhausted_status: u16,
        hides_usage: bool,
        trail: &mut Trail,
    ) -> Result<(), Refusal> {
        let (ceilings, fits) = self.ledger().weigh(request).map_err(Failure::from)?;
        if let Some(inquiry) = &mut trail.inquiry {
            inquiry.hides_usage = hides_usage;
            inquiry.held = Some(Held {
                spender: request.spender.clone(),
                amount: request.amount,
                ceilings,
            });
        }
        fits.map_err(|error| match error {
            ReserveError::Exceeded(exhausted) => {
                Refusal::Denied(refused(&exhausted, exhausted_status, Some(self.now())))
            }
            ReserveError::Full(full) => Refusal::Denied(crowded(full, exhausted_status)),
            ReserveError::Unavailable(unavailable) => unavailable.into(),
        })
    }
}

impl Trail {
    /// What an inquiry supposes and found; `None` for a request.
    pub fn inquiry(&self) -> Option<&Inquiry> {
        self.inquiry.as_deref()
    }

    /// How far it got: the step that refused it, where it was refused.
    pub fn stage(&self) -> Stage {
        self.stage
    }

    pub(super) fn reaches(&mut self, stage: Stage) {
        self.stage = stage;
    }

    pub(super) fn supposed(&self) -> Option<&Arc<Principal>> {
        self.inquiry.as_deref()?.supposed.as_ref()
    }

    /// How the limits of the caller stand, with this request among those under way.
    pub fn limits(&self) -> Option<&Standing> {
        match &self.limiting {
            limits::Limiting::Unasked => None,
            limits::Limiting::Under(pass) => Some(pass.standing()),
            limits::Limiting::Over(standing) => Some(standing),
        }
    }

    /// The rule that made the difference, if one did.
    pub fn rule(&self) -> Option<&Arc<str>> {
        self.rule.as_ref()
    }

    /// Shadow rules that would have refused it.
    pub fn would_deny(&self) -> &[Arc<str>] {
        &self.would_deny
    }

    /// The model that it asks for, or is made to.
    pub fn model(&self) -> Option<&Arc<str>> {
        self.model.as_ref()
    }

    /// The tool that it calls.
    pub fn tool(&self) -> Option<&Arc<str>> {
        self.tool.as_ref()
    }

    /// The tenant that it names beside its caller's.
    pub fn declared_tenant(&self) -> Option<&str> {
        self.declared_tenant.as_deref()
    }
}
