//! Signed webhook deliveries.
//!
//! A delivery is verified over its raw body, in constant time, inside a tolerance of its signed
//! timestamp, and once. Sources of the schemes: Standard Webhooks 1.0 (standardwebhooks.com),
//! GitHub "Validating webhook deliveries", Stripe "Resolve webhook signature verification errors:
//! verify manually", Slack "Verifying requests from Slack". All are HMAC-SHA-256 and differ in what
//! is signed and how it is written.
//!
//! What a delivery is recognised by is its signature as computed here: it covers body, id and
//! timestamp as far as the scheme signs them. A sender that tries again signs anew, so its second
//! attempt is no replay. GitHub signs neither a time nor an id; its deliveries are remembered for
//! [`GITHUB_MEMORY_SECONDS`], and [`Webhook::release`] lets one be delivered again that the backend
//! failed to take.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use secrecy::ExposeSecret;
use subtle::ConstantTimeEq;

mod signing;

pub use signing::{SigningKey, SigningKeyError, WebhookTarget};

use super::replay::{Mark, ReplayGuard};
use super::settings::{WebhookScheme, WebhookSettings};
use super::{AuthMethod, Delegation, MAX_USER_LENGTH, Principal, PrincipalKind};
use crate::clock::Timestamp;
use crate::decision::{Denial, DenialCode, Refusal};

/// How long a GitHub delivery is remembered: a replay is refused for a day.
pub const GITHUB_MEMORY_SECONDS: i64 = 86_400;

/// The webhooks of one policy snapshot, by path.
#[derive(Debug, Default)]
pub struct WebhookTable {
    by_path: HashMap<String, Webhook>,
}

impl WebhookTable {
    /// The table of these entries.
    ///
    /// # Errors
    /// A secret that can't sign, or two entries for one path.
    pub fn new(settings: &[WebhookSettings]) -> Result<Self, WebhookError> {
        let mut by_path = HashMap::new();
        for entry in settings {
            let webhook = Webhook::new(entry)?;
            if by_path.insert(entry.path.clone(), webhook).is_some() {
                return Err(WebhookError::SamePath(entry.name.clone()));
            }
        }
        Ok(Self { by_path })
    }

    /// The webhook at exactly this path.
    pub fn at(&self, path: &str) -> Option<&Webhook> {
        self.by_path.get(path)
    }
}

/// Why an entry can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    /// The secret is empty.
    #[error("the secret of webhook `{0}` is empty")]
    EmptySecret(String),
    /// A Standard Webhooks secret is not `whsec_` and base64.
    #[error("the secret of webhook `{0}` is not `whsec_` and base64")]
    SecretEncoding(String),
    /// Another entry has the same path.
    #[error("webhook `{0}` has the path of another one")]
    SamePath(String),
}

/// One place that takes deliveries.
#[derive(Debug)]
pub struct Webhook {
    name: String,
    scheme: WebhookScheme,
    key: hmac::Key,
    tolerance: Duration,
    principal: Principal,
}

/// A delivery that was verified and taken.
#[derive(Debug)]
#[must_use]
pub struct VerifiedDelivery {
    /// Whom it acts as.
    pub principal: Principal,
    marks: Vec<Mark>,
}

/// What a scheme says about a delivery, before it is verified.
struct Claim<'headers> {
    id: Option<&'headers str>,
    timestamp: Option<&'headers str>,
    /// Candidate signatures; any of them has to fit (senders sign twice while a secret rotates).
    signatures: Vec<Vec<u8>>,
}

impl Webhook {
    fn new(settings: &WebhookSettings) -> Result<Self, WebhookError> {
        let secret = settings.secret.expose_secret();
        let key = match settings.scheme {
            WebhookScheme::Standard => {
                let encoded = secret.strip_prefix("whsec_").unwrap_or(secret);
                STANDARD
                    .decode(encoded)
                    .map_err(|_| WebhookError::SecretEncoding(settings.name.clone()))?
            }
            WebhookScheme::GitHub | WebhookScheme::Stripe | WebhookScheme::Slack => {
                secret.as_bytes().to_vec()
            }
        };
        if key.is_empty() {
            return Err(WebhookError::EmptySecret(settings.name.clone()));
        }
        Ok(Self {
            name: settings.name.clone(),
            scheme: settings.scheme,
            key: hmac::Key::new(hmac::HMAC_SHA256, &key),
            tolerance: settings.tolerance,
            principal: Principal {
                tenant: settings.tenant.clone(),
                user: settings.user.clone(),
                kind: PrincipalKind::Webhook,
                roles: Arc::clone(&settings.roles),
                scopes: Arc::from([]),
                delegation: Delegation::default(),
                method: AuthMethod::webhook(&settings.name),
                token_id: None,
                expires_at: None,
                routes: None,
                claims: None,
            },
        })
    }

    /// Verifies a delivery and takes it: the same one is refused from here on.
    ///
    /// # Errors
    /// `signature_invalid` when it is not signed, wrongly signed, outside of the tolerance or taken
    /// before (only who signed correctly is told which of the last two); `overloaded` when the guard
    /// has no room.
    pub fn verify(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        now: Timestamp,
        replays: &ReplayGuard,
    ) -> Result<VerifiedDelivery, Refusal> {
        let (delivery, remembered) = self.verified(headers, body, now)?;
        replays.take(&delivery.marks, now, now.plus_seconds(remembered))?;
        Ok(delivery)
    }

    /// Verifies a delivery and does not take it: it can be delivered still, and there is nothing to
    /// release.
    ///
    /// # Errors
    /// As for [`Webhook::verify`].
    pub fn examine(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        now: Timestamp,
        replays: &ReplayGuard,
    ) -> Result<VerifiedDelivery, Refusal> {
        let (delivery, _remembered) = self.verified(headers, body, now)?;
        replays.weigh(&delivery.marks, now)?;
        Ok(VerifiedDelivery {
            marks: Vec::new(),
            ..delivery
        })
    }

    /// A delivery that is signed well, and for how many seconds it has to be remembered once it is
    /// taken.
    fn verified(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        now: Timestamp,
    ) -> Result<(VerifiedDelivery, i64), Refusal> {
        let invalid = || Denial::new(DenialCode::SignatureInvalid);
        let claim = self.claim(headers).ok_or_else(invalid)?;
        let tag = self.sign(&claim, body);
        // Every candidate is compared, so that time does not tell which one came close.
        let fits = claim
            .signatures
            .iter()
            .fold(subtle::Choice::from(0), |fits, signature| {
                fits | signature.as_slice().ct_eq(tag.as_ref())
            });
        if !bool::from(fits) {
            return Err(invalid().into());
        }
        let tolerance = i64::try_from(self.tolerance.as_secs()).unwrap_or(i64::MAX);
        let remembered = match claim.timestamp {
            Some(timestamp) => {
                let signed_at = seconds(timestamp).ok_or_else(invalid)?;
                if now.as_seconds().abs_diff(signed_at) > tolerance.unsigned_abs() {
                    let late = "the signed timestamp is too far from now";
                    return Err(Denial::because(DenialCode::SignatureInvalid, late).into());
                }
                tolerance.saturating_mul(2).saturating_add(1)
            }
            None => GITHUB_MEMORY_SECONDS,
        };
        let mut marks = vec![Mark::of(&self.name, "signature", tag.as_ref())];
        if let (WebhookScheme::GitHub, Some(id)) = (self.scheme, claim.id) {
            marks.push(Mark::of(&self.name, "delivery", id.as_bytes()));
        }
        let token_id = claim.id.map(Arc::from);
        let principal = Principal {
            token_id,
            ..self.principal.clone()
        };
        Ok((VerifiedDelivery { principal, marks }, remembered))
    }

    /// Lets a taken delivery be delivered again, because the backend did not get or take it.
    pub fn release(&self, delivery: &VerifiedDelivery, replays: &ReplayGuard) {
        replays.forget(&delivery.marks);
    }

    fn claim<'headers>(&self, headers: &'headers HeaderMap) -> Option<Claim<'headers>> {
        match self.scheme {
            WebhookScheme::Standard => Some(Claim {
                id: Some(identifier(only(headers, "webhook-id")?)?),
                timestamp: Some(only(headers, "webhook-timestamp")?),
                signatures: only(headers, "webhook-signature")?
                    .split(' ')
                    .filter_map(|entry| STANDARD.decode(entry.strip_prefix("v1,")?).ok())
                    .collect(),
            }),
            WebhookScheme::GitHub => Some(Claim {
                id: match headers.contains_key("x-github-delivery") {
                    true => Some(identifier(only(headers, "x-github-delivery")?)?),
                    false => None,
                },
                timestamp: None,
                signatures: vec![hexadecimal(
                    only(headers, "x-hub-signature-256")?.strip_prefix("sha256=")?,
                )?],
            }),
            WebhookScheme::Stripe => stripe_claim(only(headers, "stripe-signature")?),
            WebhookScheme::Slack => Some(Claim {
                id: None,
                timestamp: Some(only(headers, "x-slack-request-timestamp")?),
                signatures: vec![hexadecimal(
                    only(headers, "x-slack-signature")?.strip_prefix("v0=")?,
                )?],
            }),
        }
    }

    /// The signature this delivery has to have.
    fn sign(&self, claim: &Claim<'_>, body: &[u8]) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.key);
        let timestamp = claim.timestamp.unwrap_or_default();
        let preamble = match self.scheme {
            WebhookScheme::Standard => [claim.id.unwrap_or_default(), ".", timestamp, "."],
            WebhookScheme::GitHub => [""; 4],
            WebhookScheme::Stripe => [timestamp, ".", "", ""],
            WebhookScheme::Slack => ["v0:", timestamp, ":", ""],
        };
        for part in preamble {
            context.update(part.as_bytes());
        }
        context.update(body);
        context.sign()
    }
}

/// `t=<seconds>,v1=<hex>,v1=<hex>,v0=…`: one time, any number of signatures.
fn stripe_claim(header: &str) -> Option<Claim<'_>> {
    let mut timestamp = None;
    let mut signatures = Vec::new();
    for entry in header.split(',') {
        match entry.trim().split_once('=')? {
            ("t", text) if timestamp.is_none() => timestamp = Some(text),
            ("t", _) => return None,
            ("v1", text) => signatures.push(hexadecimal(text)?),
            // Other schemes stand beside it; `v0` is what Stripe's test mode adds.
            _ => {}
        }
    }
    Some(Claim {
        id: None,
        timestamp: Some(timestamp?),
        signatures,
    })
}

/// The value of the header, if it stands exactly once.
fn only<'headers>(headers: &'headers HeaderMap, name: &str) -> Option<&'headers str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        (None, _) | (Some(_), Some(_)) => None,
    }
}

/// A delivery id that is safe to record.
fn identifier(text: &str) -> Option<&str> {
    let fits = !text.is_empty()
        && text.len() <= MAX_USER_LENGTH
        && text.bytes().all(|byte| byte.is_ascii_graphic());
    fits.then_some(text)
}

/// Unix seconds, digits only: `+5`, ` 5` and `5.0` are other texts to other parsers.
fn seconds(text: &str) -> Option<i64> {
    let digits = (1..=12).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let pairs = text.as_bytes().chunks(2).map(|pair| match pair {
        [high, low] => u8::try_from(digit(*high)? * 16 + digit(*low)?).ok(),
        _ => None,
    });
    pairs.collect()
}

#[cfg(test)]
mod tests;
