//! What answers say they used is read on their way through, in whatever form it comes, and the
//! caller sees every byte that it would have seen without the gate.

use std::io::Write;

use fabric_gate::money::NanoUsd;
use serde_json::{Value, json};

use crate::stage::{PRICES, Stage, ceiling, cost_of, tenant, usd};
use crate::support::raw_client::RawResponse;
use crate::support::recording_backend::{Answer, RecordingBackend};

const ROUTES: &str = r#"
[[routes]]
name = "chat"
upstream = "backend"
methods = ["POST"]
path = "/v1/chat/completions"
cost = { usage = "auto" }

[[routes]]
name = "messages"
upstream = "backend"
methods = ["POST"]
path = "/v1/messages"
cost = { usage = "auto" }

[[routes]]
name = "gemini"
upstream = "backend"
methods = ["POST"]
path = "/gemini/{model}/stream"
cost = { usage = "gemini", model = "path:model" }

[[routes]]
name = "bedrock"
upstream = "backend"
methods = ["POST"]
path = "/model/{model}/converse-stream"
cost = { usage = "bedrock", model = "path:model" }

[[routes]]
name = "events"
upstream = "backend"
methods = ["POST"]
path = "/events"
cost = { usd = "event:/usage/usd", reserve_usd = "0.20" }
"#;

const EVENTS: (&str, &str) = ("content-type", "text/event-stream");

/// An OpenAI stream as it comes unasked, and with the usage asked for.
const UNASKED: &str = concat!(
    "data: {\"id\":\"c\",\"model\":\"gauge-1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"H\u{e9}\"}}],\"obfuscation\":\"x\"}\n\n",
    "data: {\"id\":\"c\",\"model\":\"gauge-1\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\r\n\r\n",
    "data: [DONE]\n\n",
);
const ASKED: &str = concat!(
    "data: {\"id\":\"c\",\"model\":\"gauge-1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"H\u{e9}\"}}],\"usage\":null,\"obfuscation\":\"x\"}\n\n",
    "data: {\"id\":\"c\",\"model\":\"gauge-1\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":null}\r\n\r\n",
    "data: {\"id\":\"c\",\"model\":\"gauge-1\",\"choices\":[],\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":5,\"total_tokens\":15}}\r\n\r\n",
    "data: [DONE]\n\n",
);

/// Anthropic's words for the same.
const MESSAGE: &str = concat!(
    "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"model\":\"gauge-1\",\"usage\":{\"input_tokens\":10,\"output_tokens\":1}}}\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hi\"}}\n\n",
    "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":5}}\n\n",
    "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
);

/// What 10 tokens of input and 5 of output cost.
fn price() -> NanoUsd {
    usd("0.00006")
}

async fn stage(backend: &RecordingBackend) -> Stage {
    let policy = tenant("acme", &[ceiling("tenant", "total", "100.00")]) + ROUTES + PRICES;
    Stage::start(backend.url(), &policy).await
}

/// One request through a gate before a backend that gives this answer: what came of it, and its
/// record.
async fn one(answer: Answer, target: &str, body: &Value) -> (RawResponse, Value, RecordingBackend) {
    let backend = RecordingBackend::start(move |_| answer.clone()).await;
    let stage = stage(&backend).await;
    let body = body.to_string();
    let response = stage.ask(&stage.alice(), "POST", target, body).await;
    assert_eq!(response.status, 200, "{response:?}");
    let route = match target {
        "/v1/chat/completions" => "chat",
        "/v1/messages" => "messages",
        "/events" => "events",
        other if other.starts_with("/gemini") => "gemini",
        _ => "bedrock",
    };
    let record = stage.records_of(route, 1).await.remove(0);
    (response, record, backend)
}

fn chat(options: &Value) -> Value {
    let mut body = json!({
        "model": "gauge-1", "max_tokens": 50, "stream": true,
        "messages": [{"role": "user", "content": "Say hello."}],
    });
    if !options.is_null() {
        body["stream_options"] = options.clone();
    }
    body
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

#[tokio::test]
async fn a_stream_is_asked_for_its_usage_and_a_caller_that_did_not_ask_sees_none_of_it() {
    let length = ASKED.len().to_string();
    let answers = [
        Answer::chunked(200, &[EVENTS], &[ASKED.as_bytes()]),
        Answer::chunked(
            200,
            &[EVENTS],
            &ASKED.as_bytes().chunks(7).collect::<Vec<_>>(),
        ),
        Answer::head(200, &[EVENTS, ("content-length", &length)]).send(ASKED),
    ];
    for answer in answers {
        for options in [json!(null), json!({"include_usage": false})] {
            let (response, record, backend) =
                one(answer.clone(), "/v1/chat/completions", &chat(&options)).await;
            assert_eq!(response.text(), UNASKED, "{options}");
            assert_eq!(cost_of(&record), price(), "{record:#}");
            let request = backend.requests().remove(0);
            let asked: Value = serde_json::from_slice(&request.body.content).unwrap();
            assert_eq!(asked["stream_options"]["include_usage"], true);
            assert_eq!(
                request.head.value("accept-encoding").as_deref(),
                Some("identity")
            );
        }
    }
}

#[tokio::test]
async fn a_caller_that_asked_for_the_usage_sees_every_byte() {
    let options = json!({"include_usage": true, "include_obfuscation": true});
    let answer = Answer::chunked(200, &[EVENTS], &[ASKED.as_bytes()]);
    let (response, record, backend) = one(answer, "/v1/chat/completions", &chat(&options)).await;
    assert_eq!(response.text(), ASKED);
    assert_eq!(cost_of(&record), price());
    let asked: Value = serde_json::from_slice(&backend.requests().remove(0).body.content).unwrap();
    assert_eq!(asked, chat(&options));
}

#[tokio::test]
async fn a_coded_stream_is_metered_and_goes_on_as_it_is() {
    for coding in ["gzip", "deflate", "br", "zstd"] {
        let body = coded(MESSAGE.as_bytes(), coding);
        let headers = [EVENTS, ("content-encoding", coding)];
        let pieces: Vec<&[u8]> = body.chunks(23).collect();
        let answer = Answer::chunked(200, &headers, &pieces);
        let request = json!({"model": "gauge-1", "max_tokens": 50, "stream": true, "messages": []});
        let (response, record, _) = one(answer, "/v1/messages", &request).await;
        assert_eq!(response.body.content, body, "{coding}");
        assert_eq!(cost_of(&record), price(), "{coding}: {record:#}");
    }
}

#[tokio::test]
async fn a_coded_answer_that_does_not_decode_costs_what_was_held_and_goes_on_as_it_is() {
    let body = b"no gzip at all";
    let headers = [EVENTS, ("content-encoding", "gzip")];
    let request = json!({"model": "gauge-1", "max_tokens": 50, "stream": true, "messages": []});
    let answer = Answer::chunked(200, &headers, &[body]);
    let (response, record, _) = one(answer, "/v1/messages", &request).await;
    assert_eq!(response.body.content, body);
    assert!(cost_of(&record) > usd("0.0004"), "{record:#}");
}

#[tokio::test]
async fn an_array_that_grows_is_metered_as_events_are() {
    let chunk = |finish: &str, output: u64| {
        format!(
            "{{\"candidates\":[{{\"content\":{{\"parts\":[{{\"text\":\"H\"}}]}}{finish}}}],\"usageMetadata\":{{\"promptTokenCount\":10,\"candidatesTokenCount\":{output}}}}}"
        )
    };
    let last = chunk(",\"finishReason\":\"STOP\"", 5);
    let array = format!("[{}\n,\r\n{last}]\n", chunk("", 1));
    let events = format!("data: {}\r\n\r\ndata: {last}\r\n\r\n", chunk("", 1));
    let request = json!({"contents": [], "generationConfig": {"maxOutputTokens": 50}});
    for (kind, body) in [("application/json", array), ("text/event-stream", events)] {
        let pieces: Vec<&[u8]> = body.as_bytes().chunks(31).collect();
        let answer = Answer::chunked(200, &[("content-type", kind)], &pieces);
        let (response, record, _) = one(answer, "/gemini/gauge-1/stream", &request).await;
        assert_eq!(response.text(), body);
        assert_eq!(cost_of(&record), price(), "{kind}: {record:#}");
    }
}

#[tokio::test]
async fn a_binary_stream_is_metered_by_its_last_frame() {
    let frame = |kind: &str, payload: &str| {
        let mut fields = Vec::new();
        for (name, value) in [(":event-type", kind), (":message-type", "event")] {
            fields.push(name.len() as u8);
            fields.extend_from_slice(name.as_bytes());
            fields.push(7);
            fields.extend_from_slice(&(value.len() as u16).to_be_bytes());
            fields.extend_from_slice(value.as_bytes());
        }
        let total = (16 + fields.len() + payload.len()) as u32;
        let mut frame = total.to_be_bytes().to_vec();
        frame.extend_from_slice(&(fields.len() as u32).to_be_bytes());
        frame.extend_from_slice(&crc32fast::hash(&frame).to_be_bytes());
        frame.extend_from_slice(&fields);
        frame.extend_from_slice(payload.as_bytes());
        frame.extend_from_slice(&crc32fast::hash(&frame).to_be_bytes());
        frame
    };
    let text = frame("contentBlockDelta", r#"{"delta":{"text":"Hi"}}"#);
    let last = frame(
        "metadata",
        r#"{"usage":{"inputTokens":10,"outputTokens":5,"totalTokens":15}}"#,
    );
    let request = json!({"messages": [], "inferenceConfig": {"maxTokens": 50}});
    let kind = ("content-type", "application/vnd.amazon.eventstream");
    for (body, whole) in [([text.clone(), last].concat(), true), (text, false)] {
        let pieces: Vec<&[u8]> = body.chunks(19).collect();
        let answer = Answer::chunked(200, &[kind], &pieces);
        let target = "/model/gauge-1/converse-stream";
        let (response, record, _) = one(answer, target, &request).await;
        assert_eq!(response.body.content, body);
        match whole {
            true => assert_eq!(cost_of(&record), price(), "{record:#}"),
            false => assert!(cost_of(&record) > usd("0.0004"), "{record:#}"),
        }
    }
}

#[tokio::test]
async fn the_last_event_that_states_an_amount_is_what_an_agent_costs() {
    let body = "data: {\"usage\":{\"usd\":0.1}}\n\ndata: {\"usage\":{\"usd\":0.3}}\n\ndata: {\"usage\":{\"usd\":null}}\n\n";
    let answer = Answer::chunked(200, &[EVENTS], &[body.as_bytes()]);
    let (response, record, _) = one(answer, "/events", &json!({})).await;
    assert_eq!(response.text(), body);
    assert_eq!(cost_of(&record), usd("0.3"), "{record:#}");
}
