//! Handing one message to a receiver of OTLP/HTTP.

use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode, redirect};
use secrecy::ExposeSecret;

use super::Receiver;

/// Most of an answer that is read, in bytes.
const LARGEST: usize = 64 * 1024;

/// Longest wait that a receiver may ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// What came of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// All of it was taken.
    Taken,
    /// All of it but so many.
    Partly(u64),
    /// It may be sent again, after the wait that the receiver asks for.
    Again(Option<Duration>),
    /// It was not taken, and will not be.
    Refused,
}

/// There can be no client.
#[derive(Debug, thiserror::Error)]
pub enum OtlpError {
    /// The system's root certificates can't be loaded.
    #[error("the client of OTLP can't be made")]
    Client(#[source] reqwest::Error),
    /// What is to be a header field is none. It does not hold the value.
    #[error("`{0}` can't be a header field of OTLP")]
    Header(String),
}

/// Sends messages to one receiver.
#[derive(Debug)]
pub(super) struct Courier {
    client: Client,
    url: String,
}

impl Courier {
    /// A client that follows no redirects: one could lead from https to anywhere, with the
    /// receiver's credential.
    ///
    /// # Errors
    /// See [`OtlpError`].
    pub(super) fn new(receiver: &Receiver, timeout: Duration) -> Result<Self, OtlpError> {
        let mut headers = HeaderMap::new();
        for (name, value) in &receiver.headers {
            let unfit = || OtlpError::Header(name.clone());
            let field = HeaderName::from_bytes(name.as_bytes()).map_err(|_| unfit())?;
            let mut value = HeaderValue::from_str(value.expose_secret()).map_err(|_| unfit())?;
            value.set_sensitive(true);
            headers.append(field, value);
        }
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/x-protobuf"),
        );
        let client = Client::builder()
            .redirect(redirect::Policy::none())
            .timeout(timeout)
            .no_proxy()
            .default_headers(headers)
            .user_agent(concat!("fabric-gate/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(OtlpError::Client)?;
        Ok(Self {
            client,
            url: receiver.url.clone(),
        })
    }

    /// Sends one message, once.
    pub(super) async fn send(&self, message: Vec<u8>) -> Sent {
        let answer = self.client.post(&self.url).body(message).send().await;
        match answer {
            Err(_unreachable) => Sent::Again(None),
            Ok(answer) if answer.status().is_success() => taken(answer).await,
            Ok(answer) => match answer.status() {
                // The statuses after which a client tries again (OTLP 1.10, "Failures").
                StatusCode::TOO_MANY_REQUESTS
                | StatusCode::BAD_GATEWAY
                | StatusCode::SERVICE_UNAVAILABLE
                | StatusCode::GATEWAY_TIMEOUT => Sent::Again(asked_to_wait(&answer)),
                _ => Sent::Refused,
            },
        }
    }
}

fn asked_to_wait(answer: &Response) -> Option<Duration> {
    let text = answer.headers().get(RETRY_AFTER)?.to_str().ok()?;
    let wait = Duration::from_secs(text.trim().parse().ok()?);
    Some(wait.min(LONGEST_WAIT))
}

/// What a success says. Whoever answers a page of HTML is no receiver of OTLP.
async fn taken(mut answer: Response) -> Sent {
    let kind = answer.headers().get(CONTENT_TYPE).cloned();
    let mut body = Vec::new();
    loop {
        match answer.chunk().await {
            Ok(Some(piece)) if body.len() + piece.len() <= LARGEST => {
                body.extend_from_slice(&piece);
            }
            Ok(None) => break,
            Ok(Some(_)) => return Sent::Refused,
            Err(_broken) => return Sent::Again(None),
        }
    }
    if body.is_empty() {
        return Sent::Taken;
    }
    let kind = kind.as_ref().and_then(|kind| kind.to_str().ok());
    match kind
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
    {
        "application/x-protobuf" => partly(&body),
        "application/json" => Sent::Taken,
        _ => Sent::Refused,
    }
}

/// How much was taken. The answers about spans and about log records are the same on the wire.
fn partly(body: &[u8]) -> Sent {
    match ExportTraceServiceResponse::decode(body) {
        Ok(answer) => match answer.partial_success {
            Some(partly) if partly.rejected_spans > 0 => {
                Sent::Partly(partly.rejected_spans.unsigned_abs())
            }
            Some(_) | None => Sent::Taken,
        },
        Err(_unreadable) => Sent::Refused,
    }
}
