use proptest::prelude::*;

use super::*;

/// What `target` needs a route to allow; the name of each allowance, in the order of the type.
fn needs(target: &str) -> Result<Vec<&'static str>, TargetFault> {
    let used = CanonicalTarget::parse(target)?.ambiguities;
    let named = [
        ("%2F", used.encoded_slash),
        (";", used.semicolon),
        ("//", used.double_slash),
        ("%25", used.encoded_percent),
        ("needless", used.needless_escape),
    ];
    Ok(named
        .into_iter()
        .filter_map(|(name, used)| used.then_some(name))
        .collect())
}

const EVERYTHING: PathAllowances = PathAllowances {
    encoded_slash: true,
    semicolon: true,
    double_slash: true,
    encoded_percent: true,
    needless_escape: true,
};

#[test]
fn plain_targets_need_no_allowance() {
    for target in [
        "/",
        "/a",
        "/a/",
        "/a/b.c/..d/.e/f..",
        "/.well-known/agent.json",
        "/a/...",
        "/a:b/@c/~d/$e/(f)/g,h/i=j/k!l/m'n/o*p/q+r/[s]",
        "/caf%C3%A9/%e6%97%a5",
        "/a%3Ab%40c%22%7B%7D",
        "/a?b=1&c=../..//;x%2F&d={e}|[f]\\",
        "/a?",
        "/a?b?c",
        "/a?b=%20%C3%A9%25%2541",
    ] {
        let parsed = CanonicalTarget::parse(target).unwrap();
        assert_eq!(
            parsed.permitted_by(&PathAllowances::default()),
            Ok(()),
            "{target}"
        );
        assert_eq!(parsed.as_str(), target);
    }
}

#[test]
fn path_and_query_part_at_the_first_question_mark() {
    let target = CanonicalTarget::parse("/a?b?c").unwrap();
    assert_eq!((target.path(), target.query()), ("/a", Some("b?c")));
    assert_eq!(CanonicalTarget::parse("/a").unwrap().query(), None);
    assert_eq!(CanonicalTarget::parse("/a?").unwrap().query(), Some(""));
}

#[test]
fn what_no_route_may_allow_is_refused() {
    use TargetFault as Fault;
    for (target, fault) in [
        ("", Fault::NotAbsolute),
        ("a", Fault::NotAbsolute),
        ("?a", Fault::NotAbsolute),
        ("*", Fault::NotAbsolute),
        ("@host/", Fault::NotAbsolute),
        ("%2Fa", Fault::NotAbsolute),
        ("/a b", Fault::Character),
        ("/a\tb", Fault::Character),
        ("/a\u{0}", Fault::Character),
        ("/a\u{7f}", Fault::Character),
        ("/\u{e9}", Fault::Character),
        ("/a\\b", Fault::Character),
        ("/a#b", Fault::Character),
        ("/a\"b", Fault::Character),
        ("/<a>", Fault::Character),
        ("/a^b", Fault::Character),
        ("/{a}", Fault::Character),
        ("/a|b", Fault::Character),
        ("/`a`", Fault::Character),
        ("/a%", Fault::MalformedEscape),
        ("/a%2", Fault::MalformedEscape),
        ("/a%zz", Fault::MalformedEscape),
        ("/a%u002e", Fault::MalformedEscape),
        ("/a%00", Fault::EscapedCharacter),
        ("/a%0d%0aX:y", Fault::EscapedCharacter),
        ("/a%09", Fault::EscapedCharacter),
        ("/a%20b", Fault::EscapedCharacter),
        ("/a%7f", Fault::EscapedCharacter),
        ("/a%5Cb", Fault::EscapedCharacter),
        ("/a%5c..%5cb", Fault::EscapedCharacter),
        ("/a%3Fb", Fault::EscapedCharacter),
        ("/a%23b", Fault::EscapedCharacter),
        ("/a%c2%85", Fault::EscapedCharacter),
        ("/a%2500", Fault::EscapedCharacter),
        ("/a%255c", Fault::EscapedCharacter),
        ("/.", Fault::DotSegment),
        ("/..", Fault::DotSegment),
        ("/a/../b", Fault::DotSegment),
        ("/a/./b", Fault::DotSegment),
        ("/a/..", Fault::DotSegment),
        ("/a/..;x=y/b", Fault::DotSegment),
        ("/a/..;/b", Fault::DotSegment),
        ("/a/.;/b", Fault::DotSegment),
        ("/a/%2e%2e/b", Fault::DotSegment),
        ("/a/.%2E/b", Fault::DotSegment),
        ("/a/%2e/b", Fault::DotSegment),
        ("/a/%2e%2e;x/b", Fault::DotSegment),
        ("/a/..%3bx/b", Fault::DotSegment),
        ("/a/..%2Fb", Fault::DotSegment),
        ("/a%2F..%2Fb", Fault::DotSegment),
        ("/a%2F%2e%2e", Fault::DotSegment),
        ("/a/%252e%252e/b", Fault::DotSegment),
        ("/a/..%252Fb", Fault::DotSegment),
        ("/a/%25252e./b", Fault::DotSegment),
        ("/a/%2525252525252541", Fault::EncodedPercent),
        ("/%c0%ae%c0%ae/b", Fault::NotUtf8),
        ("/%e0%80%af", Fault::NotUtf8),
        ("/%ff", Fault::NotUtf8),
        ("/%ed%a0%80", Fault::NotUtf8),
        ("/a?b#c", Fault::Character),
        ("/a?b c", Fault::Character),
        ("/a?\u{e9}", Fault::Character),
        ("/a?b=%", Fault::MalformedEscape),
        ("/a?b=%4", Fault::MalformedEscape),
        ("/a?b=%00", Fault::EscapedCharacter),
        ("/a?b=%0d%0a", Fault::EscapedCharacter),
        ("/a?b=%ff", Fault::NotUtf8),
    ] {
        assert_eq!(CanonicalTarget::parse(target), Err(fault), "{target:?}");
    }
}

#[test]
fn ambiguous_spellings_are_named_and_only_their_allowance_lets_them_pass() {
    let table: [(&str, &[&str], TargetFault); 11] = [
        ("/a%2Fb", &["%2F"], TargetFault::EncodedSlash),
        ("/a%2fb", &["%2F"], TargetFault::EncodedSlash),
        ("/a;b=c/d", &[";"], TargetFault::Semicolon),
        ("/a%3Bb", &[";"], TargetFault::Semicolon),
        ("//a", &["//"], TargetFault::DoubleSlash),
        ("/a//", &["//"], TargetFault::DoubleSlash),
        ("/100%25", &["%25"], TargetFault::EncodedPercent),
        ("/a%2541", &["%25"], TargetFault::EncodedPercent),
        ("/%61", &["needless"], TargetFault::NeedlessEscape),
        ("/a%2Eb", &["needless"], TargetFault::NeedlessEscape),
        ("/a%7Eb", &["needless"], TargetFault::NeedlessEscape),
    ];
    for (target, needed, fault) in table {
        assert_eq!(needs(target).as_deref(), Ok(needed), "{target}");
        let parsed = CanonicalTarget::parse(target).unwrap();
        let none = PathAllowances::default();
        assert_eq!(parsed.permitted_by(&none), Err(fault), "{target}");
        assert_eq!(parsed.permitted_by(&EVERYTHING), Ok(()), "{target}");
        assert_eq!(parsed.permitted_by(&parsed.ambiguities), Ok(()), "{target}");
    }
    assert_eq!(
        needs("/a/%2Fb").as_deref(),
        Ok(["%2F", "//"].as_slice()),
        "an escaped slash makes an empty segment as well"
    );
}

#[test]
fn a_path_parameter_is_decoded_once() {
    assert_eq!(decode_segment("caf%C3%A9"), "café");
    assert_eq!(decode_segment("a%2541"), "a%41");
    assert_eq!(decode_segment("plain"), "plain");
}

/// A backend that decodes `times` times and then resolves the path as RFC 3986 section 5.2.4 says.
fn resolved_by_a_backend(path: &str, times: usize) -> Vec<String> {
    let mut text = path.to_owned();
    for _ in 0..times {
        text = percent_encoding::percent_decode_str(&text)
            .decode_utf8_lossy()
            .into_owned();
    }
    let mut resolved = Vec::new();
    for segment in text.replace('\\', "/").split('/') {
        match segment.split(';').next().unwrap() {
            "." => {}
            ".." => drop(resolved.pop()),
            name => resolved.push(name.to_owned()),
        }
    }
    resolved
}

/// Paths made of the pieces that bypasses are made of.
fn hostile_path() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[a-c]{1,2}",
        Just("/".to_owned()),
        Just(".".to_owned()),
        Just(";".to_owned()),
        Just("%".to_owned()),
        Just("25".to_owned()),
        Just("2e".to_owned()),
        Just("2F".to_owned()),
        Just("5c".to_owned()),
        Just("%25".to_owned()),
        Just("%2e".to_owned()),
        Just("%2f".to_owned()),
        Just("%3b".to_owned()),
        Just("%00".to_owned()),
        Just("%c0%ae".to_owned()),
        Just("%C3%A9".to_owned()),
    ];
    proptest::collection::vec(piece, 0..10).prop_map(|pieces| format!("/{}", pieces.concat()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn whatever_comes_nothing_panics(target in ".{0,60}") {
        let _ = CanonicalTarget::parse(&target);
    }

    #[test]
    fn no_accepted_path_climbs_however_often_a_backend_decodes_it(path in hostile_path()) {
        if CanonicalTarget::parse(&path).is_ok() {
            for times in 0..4 {
                let decoded = (0..times).fold(path.clone(), |text, _| {
                    percent_encoding::percent_decode_str(&text).decode_utf8_lossy().into_owned()
                });
                prop_assert_eq!(
                    resolved_by_a_backend(&path, times).len(),
                    decoded.split('/').count(),
                    "no segment is dropped or climbed over"
                );
                prop_assert!(!decoded.contains(['\\', '\0']));
            }
        }
    }

    #[test]
    fn without_allowances_every_reader_sees_the_same_segments(path in hostile_path()) {
        let Ok(target) = CanonicalTarget::parse(&path) else { return Ok(()) };
        if target.permitted_by(&PathAllowances::default()).is_ok() {
            let raw = path.split('/').count();
            let once = resolved_by_a_backend(&path, 1);
            prop_assert_eq!(once.len(), raw);
            prop_assert_eq!(&once, &resolved_by_a_backend(&path, 2));
            let inner = once.len().saturating_sub(1);
            prop_assert!(once.iter().take(inner).skip(1).all(|segment| !segment.is_empty()));
        }
    }

    #[test]
    fn what_is_forwarded_is_accepted_again_and_the_same(path in hostile_path()) {
        if let Ok(target) = CanonicalTarget::parse(&path) {
            prop_assert_eq!(CanonicalTarget::parse(target.as_str()), Ok(target));
        }
    }
}
