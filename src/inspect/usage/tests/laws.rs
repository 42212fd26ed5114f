//! What holds for any bytes in any pieces.

use std::io::Write;

use proptest::prelude::*;

use super::*;

const ALL: [UsageFormat; 5] = [
    UsageFormat::Auto,
    UsageFormat::OpenAi,
    UsageFormat::Anthropic,
    UsageFormat::Gemini,
    UsageFormat::Bedrock,
];

/// Something like a stream, with what matters in it more often than chance would have it.
fn stream() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("data: "),
        Just("data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}"),
        Just("data: {\"choices\":[{\"delta\":{\"content\":\"ab\\\"\"}}],\"usage\":null}"),
        Just("{\"usage\":null,\"a\":\"\u{e9}\"}"),
        Just(
            "{\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":9,\"output_tokens\":1}}}"
        ),
        Just("{\"type\":\"message_delta\",\"usage\":{\"output_tokens\":9}}"),
        Just("{\"type\":\"message_stop\"}"),
        Just(
            "{\"usageMetadata\":{\"promptTokenCount\":1,\"candidatesTokenCount\":2},\"candidates\":[{\"finishReason\":\"STOP\"}]}"
        ),
        Just("data: [DONE]"),
        Just("event: error"),
        Just(","),
        Just("["),
        Just("]"),
        Just("\n"),
        Just("\r"),
        Just("\n\n"),
        Just("\r\n\r\n"),
    ];
    proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

fn metered(format: UsageFormat, kind: &str, hide: bool, pieces: &[&[u8]]) -> (Vec<u8>, Reading) {
    let mut meter = meter(format, kind, hide);
    let onward = through(&mut meter, pieces.iter().copied());
    (onward, meter.reading())
}

fn coded(body: &[u8], coding: &str) -> Vec<u8> {
    let level = flate2::Compression::default();
    match coding {
        "gzip" => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
            encoder.write_all(body).unwrap();
            encoder.finish().unwrap()
        }
        "deflate" => {
            let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), level);
            encoder.write_all(body).unwrap();
            encoder.finish().unwrap()
        }
        "br" => {
            let mut encoder = brotli::CompressorWriter::new(Vec::new(), 4096, 5, 20);
            encoder.write_all(body).unwrap();
            encoder.into_inner()
        }
        "zstd" => zstd::encode_all(body, 3).unwrap(),
        other => panic!("{other}"),
    }
}

proptest! {
    #[test]
    fn any_split_gives_the_same_reading_and_the_same_bytes_onward(
        stream in stream(),
        sizes in proptest::collection::vec(1_usize..60, 1..12),
        hide: bool,
    ) {
        let mut pieces = Vec::new();
        let mut rest = stream.as_bytes();
        for size in sizes.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, after) = rest.split_at((*size).min(rest.len()));
            pieces.push(piece);
            rest = after;
        }
        for kind in [EVENTS, JSON] {
            for format in ALL {
                let whole = metered(format, kind, hide, &[stream.as_bytes()]);
                let split = metered(format, kind, hide, &pieces);
                prop_assert_eq!(&whole, &split);
                if !hide {
                    prop_assert_eq!(whole.0, stream.as_bytes());
                }
            }
        }
    }

    #[test]
    fn random_bytes_go_on_as_they_are_and_never_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
        size in 1_usize..50,
        coding in prop_oneof![Just("identity"), Just("gzip"), Just("br"), Just("zstd"), Just("deflate"), Just("compress")],
    ) {
        for kind in [EVENTS, JSON, "application/vnd.amazon.eventstream", "application/grpc"] {
            let mut meter = Meter::new(MeterSettings {
                format: UsageFormat::Auto,
                status: StatusCode::OK,
                headers: &headers(&[("content-type", kind), ("content-encoding", coding)]),
                hide_usage_chunk: false,
            });
            prop_assert_eq!(through(&mut meter, bytes.chunks(size)), bytes.clone());
            prop_assert!(!meter.reading().complete);
        }
    }

    #[test]
    fn a_coded_stream_says_what_it_says_uncoded(stream in stream(), size in 1_usize..80) {
        let plain = metered(UsageFormat::Auto, EVENTS, false, &[stream.as_bytes()]);
        for coding in ["gzip", "deflate", "br", "zstd"] {
            let coded = coded(stream.as_bytes(), coding);
            let mut meter = Meter::new(MeterSettings {
                format: UsageFormat::Auto,
                status: StatusCode::OK,
                headers: &headers(&[("content-type", EVENTS), ("content-encoding", coding)]),
                hide_usage_chunk: false,
            });
            prop_assert_eq!(through(&mut meter, coded.chunks(size)), coded);
            prop_assert_eq!(meter.reading(), plain.1.clone());
        }
    }
}

#[test]
fn a_bomb_ends_the_metering_and_not_the_answer() {
    let usage = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1}}\n\ndata: [DONE]\n\n";
    for (padding, complete) in [(1 << 20, true), (8 << 20, false)] {
        let body = format!("{usage}: {}\n\n", "x".repeat(padding));
        for coding in ["gzip", "deflate", "br", "zstd"] {
            let coded = Bytes::from(coded(body.as_bytes(), coding));
            let mut meter = Meter::new(MeterSettings {
                format: UsageFormat::OpenAi,
                status: StatusCode::OK,
                headers: &headers(&[("content-type", EVENTS), ("content-encoding", coding)]),
                hide_usage_chunk: false,
            });
            assert_eq!(meter.push(&coded), coded, "{coding}");
            meter.finish();
            assert_eq!(meter.reading().complete, complete, "{coding} {padding}");
        }
    }
}

#[test]
fn a_coding_that_nobody_knows_is_named() {
    let meter = Meter::new(MeterSettings {
        format: UsageFormat::OpenAi,
        status: StatusCode::OK,
        headers: &headers(&[("content-type", JSON), ("content-encoding", "compress")]),
        hide_usage_chunk: false,
    });
    assert_eq!(meter.reading().fault, Some(MeterFault::Coding));
}

#[test]
fn a_document_beyond_the_bound_is_incomplete_and_one_within_is_not() {
    for (padding, fault) in [(15 << 20, None), (17 << 20, Some(MeterFault::TooLarge))] {
        let body = format!(
            r#"{{"usage":{{"prompt_tokens":1,"completion_tokens":1}},"pad":"{}"}}"#,
            "x".repeat(padding)
        );
        let (_, reading) = metered(UsageFormat::OpenAi, JSON, false, &[body.as_bytes()]);
        assert_eq!(reading.fault, fault);
        assert_eq!(reading.complete, fault.is_none());
    }
}
