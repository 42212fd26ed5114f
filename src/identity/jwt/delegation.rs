//! The `act` chain (RFC 8693 section 4.1).

use std::sync::Arc;

use super::JwtError;
use super::json::{Json, Object};
use crate::identity::{Delegation, MAX_DELEGATION_DEPTH, UserId};

/// Reads the chain of a claims set: the outermost `act` is the current actor, what is nested in it
/// are prior ones. Past [`MAX_DELEGATION_DEPTH`] actors the rest is only counted.
///
/// # Errors
/// An `act` that is no object, or an actor that [`actor`] refuses.
pub(super) fn delegation_of(claims: &Object<'_>) -> Result<Delegation, JwtError> {
    let Some(outermost) = claims.get("act") else {
        return Ok(Delegation::default());
    };
    let mut actors = Vec::new();
    let mut dropped = 0;
    let mut next = Some(outermost);
    while let Some(level) = next {
        let Json::Object(level) = level else {
            return Err(JwtError::DelegationInvalid);
        };
        if actors.len() < MAX_DELEGATION_DEPTH {
            let subject = level.get("sub").and_then(Json::as_text);
            actors.push(actor(subject.ok_or(JwtError::DelegationInvalid)?)?);
        } else {
            dropped += 1;
        }
        next = level.get("act");
    }
    Ok(Delegation {
        actors: actors.into(),
        dropped,
    })
}

/// An actor's id: what a user id may be, without the comma that separates actors in
/// `X-Fabric-Delegation`.
///
/// # Errors
/// The text is no such id.
pub(super) fn actor(text: &str) -> Result<Arc<str>, JwtError> {
    if text.contains(',') || UserId::parse(text).is_err() {
        return Err(JwtError::DelegationInvalid);
    }
    Ok(Arc::from(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(depth: usize) -> String {
        (0..depth).rev().fold(String::new(), |inner, index| {
            let nested = if inner.is_empty() {
                String::new()
            } else {
                format!(",\"act\":{inner}")
            };
            format!("{{\"sub\":\"agent:{index}\"{nested}}}")
        })
    }

    fn read(act: &str) -> Result<Delegation, JwtError> {
        let claims = format!("{{\"act\":{act}}}");
        delegation_of(&Object::parse(claims.as_bytes()).unwrap())
    }

    #[test]
    fn the_outermost_actor_comes_first() {
        let delegation = read(&chain(3)).unwrap();
        let actors: Vec<&str> = delegation.actors.iter().map(|actor| &**actor).collect();
        assert_eq!(actors, ["agent:0", "agent:1", "agent:2"]);
        assert_eq!(delegation.dropped, 0);
    }

    #[test]
    fn a_deeper_chain_is_cut_and_says_by_how_much() {
        let delegation = read(&chain(MAX_DELEGATION_DEPTH + 4)).unwrap();
        assert_eq!(delegation.actors.len(), MAX_DELEGATION_DEPTH);
        assert_eq!(&*delegation.actors[0], "agent:0");
        assert_eq!(delegation.dropped, 4);
    }

    #[test]
    fn an_actor_that_can_not_stand_in_a_list_is_refused() {
        for act in [
            "\"planner\"",
            "null",
            "[]",
            "{}",
            "{\"sub\":1}",
            "{\"sub\":\"\"}",
            "{\"sub\":\"a,b\"}",
            "{\"sub\":\"a\\r\\nX: y\"}",
            "{\"sub\":\"a\",\"act\":\"b\"}",
        ] {
            assert_eq!(read(act), Err(JwtError::DelegationInvalid), "{act}");
        }
        assert!(read("{\"sub\":\"agent:planner\"}").is_ok());
    }
}
