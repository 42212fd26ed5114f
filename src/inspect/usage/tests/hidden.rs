//! What a client that did not ask for usage does not see.

use super::*;

/// The stream as it comes unasked, and as it comes with the usage asked for.
const UNASKED: &str = concat!(
    ": OPENROUTER PROCESSING\n\n",
    "data: {\"id\":\"c\",\"choices\":[],\"prompt_filter_results\":[]}\n\n",
    "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"the \\\"usage\\\":null\"}}]}\n\n",
    "data:{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"b\"}}]}\r\n\r\n",
    "data: { \"choices\" : [] }\n\n",
    "data: {\"choices\":[{}],\"obfuscation\":\"a\\\"}b\",\"x\":[{}]}\n\n",
    "data: [DONE]\n\n",
);
const ASKED: &str = concat!(
    ": OPENROUTER PROCESSING\n\n",
    "data: {\"id\":\"c\",\"choices\":[],\"prompt_filter_results\":[],\"usage\":null}\n\n",
    "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"the \\\"usage\\\":null\"}}],\"usage\":null}\n\n",
    "data:{\"usage\":null,\"choices\":[{\"index\":0,\"delta\":{\"content\":\"b\"}}]}\r\n\r\n",
    "data: { \"choices\" : [] , \"usage\" : null }\n\n",
    "data: {\"choices\":[{}],\"usage\":null,\"obfuscation\":\"a\\\"}b\",\"x\":[{}]}\n\n",
    "data: {\"id\":\"c\",\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2,\"total_tokens\":3}}\n\n",
    "data: [DONE]\n\n",
);

fn hidden(stream: &str, size: usize) -> (String, Reading) {
    let mut meter = meter(UsageFormat::OpenAi, EVENTS, true);
    assert!(meter.hides());
    let onward = through(&mut meter, stream.as_bytes().chunks(size));
    (String::from_utf8(onward).unwrap(), meter.reading())
}

#[test]
fn the_stream_is_what_it_would_have_been_unasked_in_any_split() {
    for size in 1..ASKED.len() {
        let (onward, reading) = hidden(ASKED, size);
        assert_eq!(onward, UNASKED, "pieces of {size}");
        assert!(reading.complete, "pieces of {size}");
        assert_eq!(reading.usage.output, Some(2));
    }
}

#[test]
fn a_client_that_asked_sees_every_byte() {
    let mut meter = meter(UsageFormat::OpenAi, EVENTS, false);
    assert_eq!(
        through(&mut meter, ASKED.as_bytes().chunks(9)),
        ASKED.as_bytes()
    );
    assert!(meter.reading().complete);
}

#[test]
fn usage_beside_choices_stays_and_so_does_what_is_not_understood() {
    for stream in [
        "data: {\"choices\":[{\"index\":0}],\"usage\":{\"prompt_tokens\":1}}\n\n",
        "data: {\"usage\":null,\"usage\":{\"prompt_tokens\":1},\"choices\":[{}]}\n\n",
        "data: {\"choices\":[],\"usage\":null\n\n",
        "data: {\"delta\":{\"usage\":null}}\n\n",
        "data: [{\"usage\":null}]\n\n",
        "data: {\"a\":{\"b\":1,\"usage\":null}}\n\n",
        "data: {\"a\":[{\"b\":1,\"usage\":null}],\"c\":\"}\"}\n\n",
        "data: {\"b\":1,\"usage\":null,\"c\":\"}\n\n",
        "event: usage\n\n",
    ] {
        assert_eq!(hidden(stream, 5).0, stream, "{stream}");
    }
}

#[test]
fn data_on_several_lines_is_hidden_too() {
    let stream = "data: {\"choices\":[],\ndata: \"usage\":{\"prompt_tokens\":1}}\n\ndata: {\"usage\":null,\ndata: \"id\":1}\n\n";
    assert_eq!(
        hidden(stream, 7).0,
        "data: {\ndata: \"id\":1}\n\n".replace("{\ndata: ", "{")
    );
}

#[test]
fn no_more_than_one_event_is_held_back() {
    let mut meter = meter(UsageFormat::OpenAi, EVENTS, true);
    let piece = Bytes::from_static(b"data: {\"a\":1}\n\ndata: {\"b\"");
    assert_eq!(meter.push(&piece), "data: {\"a\":1}\n\n");
    assert_eq!(
        meter.push(&Bytes::from_static(b":2}\n\n")),
        "data: {\"b\":2}\n\n"
    );
    assert_eq!(meter.push(&Bytes::from_static(b"data: [DO")), "");
    assert_eq!(meter.finish(), "data: [DO");
}

#[test]
fn the_same_bytes_go_on_where_nothing_is_hidden() {
    let mut meter = meter(UsageFormat::OpenAi, EVENTS, true);
    let piece = Bytes::from_static(b"data: {\"choices\":[{}]}\n\n");
    assert_eq!(meter.push(&piece).as_ptr(), piece.as_ptr());
}

#[test]
fn an_event_that_is_hidden_takes_all_of_its_line_ends_along() {
    let usage = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1}}";
    for end in ["\n\n", "\r\r", "\r\n\r\n"] {
        for (stream, left) in [
            (format!("data: a{end}{usage}{end}"), format!("data: a{end}")),
            (
                format!("{usage}{end}data: [DONE]{end}"),
                format!("data: [DONE]{end}"),
            ),
            (format!("{usage}{end}{usage}{end}"), String::new()),
        ] {
            for size in 1..stream.len() {
                assert_eq!(
                    hidden(&stream, size).0,
                    left,
                    "{stream:?} in pieces of {size}"
                );
            }
        }
    }
}

#[test]
fn an_unterminated_usage_chunk_at_the_end_is_hidden() {
    let stream = "data: {\"choices\":[{}]}\n\ndata: {\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1}}";
    let (onward, reading) = hidden(stream, 10);
    assert_eq!(onward, "data: {\"choices\":[{}]}\n\n");
    assert!(reading.complete);
}

#[test]
fn nothing_is_held_of_an_answer_that_is_no_stream_or_coded_or_an_error() {
    let settings = |status, fields: &[(&str, &str)]| {
        Meter::new(MeterSettings {
            format: UsageFormat::OpenAi,
            status,
            headers: &headers(fields),
            hide_usage_chunk: true,
        })
        .hides()
    };
    assert!(settings(StatusCode::OK, &[("content-type", EVENTS)]));
    assert!(!settings(StatusCode::OK, &[("content-type", JSON)]));
    assert!(!settings(
        StatusCode::BAD_GATEWAY,
        &[("content-type", EVENTS)]
    ));
    let coded = [("content-type", EVENTS), ("content-encoding", "gzip")];
    assert!(!settings(StatusCode::OK, &coded));
}
