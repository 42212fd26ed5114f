use proptest::prelude::*;

use super::*;

fn judge(head: &str) -> Result<RawHead<'_>, FramingFault> {
    inspect(head.as_bytes())
}

/// A head of these lines; `Host: a` comes first among the fields.
fn with_fields(fields: &str) -> String {
    format!("POST /x HTTP/1.1\r\nHost: a\r\n{fields}\r\n")
}

#[test]
fn an_ordinary_head_is_accepted_and_read() {
    let head = "POST /a?b=1 HTTP/1.1\r\nHost: gate:80\r\nContent-Length: 12\r\nExpect: 100-Continue\r\n\
                Cookie: a\r\nCookie: b\r\nX-Empty:\r\nX-Tab: a\tb \t\r\nX-Text: \u{fc}\r\n\r\n";
    assert_eq!(
        judge(head),
        Ok(RawHead {
            method: "POST",
            target: "/a?b=1",
            absolute_form: false,
            version: Http1Version::Http11,
            host: Some("gate:80"),
            body: BodyFraming::Length(12),
            expects_continue: true,
            upgrade: false,
        })
    );
}

#[test]
fn the_smallest_heads_are_accepted() {
    let old = judge("GET / HTTP/1.0\r\n\r\n").unwrap();
    assert_eq!((old.host, old.body), (None, BodyFraming::None));
    let chunked = with_fields("Transfer-Encoding: Chunked\r\n");
    assert_eq!(judge(&chunked).unwrap().body, BodyFraming::Chunked);
    let upgrade = with_fields("Upgrade: websocket\r\nConnection: upgrade\r\n");
    assert!(judge(&upgrade).is_ok());
}

#[test]
fn an_absolute_form_target_that_agrees_with_host_is_cut_down_to_its_path() {
    let head = judge("GET HTTP://a:80/x?y HTTP/1.1\r\nHost: a:80\r\n\r\n").unwrap();
    assert_eq!(
        (head.target, head.absolute_form, head.host),
        ("/x?y", true, Some("a:80"))
    );
}

#[test]
fn request_lines_that_two_parties_read_differently_are_refused() {
    use FramingFault as Fault;
    let long = format!("GET /{} HTTP/1.1", "x".repeat(MAX_TARGET_BYTES));
    for (line, fault) in [
        ("", Fault::RequestLine),
        ("GET", Fault::RequestLine),
        ("GET /", Fault::RequestLine),
        ("GET  / HTTP/1.1", Fault::RequestLine),
        ("GET /  HTTP/1.1", Fault::RequestLine),
        ("GET / x HTTP/1.1", Fault::RequestLine),
        ("GET / HTTP/1.1 ", Fault::RequestLine),
        (" GET / HTTP/1.1", Fault::RequestLine),
        ("GET\t/ HTTP/1.1", Fault::RequestLine),
        ("GET /\t HTTP/1.1", Fault::RequestLine),
        ("GET /a#b HTTP/1.1", Fault::RequestLine),
        ("GET /a?b# HTTP/1.1", Fault::RequestLine),
        ("GET /a`b?c HTTP/1.1", Fault::RequestLine),
        ("GET /a?b<c HTTP/1.1", Fault::RequestLine),
        ("GET /\u{fc} HTTP/1.1", Fault::RequestLine),
        ("GET / http/1.1", Fault::RequestLine),
        ("GET / HTTP/0.9", Fault::Version),
        ("GET / HTTP/1.2", Fault::Version),
        ("GET / HTTP/2.0", Fault::Version),
        ("get / HTTP/1.1", Fault::Method),
        ("TRACE / HTTP/1.1", Fault::Method),
        ("CONNECT a:80 HTTP/1.1", Fault::Method),
        ("PROPFIND / HTTP/1.1", Fault::Method),
        ("OPTIONS * HTTP/1.1", Fault::TargetForm),
        ("GET a:80 HTTP/1.1", Fault::TargetForm),
        ("GET @a/x HTTP/1.1", Fault::TargetForm),
        ("GET ?x HTTP/1.1", Fault::TargetForm),
        ("GET ftp://a/ HTTP/1.1", Fault::TargetForm),
        ("GET http://a HTTP/1.1", Fault::TargetForm),
        ("GET http://a?x HTTP/1.1", Fault::TargetForm),
        ("GET http://b/ HTTP/1.1", Fault::HostMismatch),
        ("GET http://a:80/ HTTP/1.1", Fault::HostMismatch),
        ("GET http://u@a/ HTTP/1.1", Fault::Host),
        ("GET http:///x HTTP/1.1", Fault::Host),
        (&long, Fault::TargetTooLong),
    ] {
        let head = format!("{line}\r\nHost: a\r\n\r\n");
        assert_eq!(judge(&head), Err(fault), "`{line}`");
    }
}

#[test]
fn fields_that_two_parties_read_differently_are_refused() {
    use FramingFault as Fault;
    for (fields, fault) in [
        ("X: a\n", Fault::BareLineFeed),
        ("X: a\nY: b\r\n", Fault::BareLineFeed),
        ("X: a\rY: b\r\n", Fault::BareCarriageReturn),
        ("X: a\r\r\n", Fault::BareCarriageReturn),
        ("X: a\r\n b\r\n", Fault::Folded),
        ("X: a\r\n\tb\r\n", Fault::Folded),
        (" X: a\r\n", Fault::Folded),
        ("X : a\r\n", Fault::BlankBeforeColon),
        ("X\t: a\r\n", Fault::BlankBeforeColon),
        (": a\r\n", Fault::EmptyName),
        ("X\r\n", Fault::FieldName),
        ("X y: a\r\n", Fault::FieldName),
        ("X(y): a\r\n", Fault::FieldName),
        ("X\u{fc}: a\r\n", Fault::FieldName),
        ("X: a\u{0}b\r\n", Fault::ControlByte),
        ("X: a\u{b}b\r\n", Fault::ControlByte),
        ("X: a\u{7f}b\r\n", Fault::ControlByte),
        ("Host: a\r\n", Fault::Repeated),
        (
            "Content-Length: 5\r\nContent-Length: 5\r\n",
            Fault::Repeated,
        ),
        ("Content-Length: 5, 5\r\n", Fault::ContentLength),
        ("Content-Length:\r\n", Fault::ContentLength),
        ("Content-Length: +5\r\n", Fault::ContentLength),
        ("Content-Length: -5\r\n", Fault::ContentLength),
        ("Content-Length: 0x5\r\n", Fault::ContentLength),
        ("Content-Length: 5 5\r\n", Fault::ContentLength),
        (
            "Content-Length: 9223372036854775808\r\n",
            Fault::ContentLength,
        ),
        (
            "Content-Length: 99999999999999999999\r\n",
            Fault::ContentLength,
        ),
        ("Content_Length: 5\r\n", Fault::AliasedName),
        ("Transfer_Encoding: chunked\r\n", Fault::AliasedName),
        (
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            Fault::TwoLengths,
        ),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            Fault::Repeated,
        ),
        (
            "Transfer-Encoding: gzip, chunked\r\n",
            Fault::TransferEncoding,
        ),
        (
            "Transfer-Encoding: chunked, chunked\r\n",
            Fault::TransferEncoding,
        ),
        ("Transfer-Encoding: identity\r\n", Fault::TransferEncoding),
        ("Transfer-Encoding: xchunked\r\n", Fault::TransferEncoding),
        (
            "Transfer-Encoding: \"chunked\"\r\n",
            Fault::TransferEncoding,
        ),
        ("Transfer-Encoding:\r\n", Fault::TransferEncoding),
        ("Expect: 200-ok\r\n", Fault::Expectation),
        ("Upgrade: h2c\r\n", Fault::UpgradeToHttp2),
        ("Upgrade: websocket, H2C\r\n", Fault::UpgradeToHttp2),
        ("HTTP2-Settings: AAMAAABk\r\n", Fault::UpgradeToHttp2),
        (
            "Authorization: Bearer a\r\nauthorization: Bearer b\r\n",
            Fault::Repeated,
        ),
        ("X-Api-Key: a\r\nX-API-KEY: a\r\n", Fault::Repeated),
        ("X_Api_Key: a\r\n", Fault::AliasedName),
        ("X.Api-Key: a\r\n", Fault::AliasedName),
    ] {
        assert_eq!(judge(&with_fields(fields)), Err(fault), "{fields:?}");
    }
}

#[test]
fn a_host_is_asked_for_and_checked() {
    use FramingFault as Fault;
    for (head, fault) in [
        ("GET / HTTP/1.1\r\n\r\n", Fault::HostMissing),
        ("GET http://a/ HTTP/1.1\r\n\r\n", Fault::HostMissing),
        ("GET / HTTP/1.1\r\nHost:\r\n\r\n", Fault::Host),
        ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", Fault::Host),
        ("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", Fault::Host),
        ("GET / HTTP/1.0\r\nHost: a?b\r\n\r\n", Fault::Host),
        (
            "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
            Fault::TransferEncoding,
        ),
    ] {
        assert_eq!(judge(head), Err(fault), "{head:?}");
    }
}

#[test]
fn a_head_ends_with_its_first_empty_line() {
    use FramingFault as Fault;
    for head in [
        "",
        "GET / HTTP/1.1",
        "GET / HTTP/1.1\r\nHost: a\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\r",
        "GET / HTTP/1.1\r\nHost: a\r\n\r\nX",
        "GET / HTTP/1.1\r\nHost: a\r\n\r\nX: y",
    ] {
        assert!(
            matches!(
                judge(head),
                Err(Fault::NotTerminated | Fault::BareCarriageReturn)
            ),
            "{head:?}"
        );
    }
    assert!(judge("GET / HTTP/1.1\r\nHost: a\r\n\r\n\r\n").is_err());
}

#[test]
fn the_limits_are_met_exactly() {
    let fields = |count: usize| {
        let rest = (1..count).fold(String::new(), |all, index| {
            all + &format!("X-{index}: y\r\n")
        });
        with_fields(&rest)
    };
    assert!(judge(&fields(MAX_FIELDS)).is_ok());
    assert_eq!(
        judge(&fields(MAX_FIELDS + 1)),
        Err(FramingFault::TooManyFields)
    );
    let sized = |bytes: usize| {
        let bare = with_fields("X: \r\n").len();
        with_fields(&format!("X: {}\r\n", "y".repeat(bytes - bare)))
    };
    assert!(judge(&sized(MAX_HEAD_BYTES)).is_ok());
    assert_eq!(
        judge(&sized(MAX_HEAD_BYTES + 1)),
        Err(FramingFault::HeadTooLarge)
    );
    let target = format!("GET /{} HTTP/1.0\r\n\r\n", "x".repeat(MAX_TARGET_BYTES - 1));
    assert!(judge(&target).is_ok());
    let length = with_fields("Content-Length: 9223372036854775807\r\n");
    assert!(judge(&length).is_ok());
}

/// Accepted heads read by a plain reference: split at CRLF, then at the first colon.
fn reference_fields(head: &str) -> Vec<(String, String)> {
    head.split("\r\n")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .map(|line| {
            let (name, value) = line.split_once(':').unwrap();
            (name.to_ascii_lowercase(), value.trim().to_owned())
        })
        .collect()
}

proptest! {
    #[test]
    fn an_accepted_target_is_one_the_proxy_takes_and_keeps(target in "/[ -~]{0,20}") {
        let head = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
        if inspect(head.as_bytes()).is_ok() {
            let parsed = http::uri::PathAndQuery::try_from(target.as_str()).unwrap();
            prop_assert_eq!(parsed.as_str(), target);
        }
    }

    #[test]
    fn whatever_comes_nothing_panics(head in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = inspect(&head);
    }

    #[test]
    fn an_accepted_head_has_one_reading(
        fields in proptest::collection::vec(
            (
                "(Host|host|Content-Length|Transfer-Encoding|Transfer_Encoding|X|Expect)",
                "( ?(a|5|chunked|100-continue|a:1)[ \t]?|[\r\n\t ]{0,2})",
                "(\r\n|\n|\r|\r\n )",
            ),
            0..5,
        )
    ) {
        let mut head = "POST /x HTTP/1.1\r\nHost: a\r\n".to_owned();
        for (name, value, end) in &fields {
            head.push_str(&format!("{name}:{value}{end}"));
        }
        head.push_str("\r\n");
        if let Ok(read) = inspect(head.as_bytes()) {
            let fields = reference_fields(&head);
            let count = |wanted: &str| fields.iter().filter(|(name, _)| name == wanted).count();
            prop_assert_eq!(count("host"), 1);
            prop_assert!(count("content-length") + count("transfer-encoding") <= 1);
            let has_body = count("content-length") + count("transfer-encoding") == 1;
            prop_assert_eq!(read.body != BodyFraming::None, has_body);
            prop_assert_eq!(head.matches('\n').count(), head.matches("\r\n").count());
            prop_assert_eq!(head.matches('\r').count(), head.matches("\r\n").count());
            prop_assert!(!head.contains("\r\n "));
        }
    }
}
