//! Getting a key set over the network, from a server that may be down, slow or somebody else's.

use std::time::Duration;

use reqwest::header::{CACHE_CONTROL, HeaderMap};
use reqwest::{Client, StatusCode, Url, redirect};
use serde::Deserialize;

use super::document::{KeySetUnusable, Keys};
use super::settings::JwksSettings;

/// Largest body that is read, in bytes. A hundred 8192 bit keys have about 150 KiB.
pub(super) const MAX_BODY: usize = 1024 * 1024;

/// Why a fetch brought no key set.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error(transparent)]
    Url(#[from] KeyUrlRefused),
    #[error("the server can't be reached")]
    Unreachable(#[source] reqwest::Error),
    #[error("the server answered with status {0}")]
    Status(StatusCode),
    #[error("the answer is larger than 1 MiB")]
    TooLarge,
    #[error("the answer took too long")]
    TooSlow,
    #[error("the discovery document can't be read")]
    Discovery(#[source] serde_json::Error),
    #[error("the discovery document is another issuer's")]
    OtherIssuer,
    #[error(transparent)]
    Unusable(#[from] KeySetUnusable),
    #[error("the key file can't be read")]
    File(#[from] std::io::Error),
}

/// Why keys are not fetched from an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyUrlRefused {
    /// It is no absolute URL with a host.
    #[error("the address of the keys is not a URL with a host")]
    NotAUrl,
    /// Whoever is on the way could put in keys of their own.
    #[error("keys are fetched by https, or by http from loopback")]
    Insecure,
    /// It would end up in logs.
    #[error("the address of the keys must not contain credentials")]
    Credentials,
}

/// Parses the address of a key set or discovery document: https, or http on loopback.
///
/// # Errors
/// The text is no such address.
pub fn allowed_key_url(text: &str) -> Result<Url, KeyUrlRefused> {
    let url = Url::parse(text).map_err(|_| KeyUrlRefused::NotAUrl)?;
    let host = url.host_str().ok_or(KeyUrlRefused::NotAUrl)?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(KeyUrlRefused::Credentials);
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback(host) => Ok(url),
        _ => Err(KeyUrlRefused::Insecure),
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || address
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// A fetched key set and how long its server says it is good.
pub(super) struct Fetched {
    pub(super) keys: Keys,
    pub(super) max_age: Option<Duration>,
}

/// Fetches key sets.
#[derive(Clone, Debug)]
pub(super) struct Fetcher {
    client: Client,
    timeout: Duration,
}

#[derive(Deserialize)]
struct DiscoveryDocument {
    issuer: String,
    jwks_uri: String,
}

impl Fetcher {
    /// A client that follows no redirects, for one could lead from https to anywhere, and keeps no
    /// connections, for fetches are minutes apart.
    ///
    /// # Errors
    /// The system's root certificates can't be loaded.
    pub(super) fn new(settings: &JwksSettings) -> Result<Self, reqwest::Error> {
        let client = Client::builder()
            .redirect(redirect::Policy::none())
            .connect_timeout(settings.connect_timeout)
            .timeout(settings.fetch_timeout)
            .pool_max_idle_per_host(0)
            .no_proxy()
            .user_agent(concat!("fabric-gate/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self {
            client,
            timeout: settings.fetch_timeout,
        })
    }

    /// The key set at `url`.
    pub(super) async fn key_set(&self, url: &str) -> Result<Fetched, FetchError> {
        self.in_time(self.key_set_at(allowed_key_url(url)?)).await
    }

    /// The key set that the discovery document of `issuer` names (OpenID Connect Discovery 1.0
    /// section 4).
    pub(super) async fn discovered_key_set(&self, issuer: &str) -> Result<Fetched, FetchError> {
        self.in_time(async {
            let base = issuer.strip_suffix('/').unwrap_or(issuer);
            let url = allowed_key_url(&format!("{base}/.well-known/openid-configuration"))?;
            let issuer_is_local = url.scheme() == "http";
            let (_, body) = self.get(url).await?;
            let document: DiscoveryDocument =
                serde_json::from_slice(&body).map_err(FetchError::Discovery)?;
            // Section 4.3: exactly equal, or the document speaks for somebody else.
            if document.issuer != issuer {
                return Err(FetchError::OtherIssuer);
            }
            let keys = allowed_key_url(&document.jwks_uri)?;
            if keys.scheme() == "http" && !issuer_is_local {
                // A remote issuer has no business on this machine's loopback.
                return Err(KeyUrlRefused::Insecure.into());
            }
            self.key_set_at(keys).await
        })
        .await
    }

    async fn in_time(
        &self,
        fetch: impl Future<Output = Result<Fetched, FetchError>>,
    ) -> Result<Fetched, FetchError> {
        tokio::time::timeout(self.timeout, fetch)
            .await
            .unwrap_or(Err(FetchError::TooSlow))
    }

    async fn key_set_at(&self, url: Url) -> Result<Fetched, FetchError> {
        let (headers, body) = self.get(url).await?;
        Ok(Fetched {
            keys: Keys::parse(&body)?,
            max_age: max_age(&headers),
        })
    }

    /// The body of a 200 answer. It is judged by what is in it; the media type is often wrong.
    async fn get(&self, url: Url) -> Result<(HeaderMap, Vec<u8>), FetchError> {
        let request = self.client.get(url);
        let mut response = request.send().await.map_err(FetchError::Unreachable)?;
        if response.status() != StatusCode::OK {
            return Err(FetchError::Status(response.status()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(FetchError::Unreachable)? {
            if body.len() + chunk.len() > MAX_BODY {
                return Err(FetchError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        Ok((std::mem::take(response.headers_mut()), body))
    }
}

/// `max-age` of `Cache-Control` (RFC 9111 section 5.2.2.1); zero where caching is refused.
fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let mut lifetime = None;
    for line in headers.get_all(CACHE_CONTROL) {
        for directive in line.to_str().ok()?.split(',') {
            let directive = directive.trim().to_ascii_lowercase();
            if directive == "no-store" || directive == "no-cache" {
                return Some(Duration::ZERO);
            }
            if let Some(seconds) = directive.strip_prefix("max-age=") {
                let seconds = seconds.trim_matches('"').parse().ok()?;
                lifetime = lifetime.or(Some(Duration::from_secs(seconds)));
            }
        }
    }
    lifetime
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_by_https_or_from_loopback_only() {
        for url in [
            "https://idp.example.com/jwks",
            "http://127.0.0.1:80/",
            "http://127.9.9.9/",
            "http://[::1]:8080/jwks",
            "http://localhost/jwks",
        ] {
            assert!(allowed_key_url(url).is_ok(), "{url}");
        }
        for url in [
            "http://idp.example.com/jwks",
            "http://localhost.example.com/",
            "ftp://127.0.0.1/",
            "http://0.0.0.0/",
            "http://10.0.0.1/",
            "file:///etc/keys",
            "jwks.json",
            "",
            "http://[::2]/",
            "http://127.0.0.1.example.com/",
            "https://user@idp.example.com/",
            "http://127.0.0.1@idp.example.com/",
        ] {
            assert!(allowed_key_url(url).is_err(), "{url}");
        }
    }

    #[test]
    fn the_lifetime_is_the_first_max_age_and_nothing_where_caching_is_refused() {
        let lifetime = |lines: &[&str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(CACHE_CONTROL, line.parse().unwrap());
            }
            max_age(&headers).map(|lifetime| lifetime.as_secs())
        };
        assert_eq!(
            lifetime(&["public, max-age=600, must-revalidate"]),
            Some(600)
        );
        assert_eq!(lifetime(&["public", "Max-Age=7, max-age=9"]), Some(7));
        assert_eq!(lifetime(&["max-age=600", "no-store"]), Some(0));
        assert_eq!(lifetime(&["max-age=-1"]), None);
        assert_eq!(lifetime(&["s-maxage=5"]), None);
        assert_eq!(lifetime(&[]), None);
    }
}
