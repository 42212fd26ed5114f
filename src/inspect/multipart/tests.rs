use proptest::prelude::*;

use super::*;

const TYPE: &str = "multipart/form-data; boundary=XX";

/// A form of these fields, as browsers write it.
fn form(fields: &[(&str, &str)]) -> String {
    let mut form = String::new();
    for (name, value) in fields {
        form.push_str(&format!(
            "--XX\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
        ));
    }
    form + "--XX--\r\n"
}

fn set(body: &str, value: &str) -> Result<String, FormFault> {
    let form = Multipart::parse(TYPE, body.as_bytes())?;
    let changed = form.set("user_id", value)?;
    Ok(changed.map_or_else(
        || body.to_owned(),
        |bytes| String::from_utf8(bytes).unwrap(),
    ))
}

fn fault(content_type: &str, body: &str) -> Option<FormFault> {
    Multipart::parse(content_type, body.as_bytes()).err()
}

#[test]
fn every_copy_is_replaced_by_one_and_the_rest_stays() {
    for (fields, expected) in [
        (vec![], vec![("user_id", "alice")]),
        (vec![("a", "1")], vec![("a", "1"), ("user_id", "alice")]),
        (
            vec![("user_id", "eve"), ("a", "1"), ("user_id", "mallory")],
            vec![("user_id", "alice"), ("a", "1")],
        ),
        (
            vec![
                ("a", "1"),
                ("User_ID", "eve"),
                ("user_id[]", "eve"),
                ("%75ser_id", "eve"),
            ],
            vec![("a", "1"), ("user_id", "alice")],
        ),
    ] {
        assert_eq!(
            set(&form(&fields), "alice").unwrap(),
            form(&expected),
            "{fields:?}"
        );
    }
}

#[test]
fn a_form_that_says_it_already_keeps_its_bytes() {
    let body = form(&[("user_id", "alice"), ("b", "2")]);
    let read = Multipart::parse(TYPE, body.as_bytes()).unwrap();
    assert_eq!(read.set("user_id", "alice").unwrap(), None);
    assert_eq!(read.remove("c").unwrap(), None);
}

#[test]
fn files_and_other_headers_pass_byte_by_byte() {
    let file = "--XX\r\ncontent-disposition: form-data; name=file; filename=\"a;b.bin\"\r\n\
                Content-Type: application/octet-stream\r\nX-Odd: 1\r\n\r\n\0\r\n-X\n--Y\r\r\n";
    let body = format!("{file}{}", form(&[("user_id", "eve")]));
    let expected = format!("{file}{}", form(&[("user_id", "alice")]));
    assert_eq!(set(&body, "alice").unwrap(), expected);
}

#[test]
fn values_are_found_under_every_spelling() {
    let body = form(&[
        ("user_id", "a"),
        ("USER_ID", "b"),
        ("user_id[0]", "c"),
        ("user", "d"),
    ]);
    let read = Multipart::parse(TYPE, body.as_bytes()).unwrap();
    assert_eq!(read.values_of("user_id").unwrap(), ["a", "b", "c"]);
    let changed = read.map("user_id", |value| {
        Ok::<_, FormFault>(Some(format!("acme.{value}")))
    });
    let expected = form(&[
        ("user_id", "acme.a"),
        ("user_id", "acme.b"),
        ("user_id", "acme.c"),
        ("user", "d"),
    ]);
    assert_eq!(
        String::from_utf8(changed.unwrap().unwrap()).unwrap(),
        expected
    );
    let removed = read.remove("user_id").unwrap().unwrap();
    assert_eq!(String::from_utf8(removed).unwrap(), form(&[("user", "d")]));
}

#[test]
fn a_boundary_that_parsers_read_differently_is_refused() {
    for content_type in [
        "multipart/form-data",
        "multipart/form-data;",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=XX; boundary=YY",
        "multipart/form-data; boundary=XX; BOUNDARY=XX",
        "multipart/form-data; boundary*=utf-8''XX",
        "multipart/form-data; boundary=\"X\\X\"",
        "multipart/form-data; boundary=\"XX \"",
        "multipart/form-data; boundary=XX YY",
        "multipart/form-data; boundary=XX, multipart/form-data; boundary=YY",
        "multipart/form-data; boundary=XX; charset=utf-16",
        "multipart/mixed; boundary=XX",
        &format!("multipart/form-data; boundary={}", "X".repeat(71)),
    ] {
        assert_eq!(
            fault(content_type, "--XX--"),
            Some(FormFault::Boundary),
            "{content_type}"
        );
    }
    for content_type in [
        TYPE,
        "Multipart/Form-Data;boundary=\"XX\"",
        "multipart/form-data; charset=UTF-8; boundary=XX",
    ] {
        assert_eq!(fault(content_type, "--XX--"), None, "{content_type}");
    }
}

#[test]
fn bytes_that_some_parser_takes_for_a_delimiter_are_refused() {
    let head = "--XX\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n";
    for body in [
        "",
        "x",
        "preamble\r\n--XX--",
        "\r\n--XX--",
        "--XX",
        "--XX\r\n",
        "--XX--epilogue",
        "--XX--\r\n--XX\r\n",
        "--XX\n",
        "--XX \r\n",
        "--YY--",
        &format!("{head}1\n--XX--"),
        &format!("{head}1\r--XX--"),
        &format!("{head}1--XX--"),
        &format!("{head}1\r\n--XXY\r\n--XX--"),
        &format!("{head}1\r\n--XX-"),
        &format!("{head}1"),
        &head.replace("\r\n", "\n"),
    ] {
        assert_eq!(fault(TYPE, body), Some(FormFault::Delimiter), "{body:?}");
    }
}

#[test]
fn a_part_whose_name_parsers_read_differently_is_refused() {
    for head in [
        "Content-Type: text/plain",
        "Content-Disposition: form-data",
        "Content-Disposition: form-data; filename=\"a\"",
        "Content-Disposition: form-data; name=\"\"",
        "Content-Disposition: form-data; name=\"a\"; name=\"user_id\"",
        "Content-Disposition: form-data; name=\"a\"; NAME=\"user_id\"",
        "Content-Disposition: form-data; name=\"a\"; name*=utf-8''user_id",
        "Content-Disposition: form-data; name*0=\"user\"; name*1=\"_id\"",
        "Content-Disposition: form-data; name=\"a\\\"; name=\\\"user_id\"",
        "Content-Disposition: form-data; name=\"a\\b\"",
        "Content-Disposition: form-data; name=\"a",
        "Content-Disposition: form-data; name = \"a\"",
        "Content-Disposition: form-data; name=\"a\" name=\"b\"",
        "Content-Disposition: attachment; name=\"a\"",
        "Content-Disposition: form-data; name=\"a\"\r\nContent-Disposition: form-data; name=\"b\"",
        "Content-Disposition: form-data; name=\"a\"\r\nContent_Disposition: form-data; name=\"b\"",
    ] {
        let body = format!("--XX\r\n{head}\r\n\r\n1\r\n--XX--");
        assert_eq!(fault(TYPE, &body), Some(FormFault::Name), "{head}");
    }
}

#[test]
fn a_header_section_that_parsers_read_differently_is_refused() {
    let named = "Content-Disposition: form-data; name=\"a\"";
    for head in [
        format!("{named}\nX: y"),
        format!("{named}\rX: y"),
        format!("{named}\r\n folded"),
        format!("{named}\r\nX-\0: y"),
        format!("{named}\r\nX : y"),
        format!("{named}\r\nno colon"),
        format!("{named}\r\nX: {}", "y".repeat(MAX_HEAD_BYTES)),
    ] {
        let body = format!("--XX\r\n{head}\r\n\r\n1\r\n--XX--");
        assert_eq!(fault(TYPE, &body), Some(FormFault::Head), "{head:.60}");
    }
}

#[test]
fn a_field_that_decides_is_plain_text() {
    for extra in [
        "; filename=\"x\"",
        "\r\nContent-Transfer-Encoding: base64",
        "\r\nContent-Type: text/plain; charset=utf-7",
        "\r\nContent-Type: multipart/mixed; boundary=YY",
    ] {
        let body = format!(
            "--XX\r\nContent-Disposition: form-data; name=\"user_id\"{extra}\r\n\r\nx\r\n--XX--"
        );
        let read = Multipart::parse(TYPE, body.as_bytes()).unwrap();
        assert_eq!(
            read.values_of("user_id"),
            Err(FormFault::NotText),
            "{extra}"
        );
        assert!(
            read.set("user_id", "alice").unwrap().is_some(),
            "it is replaced all the same"
        );
    }
    let other = form(&[("_charset_", "utf-16le"), ("user_id", "x")]);
    assert_eq!(fault(TYPE, &other), Some(FormFault::NotText));
}

#[test]
fn a_value_that_holds_the_boundary_is_refused() {
    let body = form(&[("a", "1")]);
    assert_eq!(set(&body, "eve--XX"), Err(FormFault::Value));
    assert_eq!(set(&body, "eve\r\n--XX\r\n"), Err(FormFault::Value));
    assert!(set(&body, "eve-XX").is_ok());
}

#[test]
fn a_form_of_too_many_parts_is_refused() {
    let fields = vec![("a", "1"); MAX_PARTS];
    assert_eq!(fault(TYPE, &form(&fields)), None);
    let fields = vec![("a", "1"); MAX_PARTS + 1];
    assert_eq!(fault(TYPE, &form(&fields)), Some(FormFault::TooMany));
}

/// A parser that takes what it can get: it looks for the delimiter's text, takes any line end, and
/// reads the last name.
fn lenient_values(body: &str) -> Vec<String> {
    body.split("--XX")
        .filter_map(|part| {
            let part = part.replace("\r\n", "\n");
            let (head, content) = part.split_once("\n\n")?;
            let (_, name) = head.rsplit_once("name=")?;
            let name = name.trim_matches('"').to_lowercase();
            (name == "user_id").then(|| content.trim_end_matches('\n').to_owned())
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn after_setting_even_a_lenient_parser_reads_the_value_once(
        pieces in proptest::collection::vec(prop_oneof![
            Just("--XX"), Just("--"), Just("\r\n"), Just("\n"), Just("x"),
            Just("Content-Disposition: form-data; name=\"user_id\""),
            Just("Content-Disposition: form-data; name=\"a\""),
            Just("--XX\r\nContent-Disposition: form-data; name=\"user_id\"\r\n\r\neve\r\n"),
            Just("--XX\r\nContent-Disposition: form-data; name=User_Id\r\n\r\neve\r\n"),
            Just("--XX\r\nContent-Disposition: form-data; name=\"b\"\r\n\r\n\n\n\r\n"),
        ], 0..6),
    ) {
        let body = format!("{}--XX--\r\n", pieces.concat());
        if let Ok(body) = set(&body, "alice") {
            prop_assert_eq!(lenient_values(&body), ["alice"], "{:?}", body);
            prop_assert_eq!(set(&body, "alice").unwrap(), body);
        }
    }

    #[test]
    fn what_browsers_write_is_read_as_it_was_meant(
        fields in proptest::collection::vec(("[a-z_.-]{1,8}", "[ -~\u{e9}\r\n]{0,20}"), 0..5),
    ) {
        prop_assume!(fields.iter().all(|(name, value)| !value.contains("--XX") && name != "_charset_"));
        let borrowed: Vec<_> = fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let body = form(&borrowed);
        let read = Multipart::parse(TYPE, body.as_bytes()).unwrap();
        for (name, value) in &borrowed {
            prop_assert!(read.values_of(name).unwrap().contains(value));
        }
    }
}
