//! The registered claims (RFC 7519 section 4.1, RFC 9068 section 2.2).

use std::time::Duration;

use super::JwtError;
use super::json::{Json, Object};
use crate::clock::Timestamp;
use crate::identity::settings::IssuerSettings;

/// Seconds that a time claim may be away from the epoch: about 30 million years, far inside what
/// microseconds in 64 bits can hold together with leeways and lifetimes.
const MAX_SECONDS: i64 = 1_000_000_000_000;

/// The claims of a token whose issuer is known, not yet judged.
pub(super) struct Claims<'a>(Object<'a>);

/// The times of a token that is valid at present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Validity {
    /// When the gate stops taking the token: `exp` plus the issuer's leeway.
    pub(super) until: Timestamp,
}

impl<'a> Claims<'a> {
    /// Reads a claims set.
    ///
    /// # Errors
    /// No JSON object with distinct member names.
    pub(super) fn parse(document: &'a [u8]) -> Result<Self, JwtError> {
        Object::parse(document)
            .map(Self)
            .map_err(|_| JwtError::ClaimsUnreadable)
    }

    /// All members.
    pub(super) fn members(&self) -> &Object<'a> {
        &self.0
    }

    /// `iss`, if it is a string.
    pub(super) fn issuer(&self) -> Option<&str> {
        self.text("iss")
    }

    /// `jti`, if it is a string.
    pub(super) fn token_id(&self) -> Option<&str> {
        self.text("jti")
    }

    /// `sub`, if it is a string.
    pub(super) fn subject(&self) -> Option<&str> {
        self.text("sub")
    }

    /// Whether `aud` is a string or an array of strings (RFC 7519 section 4.1.3) and holds one of
    /// the issuer's audiences, byte for byte.
    pub(super) fn is_for(&self, audiences: &[String]) -> bool {
        let accepted = |audience: &str| audiences.iter().any(|ours| ours == audience);
        match self.0.get("aud") {
            Some(Json::Text(audience)) => accepted(audience),
            Some(Json::Array(list)) => {
                list.iter().all(|element| element.as_text().is_some())
                    && list.iter().filter_map(Json::as_text).any(accepted)
            }
            Some(
                Json::Null | Json::Bool(_) | Json::Integer(_) | Json::Float(_) | Json::Object(_),
            )
            | None => false,
        }
    }

    /// Judges times and required members at `now`.
    ///
    /// # Errors
    /// `exp` or `sub` missing, a time that is no JSON number (CVE-2026-25537), past `exp` or before
    /// `nbf` or `iat` by more than the leeway, a lifetime above the issuer's maximum, or a member
    /// that RFC 9068 requires missing where `access_token` says that the token is of that kind.
    pub(super) fn judge(
        &self,
        issuer: &IssuerSettings,
        access_token: bool,
        now: Timestamp,
    ) -> Result<Validity, JwtError> {
        if self.subject().is_none() {
            return Err(JwtError::ClaimMissing);
        }
        let expires = self.time("exp")?.ok_or(JwtError::ClaimMissing)?;
        let not_before = self.time("nbf")?;
        let issued = self.time("iat")?;
        let leeway = micros(issuer.leeway);
        let until = plus(expires, leeway);
        if now >= until {
            return Err(JwtError::Expired);
        }
        let latest_start = plus(now, leeway);
        if not_before.is_some_and(|start| start > latest_start)
            || issued.is_some_and(|start| start > latest_start)
        {
            return Err(JwtError::NotYetValid);
        }
        // Without `iat` the token was issued by now at the latest, so its lifetime is at least what
        // is left of it.
        let believed_from = issued.unwrap_or(latest_start);
        if expires > plus(believed_from, micros(issuer.max_lifetime)) {
            return Err(JwtError::LifetimeTooLong);
        }
        if access_token
            && (issued.is_none() || self.token_id().is_none() || self.text("client_id").is_none())
        {
            return Err(JwtError::ClaimMissing);
        }
        Ok(Validity { until })
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Json::as_text)
    }

    /// A NumericDate (RFC 7519 section 2): seconds since the epoch, possibly with a fraction.
    fn time(&self, name: &str) -> Result<Option<Timestamp>, JwtError> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Json::Integer(seconds)) => Ok(Some(Timestamp::from_seconds(
                (*seconds).clamp(-MAX_SECONDS, MAX_SECONDS),
            ))),
            Some(Json::Float(seconds)) if seconds.abs() <= 1e12 => {
                Ok(Some(Timestamp::from_micros((seconds * 1e6) as i64)))
            }
            Some(
                Json::Float(_)
                | Json::Null
                | Json::Bool(_)
                | Json::Text(_)
                | Json::Array(_)
                | Json::Object(_),
            ) => Err(JwtError::ClaimMissing),
        }
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

fn plus(time: Timestamp, micros: i64) -> Timestamp {
    Timestamp::from_micros(time.as_micros().saturating_add(micros))
}
