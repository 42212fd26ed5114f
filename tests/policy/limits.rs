use fabric_gate::budget::limits::{LimitPolicy, LineLimits, Rate};
use fabric_gate::policy::TenantLimits;

use super::*;

const FILE: &str = r#"
[defaults]
limits = { requests_per_second = 50, burst = 100, concurrent_requests = 64, body_bytes = 1000 }
user_limits = { requests_per_second = "0.5", open_streams = 2 }

[[tenants]]
id = "acme"
limits = { requests_per_second = 200, open_streams = 8 }
user_limits = { burst = 3, body_bytes = 500 }

[[tenants]]
id = "globex"
"#;

fn limits(file: &str, tenant: &str) -> TenantLimits {
    compiled(file).unwrap().limits(&tenant.parse().unwrap())
}

fn rate(per_second: &str, burst: u32) -> Option<Rate> {
    let per_second = per_second.parse().unwrap();
    Some(Rate { per_second, burst })
}

#[test]
fn a_tenant_has_its_own_limits_key_by_key_over_the_defaults() {
    let acme = limits(FILE, "acme");
    let expected = LimitPolicy {
        tenant: LineLimits {
            rate: rate("200", 100),
            concurrent_requests: Some(64),
            open_streams: Some(8),
        },
        user: LineLimits {
            rate: rate("0.5", 3),
            concurrent_requests: None,
            open_streams: Some(2),
        },
    };
    assert_eq!(acme.policy(), expected);
    assert_eq!(acme.body_bytes(), Some(500), "the smaller of the two");
}

#[test]
fn who_states_none_and_who_is_not_listed_has_the_defaults() {
    let expected = LimitPolicy {
        tenant: LineLimits {
            rate: rate("50", 100),
            concurrent_requests: Some(64),
            open_streams: None,
        },
        user: LineLimits {
            rate: rate("0.5", 1),
            concurrent_requests: None,
            open_streams: Some(2),
        },
    };
    for tenant in ["globex", "nobody-listed"] {
        let limits = limits(FILE, tenant);
        assert_eq!(limits.policy(), expected);
        assert_eq!(limits.body_bytes(), Some(1000));
    }
}

#[test]
fn without_a_word_on_it_nothing_but_the_size_of_bodies_is_limited() {
    let limits = limits("[[tenants]]\nid = \"acme\"\n", "acme");
    assert_eq!(limits.policy(), LimitPolicy::default());
    assert_eq!(limits.body_bytes(), Some(10 << 20));
}

#[test]
fn what_a_second_gives_is_the_burst_where_none_is_stated() {
    for (stated, burst) in [("200", 200), ("\"0.25\"", 1), ("2.5", 3)] {
        let file = format!("[defaults]\nlimits = {{ requests_per_second = {stated} }}\n");
        let rate = limits(&file, "acme").policy().tenant.rate.unwrap();
        assert_eq!(rate.burst, burst, "{stated}");
    }
}

#[test]
fn a_limit_that_is_none_is_refused() {
    for (stated, message) in [
        (
            "requests_per_second = 0",
            "a rate of 0 lets nothing pass; `suspended = true` shuts a tenant out",
        ),
        (
            "requests_per_second = true",
            "a number is needed, not true or false",
        ),
        (
            "requests_per_second = \"1e3\"",
            "requests per second are a decimal such as `200` or `0.5`, with at most six places",
        ),
        (
            "requests_per_second = 1000001",
            "the highest rate is 1000000 requests per second",
        ),
        (
            "concurrent_requests = 0",
            "`0` is not between 1 and 1000000",
        ),
        ("open_streams = 0", "`0` is not between 1 and 1000000"),
        (
            "requests_per_second = 1, burst = 0",
            "`0` is not between 1 and 1000000",
        ),
        (
            "burst = 5",
            "a `burst` is one of `requests_per_second`, which stands neither beside it nor in the \
             defaults",
        ),
        (
            "requests_per_secnd = 5",
            "unknown key `requests_per_secnd`, did you mean `requests_per_second`?",
        ),
    ] {
        for key in ["limits", "user_limits"] {
            for section in ["[defaults]", "[[tenants]]\nid = \"acme\""] {
                let problems = refused(&format!("{section}\n{key} = {{ {stated} }}\n"));
                let [(_, line)] = &problems[..] else {
                    panic!("one mistake, one problem: {problems:?}");
                };
                assert!(line.ends_with(message), "{line}");
            }
        }
    }
}
