//! All lines of the process, within bounds.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::lines::{TenantLines, UserLine};
use super::pass::{Pass, Place};
use super::standing::Standing;
use super::{LimitPolicy, Limited};
use crate::tenant::TenantId;

/// Parts that are locked apart from each other.
const SHARDS: usize = 16;

/// How few lines are not worth looking for idle ones among.
const FEW: usize = 256;

/// In nanoseconds.
const A_SECOND: u64 = 1_000_000_000;

/// How many lines are kept that are not idle. A line is idle, and forgotten, once nothing of it is
/// under way and all of its burst is back: then nothing is lost with it. So what a stranger with
/// many names can do is to fill what is left for others like him, and to push out nobody.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Tenants; those beyond share one line.
    pub tenants: usize,
    /// Users of all tenants.
    pub users: usize,
    /// Users of one tenant; those beyond share one line of their tenant.
    pub users_of_a_tenant: usize,
}

impl Default for Bounds {
    /// At most about 200 MB, and a few hundred bytes per line that is in use.
    fn default() -> Self {
        Self {
            tenants: 1 << 18,
            users: 1 << 20,
            users_of_a_tenant: 1 << 14,
        }
    }
}

/// Who asks, and what for.
#[derive(Clone, Copy, Debug)]
pub struct Entrant<'request> {
    /// The tenant that a credential proves.
    pub tenant: &'request TenantId,
    /// Its user.
    pub user: &'request str,
    /// Whether the request can be told to be one for a stream.
    pub stream: bool,
}

/// All lines of the process.
#[derive(Debug)]
pub struct Limiter {
    shards: Vec<Arc<Mutex<Shard>>>,
    /// One shard more, for what falls to none of those.
    last: Arc<Mutex<Shard>>,
    bounds: Bounds,
    hasher: RandomState,
    began: Instant,
}

/// Some tenants, and the lines of their users.
#[derive(Debug, Default)]
pub(super) struct Shard {
    tenants: HashMap<TenantId, TenantLines>,
    /// Of tenants beyond the bound.
    others: TenantLines,
    /// Users that have a line of their own.
    users: usize,
    /// How many lines there are when idle ones are looked for.
    look_at: usize,
    /// When they were looked for last.
    looked: u64,
}

impl Limiter {
    /// A limiter that nobody has asked.
    pub fn new(bounds: Bounds) -> Arc<Self> {
        Arc::new(Self {
            shards: (1..SHARDS).map(|_| Arc::default()).collect(),
            last: Arc::default(),
            bounds: Bounds {
                tenants: bounds.tenants / SHARDS,
                users: bounds.users / SHARDS,
                ..bounds
            },
            hasher: RandomState::new(),
            began: Instant::now(),
        })
    }

    /// Lets a request in, by all limits of its caller or by none.
    ///
    /// # Errors
    /// One of them is reached. Nothing was taken.
    pub fn enter(
        self: &Arc<Self>,
        entrant: &Entrant<'_>,
        policy: &LimitPolicy,
        now: Instant,
    ) -> Result<Pass, Limited> {
        let taken = self.since_began(now);
        let home = self.shard_of(entrant.tenant);
        let mut shard = locked(home);
        let tenant = shard.tenant(entrant.tenant, &self.bounds, taken);
        let user = match policy.user.is_empty() {
            true => UserLine::None,
            false => shard.user(tenant.as_ref(), entrant.user, &self.bounds),
        };
        let lines = shard.of(tenant.as_ref());
        lines.take(&user, policy, entrant.stream, taken)?;
        Ok(Pass {
            standing: lines.standing(&user, policy, taken),
            limiter: Arc::clone(self),
            place: Some(Place {
                shard: Arc::clone(home),
                tenant,
                user,
            }),
            policy: *policy,
            taken,
            stream: entrant.stream,
        })
    }

    /// Whether [`Limiter::enter`] would let a request in, and how the limits would stand then. Nothing
    /// is taken, and no line begins.
    ///
    /// # Errors
    /// As there.
    pub fn weigh(
        &self,
        entrant: &Entrant<'_>,
        policy: &LimitPolicy,
        now: Instant,
    ) -> Result<Standing, Limited> {
        let taken = self.since_began(now);
        let shard = locked(self.shard_of(entrant.tenant));
        let full = shard.tenants.len() >= self.bounds.tenants;
        let of_others = full.then_some(&shard.others);
        let there = shard.tenants.get(entrant.tenant).or(of_others);
        let users = there.map_or(0, TenantLines::users);
        let room = shard.users < self.bounds.users && users < self.bounds.users_of_a_tenant;
        let mut lines = there.map_or_else(TenantLines::default, |it| it.only(entrant.user));
        drop(shard);
        let user = match policy.user.is_empty() {
            true => UserLine::None,
            false => lines.line_of(entrant.user, |_| room),
        };
        lines.take(&user, policy, entrant.stream, taken)?;
        Ok(lines.standing(&user, policy, taken))
    }

    /// How many lines there are of tenants, and of users.
    pub fn lines(&self) -> (usize, usize) {
        let shards = self.shards.iter().chain([&self.last]);
        shards.fold((0, 0), |(tenants, users), shard| {
            let shard = locked(shard);
            (tenants + shard.tenants.len(), users + shard.users)
        })
    }

    /// Nanoseconds from the limiter's beginning to `now`.
    pub(super) fn since_began(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.began);
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    }

    fn shard_of(&self, tenant: &TenantId) -> &Arc<Mutex<Shard>> {
        let hash = self.hasher.hash_one(tenant.as_str()) % SHARDS as u64;
        let shard = usize::try_from(hash).ok();
        shard
            .and_then(|shard| self.shards.get(shard))
            .unwrap_or(&self.last)
    }
}

impl Shard {
    /// The lines that were found by [`Shard::tenant`].
    pub(super) fn of(&mut self, tenant: Option<&TenantId>) -> &mut TenantLines {
        // INVARIANT: a tenant's lines are there for as long as a request of it is under way: only
        // idle ones are forgotten.
        match tenant.and_then(|tenant| self.tenants.get_mut(tenant)) {
            Some(lines) => lines,
            None => &mut self.others,
        }
    }

    /// Finds the lines of a tenant, or begins them; `None` is those that tenants beyond the bound
    /// share.
    fn tenant(&mut self, tenant: &TenantId, bounds: &Bounds, now: u64) -> Option<TenantId> {
        self.forget_idle(tenant, bounds, now);
        if self.tenants.contains_key(tenant) {
            return Some(tenant.clone());
        }
        if self.tenants.len() >= bounds.tenants {
            return None;
        }
        self.tenants.insert(tenant.clone(), TenantLines::default());
        Some(tenant.clone())
    }

    /// Finds the line of a user, or begins it.
    fn user(&mut self, tenant: Option<&TenantId>, user: &str, bounds: &Bounds) -> UserLine {
        let room = self.users < bounds.users;
        let lines = self.of(tenant);
        let before = lines.users();
        let line = lines.line_of(user, |users| room && users < bounds.users_of_a_tenant);
        let begun = lines.users() - before;
        self.users += begun;
        line
    }

    /// Forgets idle lines: whenever there are twice as many as were left the last time, and once a
    /// second where a bound is reached. Looking at all of them for each request would be a lever.
    fn forget_idle(&mut self, tenant: &TenantId, bounds: &Bounds, now: u64) {
        let users = self.tenants.get(tenant).map_or(0, TenantLines::users);
        let full = self.tenants.len() >= bounds.tenants
            || self.users >= bounds.users
            || users >= bounds.users_of_a_tenant;
        let many = self.tenants.len() + self.users >= self.look_at.max(FEW);
        let due = many || (full && now.saturating_sub(self.looked) >= A_SECOND);
        if !due {
            return;
        }
        self.tenants.retain(|_, lines| !lines.forget_idle(now));
        self.others.forget_idle(now);
        let users = self.tenants.values().chain([&self.others]);
        self.users = users.map(TenantLines::users).sum();
        self.look_at = 2 * (self.tenants.len() + self.users);
        self.looked = now;
    }
}

/// A shard, to oneself. What panics while it holds one leaves counts that are whole.
pub(super) fn locked(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[path = "limiter_tests.rs"]
mod tests;
