use proptest::prelude::*;

use super::*;

const SECOND: u64 = 1_000_000_000;

fn rate(per_second: &str, burst: u32) -> Rate {
    Rate {
        per_second: per_second.parse().unwrap(),
        burst,
    }
}

/// Whether a request passes at `now`; it is taken then.
fn asks(bucket: &mut Bucket, rate: Rate, now: u64) -> bool {
    let passes = bucket.wait(rate, now).is_zero();
    if passes {
        bucket.take(rate, now);
    }
    passes
}

/// The rule itself, without a state: between no two requests that passed are more of them than the
/// burst and what the time between them gives. `at` are the times of those that passed, in order.
fn conforms(at: &[u64], rate: Rate) -> bool {
    let last = at[at.len() - 1];
    at.iter().enumerate().all(|(index, first)| {
        let passed = (at.len() - index) as u128 * REQUEST;
        passed <= rate.most() + u128::from(last - first) * rate.per_second.parts()
    })
}

#[test]
fn a_rate_is_a_decimal_and_nothing_else() {
    for (text, written) in [
        ("200", "200"),
        ("0.5", "0.5"),
        ("0.000001", "0.000001"),
        ("007.50", "7.5"),
    ] {
        assert_eq!(text.parse::<PerSecond>().unwrap().to_string(), written);
    }
    for text in [
        "",
        ".",
        ".5",
        "5.",
        "-1",
        "+1",
        "1e3",
        "1_000",
        " 1",
        "0.0000001",
        "1.2.3",
    ] {
        assert_eq!(
            text.parse::<PerSecond>(),
            Err(PerSecondError::NotDecimal),
            "{text:?}"
        );
    }
    assert_eq!("0.000000".parse::<PerSecond>(), Err(PerSecondError::Zero));
    for text in [
        "1000000.000001",
        "18446744073710",
        "99999999999999999999999",
    ] {
        assert_eq!(
            text.parse::<PerSecond>(),
            Err(PerSecondError::TooHigh),
            "{text:?}"
        );
    }
}

#[test]
fn a_window_is_how_long_a_whole_burst_takes_to_come_back() {
    assert_eq!(rate("50", 100).window(), 2);
    assert_eq!(rate("200", 100).window(), 1);
    assert_eq!(rate("0.5", 1).window(), 2);
    assert_eq!(rate("3", 10).window(), 4);
}

#[test]
fn a_third_of_a_second_is_not_rounded() {
    let three = rate("3", 1);
    let mut bucket = Bucket::default();
    let passed = (0..=30 * SECOND)
        .step_by(SECOND as usize / 1_000)
        .filter(|now| asks(&mut bucket, three, *now))
        .count();
    // Asked every millisecond, each third comes up to a millisecond late.
    assert!((89..=91).contains(&passed), "{passed} in 30 seconds");
    let mut bucket = Bucket::default();
    bucket.take(three, 0);
    assert_eq!(bucket.wait(three, 0), Duration::from_nanos(333_333_334));
}

#[test]
fn a_lower_rate_holds_at_once_for_what_was_asked_before() {
    let mut bucket = Bucket::default();
    for _ in 0..10 {
        assert!(asks(&mut bucket, rate("10", 10), 0));
    }
    assert_eq!(bucket.wait(rate("10", 10), 0), Duration::from_millis(100));
    assert_eq!(bucket.wait(rate("1", 10), 0), Duration::from_secs(1));
    assert_eq!(bucket.wait(rate("1", 5), 0), Duration::from_secs(6));
    assert!(
        bucket.wait(rate("10", 11), 0).is_zero(),
        "nor is it reset by a higher burst"
    );
    assert!(!bucket.wait(rate("10", 10), 0).is_zero());
}

#[test]
fn a_clock_that_seems_to_go_back_gives_nothing() {
    let two = rate("1", 2);
    let mut bucket = Bucket::default();
    assert!(asks(&mut bucket, two, 5 * SECOND));
    assert!(asks(&mut bucket, two, 4 * SECOND));
    assert!(!asks(&mut bucket, two, 5 * SECOND));
    assert!(asks(&mut bucket, two, 6 * SECOND));
}

fn rates() -> impl Strategy<Value = Rate> {
    (1_u64..3_000_000_000, 1_u32..6).prop_map(|(micros, burst)| Rate {
        per_second: PerSecond(micros),
        burst,
    })
}

/// Pauses between requests, about as long as what a request costs.
fn pauses(rate: Rate) -> impl Strategy<Value = Vec<u64>> {
    let cost = (REQUEST / rate.per_second.parts()) as u64;
    prop::collection::vec(
        prop_oneof![Just(0), 0..=cost / 3, 0..=cost.saturating_mul(2)],
        1..60,
    )
}

proptest! {
    #[test]
    fn what_passes_is_exactly_what_the_rule_lets_pass(
        (rate, pauses) in rates().prop_flat_map(|rate| (Just(rate), pauses(rate)))
    ) {
        let (mut bucket, mut passed, mut now) = (Bucket::default(), Vec::new(), 0_u64);
        for pause in pauses {
            now += pause;
            passed.push(now);
            let rule = conforms(&passed, rate);
            if !rule {
                passed.pop();
            }
            prop_assert_eq!(asks(&mut bucket, rate, now), rule, "at {}", now);
        }
    }

    #[test]
    fn the_wait_is_exact_to_the_nanosecond(
        (rate, pauses) in rates().prop_flat_map(|rate| (Just(rate), pauses(rate)))
    ) {
        let (mut bucket, mut passed, mut now) = (Bucket::default(), Vec::new(), 0_u64);
        for pause in pauses {
            now += pause;
            let wait = bucket.wait(rate, now).as_nanos() as u64;
            now += wait;
            if wait > 0 {
                passed.push(now - 1);
                prop_assert!(!conforms(&passed, rate), "a nanosecond before");
                passed.pop();
            }
            prop_assert!(asks(&mut bucket, rate, now));
            passed.push(now);
            prop_assert!(conforms(&passed, rate));
        }
    }

    #[test]
    fn the_level_says_how_many_pass_and_when_one_more_does(
        (rate, pauses) in rates().prop_flat_map(|rate| (Just(rate), pauses(rate)))
    ) {
        let (mut bucket, mut now) = (Bucket::default(), 0_u64);
        for pause in pauses {
            now += pause;
            asks(&mut bucket, rate, now);
            let level = bucket.level(rate, now);
            let mut copy = bucket;
            let passing = std::iter::repeat_with(|| asks(&mut copy, rate, now))
                .take_while(|passes| *passes)
                .count() as u64;
            prop_assert_eq!(level.remaining, passing);
            if let Some(next) = level.next {
                let then = now + next.as_nanos() as u64;
                prop_assert_eq!(bucket.level(rate, then).remaining, passing + 1);
                prop_assert_eq!(bucket.level(rate, then - 1).remaining, passing);
            }
        }
    }

    #[test]
    fn giving_back_never_gives_more_than_not_having_asked(
        (rate, pauses) in rates().prop_flat_map(|rate| (Just(rate), pauses(rate))),
        which in 0_usize..60, after in 0_usize..60,
    ) {
        let (mut with, mut without) = (Bucket::default(), Bucket::default());
        let (mut now, mut taken) = (0_u64, None);
        for (number, pause) in pauses.into_iter().enumerate() {
            now += pause;
            if number == which {
                with.take(rate, now);
                taken = Some(now);
            } else {
                with.take(rate, now);
                without.take(rate, now);
            }
            if let Some(at) = taken.filter(|_| number == which.saturating_add(after)) {
                with.give_back(rate, at, now);
                taken = None;
            }
            prop_assert!(with.owed(rate, now) >= without.owed(rate, now));
        }
    }

    #[test]
    fn what_is_given_back_at_once_is_given_back_whole(rate in rates(), before in 0_u32..5) {
        let mut bucket = Bucket::default();
        for _ in 0..before {
            bucket.take(rate, 7);
        }
        let owed = bucket.owed(rate, 7);
        bucket.take(rate, 7);
        bucket.give_back(rate, 7, 7);
        prop_assert_eq!(bucket.owed(rate, 7), owed);
    }

    #[test]
    fn a_calm_bucket_owes_nothing(
        (rate, pauses) in rates().prop_flat_map(|rate| (Just(rate), pauses(rate)))
    ) {
        let (mut bucket, mut now) = (Bucket::default(), 0_u64);
        for pause in pauses {
            now += pause;
            prop_assert_eq!(bucket.is_calm(now), bucket.owed(rate, now) == 0);
            bucket.take(rate, now);
        }
    }
}
