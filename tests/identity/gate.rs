//! What stands between a token and a principal, set up for a test.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use fabric_gate::clock::{ManualClock, SharedClock, Timestamp};
use fabric_gate::decision::Refusal;
use fabric_gate::identity::jwks::{JwksSettings, KeySetRegistry, KeySetState, KeySetStatus};
use fabric_gate::identity::settings::{
    ClaimNames, ClaimPath, IssuerPrincipal, IssuerSettings, KeySource, SignatureAlgorithm,
    TokenTypes,
};
use fabric_gate::identity::{Principal, TokenAuthenticator, TokenCache};
use fabric_gate::tenant::TenantGrammar;
use http::HeaderMap;
use serde_json::{Value, json};

use crate::jwks_server::JwksServer;

/// What the clock shows when a test begins.
pub(crate) const NOW: i64 = 1_800_000_000;

/// The issuer of every token that does not say otherwise.
pub(crate) const ISSUER: &str = "https://idp.example.com";

pub(crate) struct Gate {
    pub(crate) tokens: TokenAuthenticator,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) registry: Arc<KeySetRegistry>,
    pub(crate) cache: Arc<TokenCache>,
}

impl Gate {
    pub(crate) fn new(issuers: &[IssuerSettings]) -> Self {
        Self::with(issuers, quick())
    }

    pub(crate) fn with(issuers: &[IssuerSettings], settings: JwksSettings) -> Self {
        let clock = Arc::new(ManualClock::new(Timestamp::from_seconds(NOW)));
        let shared: SharedClock = clock.clone();
        let runtime = tokio::runtime::Handle::current();
        let registry = KeySetRegistry::new(runtime, settings, shared.clone()).unwrap();
        let cache = Arc::new(TokenCache::new(1000));
        let tokens = authenticator(issuers, &[], [1; 32], &registry, &cache, &clock);
        Self {
            tokens,
            clock,
            registry,
            cache,
        }
    }

    /// The next policy generation.
    pub(crate) fn reload(&self, issuers: &[IssuerSettings], revision: u8) -> TokenAuthenticator {
        self.reload_keeping(&[], issuers, revision)
    }

    /// The next policy generation, whose routes name these claims.
    pub(crate) fn reload_keeping(
        &self,
        claims: &[ClaimPath],
        issuers: &[IssuerSettings],
        revision: u8,
    ) -> TokenAuthenticator {
        authenticator(
            issuers,
            claims,
            [revision; 32],
            &self.registry,
            &self.cache,
            &self.clock,
        )
    }

    /// Waits until the first key set is as wanted.
    pub(crate) async fn until(&self, wanted: impl Fn(&KeySetStatus) -> bool) -> KeySetStatus {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let (_, keys) = self.tokens.key_sets().next().unwrap();
            let status = keys.status();
            if wanted(&status) {
                return status;
            }
            assert!(
                tokio::time::Instant::now() < deadline,
                "it stays {status:?}"
            );
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    pub(crate) async fn until_fresh(&self) {
        self.until(|status| status.state == KeySetState::Fresh)
            .await;
    }

    /// The caller by a token, verified without the cache.
    pub(crate) async fn principal(&self, token: &str) -> Result<Arc<Principal>, Refusal> {
        self.tokens
            .verify(token)
            .await?
            .principal(&HeaderMap::new())
    }

    /// The outcome, if it takes no waiting at all: the first poll has to give it.
    pub(crate) fn outcome_at_once(&self, token: &str) -> Option<&'static str> {
        let mut outcome = std::pin::pin!(self.outcome(token));
        match outcome
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
        {
            Poll::Ready(outcome) => Some(outcome),
            Poll::Pending => None,
        }
    }

    /// `ok` or the code of the refusal.
    pub(crate) async fn outcome(&self, token: &str) -> &'static str {
        match self.principal(token).await {
            Ok(_) => "ok",
            Err(refusal) => refusal.code(),
        }
    }
}

fn authenticator(
    issuers: &[IssuerSettings],
    claims: &[ClaimPath],
    revision: [u8; 32],
    registry: &Arc<KeySetRegistry>,
    cache: &Arc<TokenCache>,
    clock: &Arc<ManualClock>,
) -> TokenAuthenticator {
    let clock: SharedClock = clock.clone();
    let (grammar, claims) = (TenantGrammar::default(), claims.into());
    let cache = cache.clone();
    TokenAuthenticator::new(issuers, &grammar, &claims, revision, registry, cache, clock)
}

/// Longest wait for anything that should come about: generous, for no test that passes waits for it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Pauses short enough for a test; what bounds a wait is so long that no busy machine meets it, but
/// for the time of a fetch, which a test of a server that hangs waits for.
pub(crate) fn quick() -> JwksSettings {
    JwksSettings {
        unknown_kid_cooldown: Duration::from_millis(50),
        unknown_kid_wait: PATIENCE,
        unknown_kid_memory: Duration::from_secs(3_600),
        sick_wait: PATIENCE,
        retry_without_keys: Duration::from_millis(50),
        retry_with_keys: Duration::from_millis(50),
        file_poll: Duration::from_millis(10),
        fetch_timeout: Duration::from_secs(3),
        ..JwksSettings::default()
    }
}

/// An issuer with its keys on a server.
pub(crate) fn issuer(server: &JwksServer) -> IssuerSettings {
    IssuerSettings {
        name: "corp".to_owned(),
        issuer: ISSUER.to_owned(),
        audiences: vec!["fabric".to_owned()],
        keys: KeySource::Url(server.url()),
        algorithms: vec![
            SignatureAlgorithm::RS256,
            SignatureAlgorithm::ES256,
            SignatureAlgorithm::EdDSA,
        ],
        leeway: Duration::from_secs(60),
        token_types: TokenTypes {
            accepted: vec!["at+jwt".to_owned(), "jwt".to_owned()],
            absent_allowed: true,
        },
        principal: IssuerPrincipal::User,
        claims: ClaimNames {
            user: ClaimPath::Name("sub".to_owned()),
            tenant: ClaimPath::Name("tid".to_owned()),
            roles: ClaimPath::Name("roles".to_owned()),
            scopes: ClaimPath::Name("scope".to_owned()),
        },
        machine: None,
        max_lifetime: Duration::from_secs(24 * 3600),
    }
}

/// Claims that pass.
pub(crate) fn claims() -> Value {
    json!({
        "iss": ISSUER, "aud": "fabric", "sub": "alice", "tid": "acme",
        "roles": ["lead", "dev"], "scope": "task:read task:write",
        "iat": NOW - 10, "exp": NOW + 600, "jti": "t-1",
    })
}

/// Claims that pass but for what is changed; `null` takes a member away.
pub(crate) fn claims_with(changes: &Value) -> Value {
    let mut claims = claims();
    let members = claims.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            members.remove(name);
        } else {
            members.insert(name.clone(), value.clone());
        }
    }
    claims
}
