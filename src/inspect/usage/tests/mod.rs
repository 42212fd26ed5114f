//! Answers of each provider as they really come, metered whole and in pieces.

mod agents;
mod anthropic;
mod bedrock;
mod chat;
mod gemini;
mod hidden;
mod laws;
mod responses;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::*;

const EVENTS: &str = "text/event-stream; charset=utf-8";
const JSON: &str = "application/json";

fn headers(fields: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(
            name.parse::<HeaderName>().unwrap(),
            value.parse::<HeaderValue>().unwrap(),
        );
    }
    headers
}

fn meter(format: UsageFormat, content_type: &str, hide: bool) -> Meter {
    Meter::new(MeterSettings {
        format,
        status: StatusCode::OK,
        headers: &headers(&[("content-type", content_type)]),
        hide_usage_chunk: hide,
    })
}

/// What goes on to the client of a body in these pieces.
fn through<'piece>(meter: &mut Meter, pieces: impl Iterator<Item = &'piece [u8]>) -> Vec<u8> {
    let mut onward = BytesMut::new();
    for piece in pieces {
        onward.extend_from_slice(&meter.push(&Bytes::copy_from_slice(piece)));
    }
    onward.extend_from_slice(&meter.finish());
    onward.to_vec()
}

/// The reading of a body that came to its end, by its own format and by none in particular.
fn read(format: UsageFormat, content_type: &str, body: &str) -> Reading {
    let mut readings = [format, UsageFormat::Auto].map(|format| {
        let mut meter = meter(format, content_type, false);
        let onward = through(&mut meter, body.as_bytes().chunks(97));
        assert_eq!(onward, body.as_bytes(), "every byte goes on");
        meter.reading()
    });
    let [own, auto] = &readings;
    assert_eq!(own, auto, "the format is found out");
    std::mem::take(&mut readings[0])
}

/// The reading of a body that broke off.
fn cut(format: UsageFormat, content_type: &str, body: &str) -> Reading {
    let mut meter = meter(format, content_type, false);
    meter.push(&Bytes::copy_from_slice(body.as_bytes()));
    meter.reading()
}

/// A stream of events with these data.
fn events(data: &[&str]) -> String {
    data.iter()
        .map(|data| format!("data: {data}\n\n"))
        .collect()
}
