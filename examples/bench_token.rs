//! The token of the benchmarks: RS256, 725 bytes, good for twelve hours.
//!
//! `bench_token --jwks FILE` makes an RSA key of 2048 bits, writes its public half as a JWKS to
//! FILE and prints the token. The length is that of an ordinary identity provider's token, and
//! always the same, so that two measurements hash and copy as many bytes.

use std::path::PathBuf;

use anyhow::Context;
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Parser;
use fabric_gate::clock::{Clock, SystemClock};
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::json;

/// Length of the token in bytes.
const LENGTH: usize = 725;

const LIFETIME_SECONDS: i64 = 12 * 3600;

const KEY_ID: &str = "bench-2026";

#[derive(Parser)]
#[command(about = "Makes a key and a token of 725 bytes for benches/run")]
struct Arguments {
    /// Where to write the public key.
    #[arg(long)]
    jwks: PathBuf,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let key = new_key()?;
    let mut jwk = Jwk::from_encoding_key(&key, Algorithm::RS256)?;
    jwk.common.key_id = Some(KEY_ID.to_owned());
    let jwks = serde_json::to_vec(&JwkSet { keys: vec![jwk] })?;
    std::fs::write(&arguments.jwks, jwks)
        .with_context(|| format!("cannot write `{}`", arguments.jwks.display()))?;
    let token = token_of_length(&key)?;
    #[expect(clippy::print_stdout, reason = "the token is what this program is for")]
    {
        println!("{token}");
    }
    Ok(())
}

fn new_key() -> anyhow::Result<EncodingKey> {
    let pair = KeyPair::generate(KeySize::Rsa2048).context("cannot make an RSA key")?;
    let document = pair.as_der().context("cannot write the RSA key")?;
    let pem = format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        STANDARD.encode(document.as_ref())
    );
    Ok(EncodingKey::from_rsa_pem(pem.as_bytes())?)
}

/// The first token of [`LENGTH`] bytes, padded by its `jti`. Base64 without padding has no lengths
/// of 4n + 1, so not every length can be had with every key id.
fn token_of_length(key: &EncodingKey) -> anyhow::Result<String> {
    let mut header = Header::new(Algorithm::RS256);
    header.kid = Some(KEY_ID.to_owned());
    let now = SystemClock.now().as_seconds();
    for padding in 1..LENGTH {
        let claims = json!({
            "iss": "https://bench.fabric-gate.local",
            "aud": "fabric",
            "sub": "alice",
            "tid": "acme",
            "roles": ["lead"],
            "scope": "bench:read",
            "iat": now,
            "exp": now + LIFETIME_SECONDS,
            "jti": "j".repeat(padding),
        });
        let token = jsonwebtoken::encode(&header, &claims, key)?;
        if token.len() == LENGTH {
            return Ok(token);
        }
    }
    anyhow::bail!("no token of {LENGTH} bytes with this key id")
}
