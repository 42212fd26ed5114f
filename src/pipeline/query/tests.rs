use proptest::prelude::*;

use super::*;

fn acme() -> TenantId {
    "acme".parse().unwrap()
}

fn tenants(query: &str) -> Vec<String> {
    tenant_values(query).map(Cow::into_owned).collect()
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
                rewrite(&query, &acme()).as_deref(),
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
        assert_eq!(rewrite(query, &acme()), None, "{query}");
        assert_eq!(remove_parameter(query, "tenant"), None, "{query}");
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
        assert_eq!(rewrite(query, &acme()), None, "{query}");
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
        assert_eq!(
            rewrite(query, &acme()).as_deref(),
            Some(expected),
            "{query}"
        );
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
        assert_eq!(
            remove_parameter(query, "token").as_deref(),
            Some(expected),
            "{query}"
        );
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
        let forwarded = rewrite(&query, &acme()).unwrap_or_else(|| query.clone());
        let named = tenant_values(&query).next().is_some();
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
        let once = rewrite(&query, &acme()).unwrap_or(query);
        prop_assert_eq!(rewrite(&once, &acme()), None);
    }

    #[test]
    fn after_removing_no_spelling_is_left(query in hostile_query()) {
        let rest = remove_parameter(&query, "tenant").unwrap_or(query);
        prop_assert_eq!(tenant_values(&rest).count(), 0);
    }
}
