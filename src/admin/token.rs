//! The bearer token of the admin API.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use super::{AdminState, problem};

/// The token, kept as its hash: comparing hashes takes the same time for every guess.
#[derive(Clone, Debug)]
pub struct AdminToken([u8; 32]);

impl AdminToken {
    /// The token with this text.
    pub fn new(text: &SecretString) -> Self {
        Self(*blake3::hash(text.expose_secret().trim().as_bytes()).as_bytes())
    }

    fn matches(&self, guess: &str) -> bool {
        self.0
            .ct_eq(blake3::hash(guess.as_bytes()).as_bytes())
            .into()
    }
}

/// Lets a request with the token pass.
pub(super) async fn require(
    State(state): State<Arc<AdminState>>,
    request: Request,
    next: Next,
) -> Response {
    let Some(token) = &state.token else {
        return problem(
            StatusCode::FORBIDDEN,
            "forbidden",
            "no admin token is configured, so the admin API is closed: set [admin] token",
        );
    };
    let mut fields = request.headers().get_all(header::AUTHORIZATION).iter();
    let presented = match (fields.next(), fields.next()) {
        (Some(only), None) => only.to_str().ok().and_then(|value| value.split_once(' ')),
        (None, _) | (Some(_), Some(_)) => None,
    };
    match presented {
        Some((scheme, guess))
            if scheme.eq_ignore_ascii_case("bearer") && token.matches(guess.trim()) =>
        {
            next.run(request).await
        }
        Some(_) | None => {
            let mut refusal = problem(
                StatusCode::UNAUTHORIZED,
                "credentials_missing",
                "the admin token is required",
            );
            let challenge = header::HeaderValue::from_static("Bearer realm=\"fabric-gate admin\"");
            refusal
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, challenge);
            refusal
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_very_token_matches() {
        let token = AdminToken::new(&SecretString::from("s3cret\n"));
        assert!(token.matches("s3cret"));
        for guess in ["", "s3cre", "s3cret2", "S3CRET"] {
            assert!(!token.matches(guess), "{guess}");
        }
    }
}
