//! What a request that was let in holds.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::limiter::{Limiter, Shard, locked};
use super::lines::{TenantLines, UserLine};
use super::standing::Standing;
use super::{LimitPolicy, Limited};
use crate::tenant::TenantId;

/// A request that is under way. Dropping it frees its slots.
#[must_use]
pub struct Pass {
    pub(super) limiter: Arc<Limiter>,
    /// `None`: it has left.
    pub(super) place: Option<Place>,
    pub(super) policy: LimitPolicy,
    pub(super) taken: u64,
    pub(super) stream: bool,
    pub(super) standing: Standing,
}

/// Which lines a request stands in.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) shard: Arc<Mutex<Shard>>,
    /// `None`: those that tenants beyond the bound share.
    pub(super) tenant: Option<TenantId>,
    pub(super) user: UserLine,
}

impl Place {
    fn with<T>(&self, does: impl FnOnce(&mut TenantLines, &UserLine) -> T) -> T {
        let mut shard = locked(&self.shard);
        does(shard.of(self.tenant.as_ref()), &self.user)
    }
}

impl Pass {
    /// The answer turns out to be a stream: takes what is limited of those, once.
    ///
    /// # Errors
    /// Too many are open; the request holds what it held.
    pub fn open_stream(&mut self, now: Instant) -> Result<(), Limited> {
        let Some(place) = self.place.as_ref().filter(|_| !self.stream) else {
            return Ok(());
        };
        let now = self.limiter.since_began(now);
        self.standing = place.with(|lines, user| {
            lines.take_stream(user, &self.policy, now)?;
            Ok(lines.standing(user, &self.policy, now))
        })?;
        self.stream = true;
        Ok(())
    }

    /// How the caller's limits stood when it was let in, or opened its stream.
    pub fn standing(&self) -> &Standing {
        &self.standing
    }

    /// The request goes no further: what it took for good is given back too. Returns how the limits
    /// stand after that.
    pub fn give_back(mut self, now: Instant) -> Standing {
        let now = self.limiter.since_began(now);
        // INVARIANT: in one step, for the line may be forgotten as soon as nothing holds it.
        let given = self.place.take().map(|place| {
            place.with(|lines, user| {
                lines.give_back(user, &self.policy, self.taken, now);
                lines.leave(user, self.stream);
                lines.standing(user, &self.policy, now)
            })
        });
        given.unwrap_or_default()
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if let Some(place) = self.place.take() {
            place.with(|lines, user| lines.leave(user, self.stream));
        }
    }
}

impl fmt::Debug for Pass {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Pass")
            .field("place", &self.place)
            .field("stream", &self.stream)
            .finish_non_exhaustive()
    }
}
