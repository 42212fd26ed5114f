//! Signing what the gate itself sends, as Standard Webhooks 1.0 has it.

use std::fmt;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};

/// A key of Standard Webhooks has 24 to 64 bytes.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// The symmetric key of a receiver.
#[derive(Clone)]
pub struct SigningKey(hmac::Key);

/// Where signed messages go.
#[derive(Clone, Debug)]
pub struct WebhookTarget {
    /// The receiver's address: https, or http on loopback.
    pub url: String,
    /// What messages to it are signed with.
    pub key: SigningKey,
}

/// A secret is no key of Standard Webhooks. It does not hold the secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a secret of Standard Webhooks is `whsec_` and the base64 of 24 to 64 bytes")]
pub struct SigningKeyError;

impl SigningKey {
    /// Reads `whsec_` and base64.
    ///
    /// # Errors
    /// The secret is written otherwise, or too short to be one.
    pub fn parse(secret: &SecretString) -> Result<Self, SigningKeyError> {
        let encoded = secret.expose_secret().strip_prefix("whsec_");
        let key = encoded
            .and_then(|encoded| STANDARD.decode(encoded).ok())
            .filter(|key| KEY_BYTES.contains(&key.len()))
            .ok_or(SigningKeyError)?;
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &key)))
    }

    /// The `webhook-signature` of a message that is sent at `timestamp`, in Unix seconds.
    pub fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(format!("{id}.{timestamp}.").as_bytes());
        context.update(body);
        format!("v1,{}", STANDARD.encode(context.sign()))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SigningKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<SigningKey, SigningKeyError> {
        SigningKey::parse(&SecretString::from(text))
    }

    #[test]
    fn the_signature_is_that_of_the_specification() {
        // The example of the reference libraries' own tests.
        let key = parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signature = key.sign(
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn what_is_no_key_is_refused_and_no_key_is_shown() {
        let short = format!("whsec_{}", STANDARD.encode([1; 23]));
        let long = format!("whsec_{}", STANDARD.encode([1; 65]));
        let bare = STANDARD.encode([1; 32]);
        for text in ["", "whsec_", "whsec_%%%", &short, &long, &bare] {
            assert_eq!(parse(text).err(), Some(SigningKeyError), "{text}");
        }
        let key = parse(&format!("whsec_{bare}")).unwrap();
        assert_eq!(format!("{key:?}"), "SigningKey(…)");
    }
}
