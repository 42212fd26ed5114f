//! The lines of one tenant: its own, and those of its users.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::rate::Bucket;
use super::standing::{Quota, Standing};
use super::{Allowed, LimitName, LimitPolicy, Limited, LineLimits};

/// Pause before a retry where nobody knows when a slot comes free.
const A_MOMENT: Duration = Duration::from_secs(1);

/// What one key has taken.
#[derive(Clone, Debug, Default)]
pub(super) struct Line {
    bucket: Bucket,
    requests: u32,
    streams: u32,
}

/// All lines of one tenant.
#[derive(Debug, Default)]
pub(super) struct TenantLines {
    own: Line,
    users: HashMap<Arc<str>, Line>,
    /// Of users beyond the bound, who share one line.
    others: Line,
}

/// Which line of a tenant's is a user's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum UserLine {
    /// Nothing is limited by user.
    None,
    /// Its own.
    Own(Arc<str>),
    /// The one that those beyond the bound share.
    Shared,
}

/// The names of the limits of a line, and whose they are.
const OF_TENANT: [LimitName; 3] = [
    LimitName::TenantRate,
    LimitName::TenantRequests,
    LimitName::TenantStreams,
];
const OF_USER: [LimitName; 3] = [
    LimitName::UserRate,
    LimitName::UserRequests,
    LimitName::UserStreams,
];

impl TenantLines {
    /// The line of a user; it begins if it is not there and `room` says that there is any.
    pub(super) fn line_of(&mut self, user: &str, room: impl FnOnce(usize) -> bool) -> UserLine {
        if let Some((name, _)) = self.users.get_key_value(user) {
            return UserLine::Own(Arc::clone(name));
        }
        if !room(self.users.len()) {
            return UserLine::Shared;
        }
        let name: Arc<str> = user.into();
        self.users.insert(Arc::clone(&name), Line::default());
        UserLine::Own(name)
    }

    /// A copy, with the line of this user alone.
    pub(super) fn only(&self, user: &str) -> Self {
        let own = self.users.get_key_value(user);
        Self {
            own: self.own.clone(),
            users: own
                .map(|(name, line)| (Arc::clone(name), line.clone()))
                .into_iter()
                .collect(),
            others: self.others.clone(),
        }
    }

    /// How many users have a line of their own.
    pub(super) fn users(&self) -> usize {
        self.users.len()
    }

    /// Takes one request, and a stream if it is one, of all that `policy` limits, or nothing.
    pub(super) fn take(
        &mut self,
        user: &UserLine,
        policy: &LimitPolicy,
        stream: bool,
        now: u64,
    ) -> Result<(), Limited> {
        self.judge(user, policy, now, |line, limits, names| {
            line.refuses_request(limits, names, now)
                .into_iter()
                .chain(line.refuses_stream(limits, names).filter(|_| stream))
                .max_by_key(|(.., wait)| *wait)
        })?;
        self.each(user, policy, |line, limits| {
            if let Some(rate) = limits.rate {
                line.bucket.take(rate, now);
            }
            line.requests = line.requests.saturating_add(1);
            line.streams = line.streams.saturating_add(stream.into());
        });
        Ok(())
    }

    /// Takes a stream for a request that was let in without, or nothing.
    pub(super) fn take_stream(
        &mut self,
        user: &UserLine,
        policy: &LimitPolicy,
        now: u64,
    ) -> Result<(), Limited> {
        self.judge(user, policy, now, |line, limits, names| {
            line.refuses_stream(limits, names)
        })?;
        self.each(user, policy, |line, _| {
            line.streams = line.streams.saturating_add(1);
        });
        Ok(())
    }

    /// A request has ended.
    pub(super) fn leave(&mut self, user: &UserLine, stream: bool) {
        self.each(user, &LimitPolicy::default(), |line, _| {
            line.requests = line.requests.saturating_sub(1);
            line.streams = line.streams.saturating_sub(stream.into());
        });
    }

    /// What was taken at `taken` for good was not used.
    pub(super) fn give_back(
        &mut self,
        user: &UserLine,
        policy: &LimitPolicy,
        taken: u64,
        now: u64,
    ) {
        self.each(user, policy, |line, limits| {
            if let Some(rate) = limits.rate {
                line.bucket.give_back(rate, taken, now);
            }
        });
    }

    /// How all that `policy` limits stands.
    pub(super) fn standing(&self, user: &UserLine, policy: &LimitPolicy, now: u64) -> Standing {
        let mut quotas = Vec::with_capacity(LimitName::ALL.len());
        self.own
            .standing(&policy.tenant, OF_TENANT, now, &mut quotas);
        if let Some(line) = self.user(user) {
            line.standing(&policy.user, OF_USER, now, &mut quotas);
        }
        Standing(quotas)
    }

    /// Forgets the users that nothing is lost with; whether the tenant itself is such a one.
    pub(super) fn forget_idle(&mut self, now: u64) -> bool {
        self.users.retain(|_, line| !line.is_idle(now));
        self.users.is_empty() && self.own.is_idle(now) && self.others.is_idle(now)
    }

    /// The limit among those that `refuses` names which has to be waited for longest.
    fn judge(
        &self,
        user: &UserLine,
        policy: &LimitPolicy,
        now: u64,
        refuses: impl Fn(&Line, &LineLimits, [LimitName; 3]) -> Option<Refused>,
    ) -> Result<(), Limited> {
        let own = refuses(&self.own, &policy.tenant, OF_TENANT);
        let users = self
            .user(user)
            .and_then(|line| refuses(line, &policy.user, OF_USER));
        let longest = own.into_iter().chain(users).max_by_key(|(.., wait)| *wait);
        match longest {
            None => Ok(()),
            Some((limit, allowed, retry_after)) => Err(Limited {
                limit,
                allowed,
                retry_after,
                standing: self.standing(user, policy, now),
            }),
        }
    }

    fn user(&self, user: &UserLine) -> Option<&Line> {
        match user {
            UserLine::None => None,
            UserLine::Own(name) => self.users.get(name),
            UserLine::Shared => Some(&self.others),
        }
    }

    /// Does something to the tenant's line and to the user's.
    fn each(
        &mut self,
        user: &UserLine,
        policy: &LimitPolicy,
        does: impl Fn(&mut Line, &LineLimits),
    ) {
        does(&mut self.own, &policy.tenant);
        let line = match user {
            UserLine::None => None,
            // INVARIANT: it is there for as long as a request of its user's is under way: only an
            // idle line is forgotten.
            UserLine::Own(name) => self.users.get_mut(name),
            UserLine::Shared => Some(&mut self.others),
        };
        if let Some(line) = line {
            does(line, &policy.user);
        }
    }
}

/// Which limit refuses, what it allows, and how long to wait.
type Refused = (LimitName, Allowed, Duration);

impl Line {
    fn refuses_request(
        &self,
        limits: &LineLimits,
        [rate_name, requests_name, _]: [LimitName; 3],
        now: u64,
    ) -> Option<Refused> {
        let rate = limits.rate.and_then(|rate| {
            let wait = self.bucket.wait(rate, now);
            (!wait.is_zero()).then_some((rate_name, Allowed::Rate(rate), wait))
        });
        let requests = limits
            .concurrent_requests
            .filter(|most| self.requests >= *most)
            .map(|most| (requests_name, Allowed::AtATime(most), A_MOMENT));
        rate.into_iter()
            .chain(requests)
            .max_by_key(|(.., wait)| *wait)
    }

    fn refuses_stream(&self, limits: &LineLimits, [.., name]: [LimitName; 3]) -> Option<Refused> {
        let most = limits.open_streams?;
        (self.streams >= most).then_some((name, Allowed::AtATime(most), A_MOMENT))
    }

    fn standing(
        &self,
        limits: &LineLimits,
        [rate_name, requests_name, streams_name]: [LimitName; 3],
        now: u64,
        quotas: &mut Vec<Quota>,
    ) {
        if let Some(rate) = limits.rate {
            let level = self.bucket.level(rate, now);
            quotas.push(Quota {
                name: rate_name,
                most: rate.burst.into(),
                window: Some(rate.window()),
                remaining: level.remaining,
                next: level.next,
            });
        }
        let at_a_time = [
            (requests_name, limits.concurrent_requests, self.requests),
            (streams_name, limits.open_streams, self.streams),
        ];
        for (name, most, taken) in at_a_time {
            let Some(most) = most else { continue };
            quotas.push(Quota {
                name,
                most: most.into(),
                window: None,
                remaining: most.saturating_sub(taken).into(),
                next: None,
            });
        }
    }

    fn is_idle(&self, now: u64) -> bool {
        self.requests == 0 && self.streams == 0 && self.bucket.is_calm(now)
    }
}
