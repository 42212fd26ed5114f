//! Sending a message as Standard Webhooks 1.0 has it.

use std::time::Duration;

use reqwest::{Client, StatusCode, redirect};

use crate::clock::Timestamp;
use crate::identity::webhook::WebhookTarget;

/// How long a receiver may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// After which wait each further attempt is made; the schedule of the specification, less its end.
const WAITS: [Duration; 7] = [
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_secs(5 * 60),
    Duration::from_secs(30 * 60),
    Duration::from_secs(2 * 3_600),
    Duration::from_secs(5 * 3_600),
    Duration::from_secs(10 * 3_600),
];

/// Why a message was not taken.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// No answer.
    #[error("the receiver can't be reached")]
    Unreachable(#[source] reqwest::Error),
    /// An answer that does not say that it was taken.
    #[error("the receiver answered with status {0}")]
    Status(StatusCode),
}

impl DeliveryError {
    /// Whether the receiver wants no more of them.
    pub(super) fn is_final(&self) -> bool {
        matches!(self, Self::Status(StatusCode::GONE))
    }
}

/// The wait before attempt `number`, from 1; `None` when it is given up.
pub(super) fn wait_before(number: usize) -> Option<Duration> {
    WAITS.get(number.checked_sub(1)?).copied()
}

/// Sends messages.
#[derive(Clone, Debug)]
pub(super) struct Courier(Client);

impl Courier {
    /// A client that follows no redirects: one could lead from https to anywhere.
    ///
    /// # Errors
    /// The system's root certificates can't be loaded.
    pub(super) fn new() -> Result<Self, reqwest::Error> {
        let client = Client::builder()
            .redirect(redirect::Policy::none())
            .timeout(PATIENCE)
            .pool_max_idle_per_host(0)
            .no_proxy()
            .user_agent(concat!("fabric-gate/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self(client))
    }

    /// Sends one message. Its id is the same at every attempt, by which a receiver knows it again;
    /// the time is that of the attempt.
    ///
    /// # Errors
    /// It was not taken: no answer in time, or none of 2xx.
    pub(super) async fn send(
        &self,
        target: &WebhookTarget,
        key: &str,
        message: &str,
        now: Timestamp,
    ) -> Result<(), DeliveryError> {
        let id = format!("alert_{key}");
        let timestamp = now.as_seconds();
        let signature = target.key.sign(&id, timestamp, message.as_bytes());
        let answer = self
            .0
            .post(&target.url)
            .header("content-type", "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp.to_string())
            .header("webhook-signature", signature)
            .body(message.to_owned())
            .send()
            .await
            // The address may hold a secret of its own.
            .map_err(|error| DeliveryError::Unreachable(error.without_url()))?;
        match answer.status() {
            status if status.is_success() => Ok(()),
            status => Err(DeliveryError::Status(status)),
        }
    }
}
