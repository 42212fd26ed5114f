//! What reading along with an answer costs: `cargo bench --bench metering`. Every piece is one event,
//! as it comes from a connection; the fastest of many rounds counts. Seen on a machine of two cores:
//!
//! ```text
//! OpenAI, usage not asked for            196 ns an event,   1443 MB/s
//! OpenAI, asked for by the client        209 ns an event,   1417 MB/s
//! OpenAI, asked for and hidden           295 ns an event,   1004 MB/s
//! Anthropic                              160 ns an event,    756 MB/s
//! Gemini, usage in each event            886 ns an event,    253 MB/s
//! OpenAI, gzip flushed at each event     313 ns an event,     36 MB/s (coded)
//! ```
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a program that prints figures"
)]

use std::hint::black_box;
use std::io::Write;
use std::time::Instant;

use bytes::Bytes;
use fabric_gate::inspect::usage::{Meter, MeterSettings, UsageFormat};
use http::{HeaderMap, HeaderValue, StatusCode, header};

const EVENTS: usize = 2_000;
const ROUNDS: usize = 300;

fn main() {
    let openai = |rest: &str| {
        let chunk = format!(
            "data: {{\"id\":\"chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT\",\"object\":\"chat.completion.chunk\",\"created\":1741569952,\"model\":\"gpt-4o-mini\",\"service_tier\":\"default\",\"system_fingerprint\":\"fp_44709d6fcb\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\" Hello\"}},\"logprobs\":null,\"finish_reason\":null}}]{rest}}}\n\n"
        );
        let last = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}\n\ndata: [DONE]\n\n";
        stream(&chunk, last)
    };
    let anthropic = stream(
        "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\" Hello\"}}\n\n",
        "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
    );
    let gemini = stream(
        "data: {\"candidates\": [{\"content\": {\"parts\": [{\"text\": \" Hello\"}],\"role\": \"model\"},\"index\": 0}],\"usageMetadata\": {\"promptTokenCount\": 10,\"candidatesTokenCount\": 2,\"totalTokenCount\": 12},\"modelVersion\": \"gemini-2.5-flash\"}\r\n\r\n",
        "",
    );
    let plain = openai("");
    let asked = openai(",\"usage\":null");
    let unasked = UsageFormat::OpenAi;
    run("OpenAI, usage not asked for", unasked, false, &plain, None);
    run(
        "OpenAI, asked for by the client",
        unasked,
        false,
        &asked,
        None,
    );
    run("OpenAI, asked for and hidden", unasked, true, &asked, None);
    run("Anthropic", UsageFormat::Anthropic, false, &anthropic, None);
    run(
        "Gemini, usage in each event",
        UsageFormat::Gemini,
        false,
        &gemini,
        None,
    );
    run(
        "OpenAI, gzip flushed at each event",
        unasked,
        false,
        &gzip(&plain),
        Some("gzip"),
    );
}

fn stream(event: &str, last: &str) -> Vec<Bytes> {
    let mut pieces = vec![Bytes::copy_from_slice(event.as_bytes()); EVENTS];
    pieces.push(Bytes::copy_from_slice(last.as_bytes()));
    pieces
}

fn gzip(pieces: &[Bytes]) -> Vec<Bytes> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let flushed = pieces.iter().map(|piece| {
        encoder.write_all(piece).unwrap();
        encoder.flush().unwrap();
        Bytes::from(std::mem::take(encoder.get_mut()))
    });
    flushed.collect()
}

fn run(
    name: &str,
    format: UsageFormat,
    hide: bool,
    pieces: &[Bytes],
    coding: Option<&'static str>,
) {
    let mut headers = HeaderMap::new();
    let kind = HeaderValue::from_static("text/event-stream");
    headers.insert(header::CONTENT_TYPE, kind);
    if let Some(coding) = coding {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
    }
    let bytes: usize = pieces.iter().map(Bytes::len).sum();
    let mut fastest = f64::MAX;
    for _ in 0..ROUNDS {
        let began = Instant::now();
        let mut meter = Meter::new(MeterSettings {
            format,
            status: StatusCode::OK,
            headers: &headers,
            hide_usage_chunk: hide,
        });
        for piece in pieces {
            black_box(meter.push(piece));
        }
        black_box(meter.finish());
        black_box(meter.reading());
        fastest = fastest.min(began.elapsed().as_secs_f64());
    }
    println!(
        "{name:36} {:5.0} ns an event, {:6.0} MB/s",
        fastest * 1e9 / pieces.len() as f64,
        bytes as f64 / 1e6 / fastest
    );
}
