use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use super::super::{LimitName, LineLimits, PerSecond, Rate};
use super::*;

fn tenant(name: &str) -> TenantId {
    name.parse().unwrap()
}

fn rate(per_second: &str, burst: u32) -> Option<Rate> {
    let per_second: PerSecond = per_second.parse().unwrap();
    Some(Rate { per_second, burst })
}

/// LineLimits of the tenant alone.
fn of_tenant(limits: LineLimits) -> LimitPolicy {
    LimitPolicy {
        tenant: limits,
        user: LineLimits::default(),
    }
}

/// LineLimits of each user alone.
fn of_user(limits: LineLimits) -> LimitPolicy {
    LimitPolicy {
        tenant: LineLimits::default(),
        user: limits,
    }
}

fn requests(most: u32) -> LineLimits {
    LineLimits {
        concurrent_requests: Some(most),
        ..LineLimits::default()
    }
}

fn rated(per_second: &str, burst: u32) -> LineLimits {
    LineLimits {
        rate: rate(per_second, burst),
        ..LineLimits::default()
    }
}

/// One limiter at one moment.
struct World {
    limiter: Arc<Limiter>,
    now: Instant,
}

impl World {
    fn new() -> Self {
        Self::within(Bounds::default())
    }

    fn within(bounds: Bounds) -> Self {
        Self {
            limiter: Limiter::new(bounds),
            now: Instant::now(),
        }
    }

    fn ask(&self, tenant_name: &str, user: &str, policy: &LimitPolicy) -> Result<Pass, Limited> {
        self.ask_for(tenant_name, user, policy, false)
    }

    fn ask_for(
        &self,
        tenant_name: &str,
        user: &str,
        policy: &LimitPolicy,
        stream: bool,
    ) -> Result<Pass, Limited> {
        let entrant = Entrant {
            tenant: &tenant(tenant_name),
            user,
            stream,
        };
        self.limiter.enter(&entrant, policy, self.now)
    }

    fn limit(&self, tenant: &str, user: &str, policy: &LimitPolicy) -> Option<LimitName> {
        self.ask(tenant, user, policy)
            .err()
            .map(|limited| limited.limit)
    }

    fn later(&mut self, time: Duration) {
        self.now += time;
    }
}

#[test]
fn a_burst_passes_and_the_next_is_told_when_to_come() {
    let mut world = World::new();
    let policy = of_tenant(rated("2", 3));
    for left in [2, 1, 0] {
        let pass = world.ask("acme", "alice", &policy).unwrap();
        assert_eq!(pass.standing().quotas()[0].remaining, left);
    }
    let limited = world.ask("acme", "bob", &policy).unwrap_err();
    assert_eq!(limited.limit, LimitName::TenantRate);
    assert_eq!(limited.retry_after, Duration::from_millis(500));
    assert_eq!(limited.retry_after_seconds(), 1, "rounded up");
    assert_eq!(limited.standing.quotas()[0].remaining, 0);
    world.later(Duration::from_nanos(499_999_999));
    assert!(world.ask("acme", "alice", &policy).is_err());
    world.later(Duration::from_nanos(1));
    assert!(world.ask("acme", "alice", &policy).is_ok());
}

#[test]
fn one_tenant_does_not_use_up_what_is_anothers() {
    let world = World::new();
    let policy = of_tenant(LineLimits {
        concurrent_requests: Some(1),
        ..rated("1", 2)
    });
    let _held = world.ask("acme", "alice", &policy).unwrap();
    assert!(world.ask("acme", "alice", &policy).is_err());
    let others = world.ask("globex", "alice", &policy).unwrap();
    assert_eq!(others.standing().quotas()[0].remaining, 1);
}

#[test]
fn users_of_one_name_in_two_tenants_are_two_users() {
    let world = World::new();
    let policy = of_user(rated("1", 1));
    assert_eq!(world.limit("acme", "alice", &policy), None);
    assert_eq!(
        world.limit("acme", "alice", &policy),
        Some(LimitName::UserRate)
    );
    assert_eq!(world.limit("acme", "bob", &policy), None);
    assert_eq!(world.limit("globex", "alice", &policy), None);
}

#[test]
fn a_slot_is_free_again_however_its_request_ends() {
    let world = World::new();
    let policy = of_tenant(requests(1));
    for end in [
        |pass: Pass| drop(pass),
        |pass: Pass| drop(pass.give_back(Instant::now())),
        |pass: Pass| {
            let panicked = thread::spawn(move || {
                let _pass = pass;
                panic!("in the middle");
            });
            assert!(panicked.join().is_err());
        },
    ] {
        let pass = world.ask("acme", "alice", &policy).unwrap();
        assert_eq!(
            world.limit("acme", "bob", &policy),
            Some(LimitName::TenantRequests)
        );
        end(pass);
    }
    assert!(world.ask("acme", "alice", &policy).is_ok());
}

#[test]
fn who_is_refused_has_taken_nothing_of_any_limit() {
    let world = World::new();
    let policy = LimitPolicy {
        tenant: rated("1", 2),
        user: requests(1),
    };
    let held = world.ask("acme", "alice", &policy).unwrap();
    for _ in 0..100 {
        assert_eq!(
            world.limit("acme", "alice", &policy),
            Some(LimitName::UserRequests)
        );
    }
    drop(held);
    assert_eq!(
        world.limit("acme", "alice", &policy),
        None,
        "the second of two"
    );
    assert_eq!(
        world.limit("acme", "alice", &policy),
        Some(LimitName::TenantRate)
    );
}

#[test]
fn what_the_tenant_refuses_costs_its_user_nothing() {
    let world = World::new();
    let policy = LimitPolicy {
        tenant: requests(1),
        user: rated("1", 2),
    };
    let held = world.ask("acme", "alice", &policy).unwrap();
    for _ in 0..100 {
        assert_eq!(
            world.limit("acme", "bob", &policy),
            Some(LimitName::TenantRequests)
        );
    }
    drop(held);
    let bobs = world.ask("acme", "bob", &policy).unwrap();
    assert_eq!(bobs.standing().quotas()[1].remaining, 1);
}

#[test]
fn the_limit_that_has_to_be_waited_for_longest_is_named() {
    let world = World::new();
    let policy = LimitPolicy {
        tenant: rated("10", 1),
        user: rated("0.1", 1),
    };
    assert_eq!(world.limit("acme", "alice", &policy), None);
    let limited = world.ask("acme", "alice", &policy).unwrap_err();
    assert_eq!(limited.limit, LimitName::UserRate);
    assert_eq!(limited.retry_after_seconds(), 10);
    let says = "the user's limit of 0.1 requests per second (1 at once) is reached";
    assert_eq!(limited.to_string(), says);
}

#[test]
fn what_is_given_back_can_be_used_again() {
    let world = World::new();
    let policy = LimitPolicy {
        tenant: rated("1", 1),
        user: rated("1", 1),
    };
    for _ in 0..100 {
        let pass = world.ask("acme", "alice", &policy).unwrap();
        let standing = pass.give_back(world.now);
        assert!(standing.quotas().iter().all(|quota| quota.remaining == 1));
    }
    assert_eq!(world.limit("acme", "alice", &policy), None);
    assert!(
        world.limit("acme", "alice", &policy).is_some(),
        "what was used is gone"
    );
}

#[test]
fn a_stream_takes_a_slot_of_both_kinds_and_a_request_of_one() {
    let world = World::new();
    let policy = of_tenant(LineLimits {
        concurrent_requests: Some(3),
        open_streams: Some(1),
        rate: None,
    });
    let stream = world.ask_for("acme", "alice", &policy, true).unwrap();
    let again = world.ask_for("acme", "alice", &policy, true).unwrap_err();
    assert_eq!(again.limit, LimitName::TenantStreams);
    assert_eq!(
        again.to_string(),
        "the tenant's limit of 1 open streams at a time is reached"
    );
    let _one = world.ask("acme", "alice", &policy).unwrap();
    let _two = world.ask("acme", "alice", &policy).unwrap();
    assert_eq!(
        world.limit("acme", "alice", &policy),
        Some(LimitName::TenantRequests)
    );
    drop(stream);
    assert!(world.ask_for("acme", "alice", &policy, true).is_ok());
}

#[test]
fn an_answer_that_turns_out_to_be_a_stream_is_counted_once() {
    let world = World::new();
    let policy = of_tenant(LineLimits {
        open_streams: Some(1),
        ..LineLimits::default()
    });
    let mut first = world.ask("acme", "alice", &policy).unwrap();
    let mut second = world.ask("acme", "alice", &policy).unwrap();
    first.open_stream(world.now).unwrap();
    first.open_stream(world.now).unwrap();
    assert_eq!(first.standing().quotas()[0].remaining, 0);
    let limited = second.open_stream(world.now).unwrap_err();
    assert_eq!(limited.limit, LimitName::TenantStreams);
    drop(first);
    second.open_stream(world.now).unwrap();
    drop(second);
    assert!(world.ask_for("acme", "alice", &policy, true).is_ok());
}

#[test]
fn other_limits_hold_at_once_for_what_is_under_way_and_was_asked() {
    let world = World::new();
    let two = of_tenant(LineLimits {
        concurrent_requests: Some(2),
        ..rated("1", 10)
    });
    let held = [(); 2].map(|()| world.ask("acme", "alice", &two).unwrap());
    let three = of_tenant(requests(3));
    let third = world.ask("acme", "alice", &three).unwrap();
    let one = of_tenant(requests(1));
    drop(third);
    assert_eq!(
        world.limit("acme", "alice", &one),
        Some(LimitName::TenantRequests)
    );
    drop(held);
    assert!(world.ask("acme", "alice", &one).is_ok());
    let fewer = of_tenant(rated("1", 3));
    assert_eq!(
        world.limit("acme", "alice", &fewer),
        None,
        "two of three were asked"
    );
    assert_eq!(
        world.limit("acme", "alice", &fewer),
        Some(LimitName::TenantRate)
    );
}

#[test]
fn what_was_under_way_before_a_first_limit_counts() {
    let world = World::new();
    let _held = world.ask("acme", "alice", &LimitPolicy::default()).unwrap();
    let one = of_tenant(requests(1));
    assert_eq!(
        world.limit("acme", "alice", &one),
        Some(LimitName::TenantRequests)
    );
}

#[test]
fn nobody_passes_beyond_a_limit_on_any_number_of_threads() {
    const THREADS: usize = 8;
    const ROUNDS: usize = 2_000;
    let limiter = Limiter::new(Bounds::default());
    let now = Instant::now();
    let policy = LimitPolicy {
        tenant: LineLimits {
            concurrent_requests: Some(3),
            ..rated("0.000001", 1_000)
        },
        user: requests(2),
    };
    let (under_way, passed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let together = Barrier::new(THREADS);
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (limiter, policy) = (&limiter, &policy);
            let (under_way, passed, together) = (&under_way, &passed, &together);
            scope.spawn(move || {
                let acme = tenant("acme");
                let user = if thread % 2 == 0 { "alice" } else { "bob" };
                let entrant = Entrant {
                    tenant: &acme,
                    user,
                    stream: false,
                };
                together.wait();
                for _ in 0..ROUNDS {
                    let Ok(_pass) = limiter.enter(&entrant, policy, now) else {
                        thread::yield_now();
                        continue;
                    };
                    let present = under_way.fetch_add(1, Ordering::SeqCst) + 1;
                    assert!(present <= 3, "{present} at a time");
                    passed.fetch_add(1, Ordering::SeqCst);
                    thread::yield_now();
                    under_way.fetch_sub(1, Ordering::SeqCst);
                }
            });
        }
    });
    let mut passed = passed.into_inner();
    let entrant = Entrant {
        tenant: &tenant("acme"),
        user: "carol",
        stream: false,
    };
    while limiter.enter(&entrant, &policy, now).is_ok() {
        passed += 1;
    }
    assert_eq!(
        passed, 1_000,
        "the burst, whoever asked and was refused in between"
    );
    let limited = limiter.enter(&entrant, &policy, now).unwrap_err();
    assert_eq!(limited.limit, LimitName::TenantRate, "every slot is free");
}

/// Room for `users` per tenant, and for little else.
fn narrow(users: usize) -> Bounds {
    Bounds {
        tenants: 64 * SHARDS,
        users: 600 * SHARDS,
        users_of_a_tenant: users,
    }
}

#[test]
fn idle_lines_go_and_those_at_their_limit_stay() {
    let mut world = World::new();
    let policy = of_user(rated("1", 1));
    let slow = of_user(rated("0.001", 1));
    assert_eq!(world.limit("acme", "alice", &slow), None);
    let held = world.ask("acme", "bob", &of_user(requests(1))).unwrap();
    for number in 0..20_000 {
        assert_eq!(
            world.limit("acme", &format!("user-{number}"), &policy),
            None
        );
        world.later(Duration::from_millis(10));
    }
    let (_, users) = world.limiter.lines();
    assert!(
        users < 2 * FEW,
        "{users} lines for 100 users that are not idle"
    );
    assert_eq!(
        world.limit("acme", "alice", &slow),
        Some(LimitName::UserRate)
    );
    assert_eq!(
        world.limit("acme", "bob", &of_user(requests(1))),
        Some(LimitName::UserRequests)
    );
    drop(held);
}

#[test]
fn many_users_fill_their_tenant_and_push_out_nobody() {
    let world = World::within(narrow(100));
    let policy = of_user(rated("0.001", 1));
    assert_eq!(world.limit("acme", "alice", &policy), None);
    let passed = (0..10_000)
        .filter(|number| {
            world
                .limit("acme", &format!("user-{number}"), &policy)
                .is_none()
        })
        .count();
    assert_eq!(
        passed, 100,
        "99 with a line of their own, and one for all the rest"
    );
    assert_eq!(world.limiter.lines(), (1, 100));
    assert_eq!(
        world.limit("acme", "alice", &policy),
        Some(LimitName::UserRate)
    );
    assert_eq!(
        world.limit("globex", "alice", &policy),
        None,
        "another tenant has its own"
    );
}

#[test]
fn a_full_limiter_has_room_again_once_lines_are_idle() {
    let mut world = World::within(narrow(100));
    let policy = of_user(rated("1", 1));
    for number in 0..200 {
        let _ = world.ask("acme", &format!("user-{number}"), &policy);
    }
    assert!(
        world.limit("acme", "late", &policy).is_some(),
        "it shares with others"
    );
    world.later(Duration::from_secs(2));
    assert_eq!(world.limit("acme", "late", &policy), None);
    assert_eq!(world.limit("acme", "later", &policy), None);
    assert_eq!(world.limiter.lines(), (1, 2));
}

#[test]
fn many_tenants_fill_their_share_and_push_out_nobody() {
    let world = World::within(narrow(10));
    let policy = of_tenant(LineLimits {
        concurrent_requests: Some(1),
        ..rated("0.001", 2)
    });
    let first = world.ask("first", "alice", &policy).unwrap();
    for number in 0..5_000 {
        let _ = world.ask(&format!("tenant-{number}"), "alice", &policy);
    }
    let (tenants, _) = world.limiter.lines();
    assert!(tenants <= 64 * SHARDS, "{tenants}");
    assert_eq!(
        world.limit("first", "alice", &policy),
        Some(LimitName::TenantRequests)
    );
    drop(first);
    assert_eq!(world.limit("first", "alice", &policy), None);
    assert_eq!(
        world.limit("first", "alice", &policy),
        Some(LimitName::TenantRate)
    );
}
