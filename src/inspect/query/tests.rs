use proptest::prelude::*;

use super::*;

fn tenants(query: &str) -> Vec<String> {
    values_of(query, "tenant").map(Cow::into_owned).collect()
}

fn rewrite(query: &str) -> Option<String> {
    replace(query, "tenant", "acme")
}

/// Names that some parser reads as `tenant`.
const SPELLINGS: [&str; 22] = [
    "tenant",
    "Tenant",
    "TENANT",
    "tenant[]",
    "tenant[0]",
    "tenant[a][b]",
    "[tenant]",
    "%74enant",
    "%54enant",
    "%2574enant",
    "%252574enant",
    "tenant%5B%5D",
    "tenant%5b0%5d",
    "+tenant",
    "tenant+",
    "%20tenant",
    "tenant%09",
    "%0Atenant",
    "tenant%00",
    "tenant%00x",
    "?tenant",
    "%C2%A0tenant",
];

#[test]
fn every_spelling_is_found_and_replaced() {
    for name in SPELLINGS {
        assert_eq!(tenants(&format!("{name}=globex")), ["globex"], "{name}");
        for query in [
            format!("a=1&{name}=globex&b=2"),
            format!("a=1;{name}=globex&b=2"),
            format!("a=1&{name}=globex;b=2"),
        ] {
            assert_eq!(tenants(&query), ["globex"], "{query}");
            assert_eq!(
                rewrite(&query).as_deref(),
                Some("a=1&tenant=acme&b=2"),
                "{query}"
            );
        }
    }
}

#[test]
fn other_parameters_are_no_tenant_and_stay_as_they_are() {
    for query in [
        "",
        "a=1",
        "a=tenant",
        "tenants=globex",
        "subtenant=globex",
        "tenant_id=globex",
        "user[tenant]=globex",
        "a=%26tenant%3Dglobex",
        "a=%20&b=%2B;c",
        "&&;",
        "ten&ant=1",
    ] {
        assert_eq!(tenants(query), [""; 0], "{query}");
        assert_eq!(rewrite(query), None, "{query}");
        assert_eq!(remove(query, "tenant"), None, "{query}");
    }
}

#[test]
fn a_query_that_says_it_once_and_right_is_left_alone() {
    for query in [
        "tenant=acme",
        "a=1&tenant=acme&b=%20;c",
        "tenant=acme&",
        "&tenant=acme",
    ] {
        assert_eq!(rewrite(query), None, "{query}");
    }
}

#[test]
fn copies_are_folded_into_the_first_place() {
    for (query, expected) in [
        ("tenant=acme&tenant=acme", "tenant=acme"),
        (
            "a&tenant=globex&b&Tenant[]=x&c=%zz",
            "a&tenant=acme&b&c=%zz",
        ),
        ("tenant", "tenant=acme"),
        ("tenant=acme;x=1", "tenant=acme&x=1"),
        ("x=1;tenant=acme", "x=1&tenant=acme"),
        ("TENANT=&q=a;b", "tenant=acme&q=a;b"),
        ("q=a;b&tenant=acme;tenant=x&c;d", "q=a;b&tenant=acme&c;d"),
        ("a=1&tenant=x&", "a=1&tenant=acme&"),
    ] {
        assert_eq!(rewrite(query).as_deref(), Some(expected), "{query}");
    }
}

#[test]
fn values_are_decoded_once_and_a_bare_name_has_an_empty_one() {
    assert_eq!(
        tenants("tenant&tenant=&tenant=a%63me&tenant=a+b&tenant=%2561&tenant=a=b"),
        ["", "", "acme", "a b", "%61", "a=b"]
    );
}

#[test]
fn a_credential_is_removed_in_every_spelling() {
    for (query, expected) in [
        ("token=s", ""),
        ("a=1&token=s", "a=1"),
        ("token=s&a=1", "a=1"),
        ("a=1;token=s;b=2", "a=1;b=2"),
        ("Token=s&a=1&%74oken=s&to%6Ben[]=s", "a=1"),
        ("to\u{212a}en=s&a=1", "a=1"),
        ("to%E2%84%AAen=s&a=1", "a=1"),
    ] {
        assert_eq!(remove(query, "token").as_deref(), Some(expected), "{query}");
    }
}

/// A backend's parser: where it splits, how often it decodes, what it makes of names.
fn backend_reads(query: &str, separators: &[char], decodings: usize) -> Vec<String> {
    query
        .split(separators)
        .filter_map(|piece| {
            let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
            let name = (0..decodings).fold(name.to_owned(), |name, _| {
                let spaced = name.replace('+', " ");
                percent_encoding::percent_decode_str(&spaced)
                    .decode_utf8_lossy()
                    .into_owned()
            });
            let cut = name
                .split(['\0', '['])
                .next()
                .unwrap()
                .trim()
                .to_lowercase();
            (cut == "tenant").then(|| value.to_owned())
        })
        .collect()
}

fn hostile_query() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        proptest::sample::select(SPELLINGS.to_vec()).prop_map(str::to_owned),
        Just("=".to_owned()),
        Just("&".to_owned()),
        Just(";".to_owned()),
        Just("%26".to_owned()),
        Just("%3B".to_owned()),
        Just("%3D".to_owned()),
        Just("%2525".to_owned()),
        Just("tenant=acme".to_owned()),
        Just("tenant=globex".to_owned()),
        "[a-z%+\\[\\]]{0,3}",
    ];
    proptest::collection::vec(piece, 0..10).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn after_rewriting_every_backend_reads_one_tenant_and_the_right_one(query in hostile_query()) {
        let forwarded = rewrite(&query).unwrap_or_else(|| query.clone());
        let named = values_of(&query, "tenant").next().is_some();
        for separators in [&['&'][..], &['&', ';'][..]] {
            for decodings in 0..=3 {
                let read = backend_reads(&forwarded, separators, decodings);
                prop_assert_eq!(
                    read,
                    if named { vec!["acme".to_owned()] } else { vec![] },
                    "`{}` forwarded as `{}`", query, forwarded
                );
            }
        }
    }

    #[test]
    fn rewriting_twice_changes_nothing_more(query in hostile_query()) {
        let once = rewrite(&query).unwrap_or(query);
        prop_assert_eq!(rewrite(&once), None);
    }

    #[test]
    fn after_removing_no_spelling_is_left(query in hostile_query()) {
        let rest = remove(&query, "tenant").unwrap_or(query);
        prop_assert_eq!(values_of(&rest, "tenant").count(), 0);
    }
}

#[test]
fn a_parameter_that_is_not_there_is_added_once() {
    for (query, expected) in [
        ("", "user_id=a%20b"),
        ("x=1", "x=1&user_id=a%20b"),
        ("x=1&", "x=1&user_id=a%20b"),
        ("x=1;", "x=1;&user_id=a%20b"),
        ("user_id=a%20b", "user_id=a%20b"),
        ("USER_ID=eve&x=1&user_id[]=eve", "user_id=a%20b&x=1"),
    ] {
        let forwarded = set(query, "user_id", "a b");
        assert_eq!(forwarded.as_deref().unwrap_or(query), expected, "{query}");
    }
}

#[test]
fn what_is_put_in_can_end_no_piece_and_begin_no_escape() {
    assert_eq!(
        set("", "u", "a&tenant=x;b%26+c#d").as_deref(),
        Some("u=a%26tenant%3Dx%3Bb%2526%2Bc%23d")
    );
}

#[test]
fn every_spelling_is_changed_where_it_stands() {
    let prefixed = |value: &str| Ok::<_, Infallible>(Some(format!("acme.{value}")));
    for (query, expected) in [
        ("ns=a", Some("ns=acme.a")),
        ("x=1;ns=a;y=2", Some("x=1&ns=acme.a&y=2")),
        (
            "ns=a&NS=b&ns[]=c&ns[0]=d",
            Some("ns=acme.a&NS=acme.b&ns[]=acme.c&ns[0]=acme.d"),
        ),
        ("n%73=a+b", Some("ns=acme.a%20b")),
        ("ns%3Dother.=a", Some("ns=acme.a")),
        ("ns", Some("ns=acme.")),
        ("nsx=a&x=ns", None),
    ] {
        let forwarded = unfailing(map(query, "ns", prefixed));
        assert_eq!(forwarded.as_deref(), expected, "{query}");
    }
}

#[test]
fn a_value_that_stays_keeps_its_bytes() {
    let kept = map("ns=%61+b&x", "ns", |_| Ok::<_, Infallible>(None));
    assert_eq!(unfailing(kept), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn after_setting_every_backend_reads_the_value_once(query in hostile_query()) {
        let forwarded = set(&query, "tenant", "acme").unwrap_or_else(|| query.clone());
        for separators in [&['&'][..], &['&', ';'][..]] {
            for decodings in 0..=3 {
                let read = backend_reads(&forwarded, separators, decodings);
                prop_assert_eq!(
                    read, vec!["acme".to_owned()], "`{}` forwarded as `{}`", query, forwarded
                );
            }
        }
    }

    #[test]
    fn after_changing_every_backend_reads_only_changed_values(query in hostile_query()) {
        let changed = unfailing(map(&query, "tenant", |_| Ok(Some("mine".to_owned()))));
        let forwarded = changed.unwrap_or_else(|| query.clone());
        for separators in [&['&'][..], &['&', ';'][..]] {
            for decodings in 0..=3 {
                let read = backend_reads(&forwarded, separators, decodings);
                prop_assert!(
                    read.iter().all(|value| value == "mine"),
                    "`{}` forwarded as `{}`", query, forwarded
                );
            }
        }
    }
}
