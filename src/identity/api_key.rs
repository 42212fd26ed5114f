//! API keys: known by their hash only.
//!
//! A key is 256 random bits, so its plain SHA-256 gives nothing away and needs no salt or stretching
//! (NIST SP 800-63B section 3.1.2 asks for those below 112 bits only). Several keys may stand for one
//! user: to rotate, add the second, move the callers, remove the first.

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use super::digest::sha256;
use super::settings::ApiKeySettings;
use super::{AuthMethod, Delegation, Principal, PrincipalKind};
use crate::clock::Timestamp;
use crate::decision::{Denial, DenialCode};

/// What a generated key begins with, so that scanners and people recognise one.
pub const KEY_PREFIX: &str = "fabk_";

/// Longest text that is looked up as a key, in bytes.
const MAX_KEY_BYTES: usize = 512;

/// All keys of one policy snapshot.
#[derive(Debug, Default)]
pub struct ApiKeyTable {
    /// By the first eight bytes of the hash. Which bucket is looked at depends on a hash the caller
    /// can't choose freely, so it tells nothing; inside, hashes are compared in constant time.
    buckets: HashMap<[u8; 8], Vec<Entry>>,
}

#[derive(Debug)]
struct Entry {
    sha256: [u8; 32],
    principal: Principal,
}

impl ApiKeyTable {
    /// The table of these entries.
    pub fn new(settings: &[ApiKeySettings]) -> Self {
        let mut buckets = HashMap::<_, Vec<Entry>>::new();
        for key in settings {
            buckets
                .entry(bucket_of(&key.sha256))
                .or_default()
                .push(Entry {
                    sha256: key.sha256,
                    principal: principal_of(key),
                });
        }
        Self { buckets }
    }

    /// Who holds the key.
    ///
    /// # Errors
    /// `token_invalid` for an unknown key, or one that two entries share (it would stand for two
    /// callers); `api_key_expired` from the second of its expiry on.
    pub fn verify(&self, key: &str, now: Timestamp) -> Result<Principal, Denial> {
        let invalid = || Denial::new(DenialCode::TokenInvalid);
        if key.is_empty() || key.len() > MAX_KEY_BYTES {
            return Err(invalid());
        }
        let digest = sha256(key.as_bytes());
        let bucket = self.buckets.get(&bucket_of(&digest)).ok_or_else(invalid)?;
        let mut matching = bucket
            .iter()
            .filter(|entry| bool::from(entry.sha256.ct_eq(&digest)));
        let (Some(entry), None) = (matching.next(), matching.next()) else {
            return Err(invalid());
        };
        if entry.principal.expires_at.is_some_and(|end| end <= now) {
            return Err(Denial::new(DenialCode::ApiKeyExpired));
        }
        Ok(entry.principal.clone())
    }
}

fn bucket_of(digest: &[u8; 32]) -> [u8; 8] {
    digest.first_chunk().copied().unwrap_or_default()
}

fn principal_of(key: &ApiKeySettings) -> Principal {
    Principal {
        tenant: key.tenant.clone(),
        user: key.user.clone(),
        kind: PrincipalKind::Machine,
        roles: Arc::clone(&key.roles),
        scopes: Arc::clone(&key.scopes),
        delegation: Delegation::default(),
        method: AuthMethod::api_key(&key.name),
        token_id: Some(key.name.as_str().into()),
        expires_at: key.expires_at,
        routes: key.routes.clone(),
        claims: None,
    }
}

/// A key that was just made. Its text exists here only.
#[derive(Debug)]
pub struct NewApiKey {
    /// What the caller sends.
    pub key: SecretString,
    /// What the policy file holds.
    pub sha256: [u8; 32],
}

impl NewApiKey {
    /// A key of 256 random bits: [`KEY_PREFIX`] and 43 characters of base64url.
    ///
    /// # Errors
    /// The operating system gives no random bytes.
    pub fn generate() -> Result<Self, NoRandomBytes> {
        let mut bytes = [0; 32];
        aws_lc_rs::rand::fill(&mut bytes).map_err(|_| NoRandomBytes)?;
        let text = format!("{KEY_PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes));
        Ok(Self {
            sha256: sha256(text.as_bytes()),
            key: SecretString::from(text),
        })
    }

    /// The text, to be shown once.
    pub fn text(&self) -> &str {
        self.key.expose_secret()
    }

    /// The `[[api_keys]]` stanza that takes this key; its hash stands in for the one of `settings`.
    pub fn stanza(&self, settings: &ApiKeySettings) -> String {
        let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
        let list = |texts: &mut dyn Iterator<Item = &str>| {
            let quoted = texts.map(quoted).collect::<Vec<_>>();
            format!("[{}]", quoted.join(", "))
        };
        let hash = self
            .sha256
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>();
        let mut stanza = format!(
            "[[api_keys]]\nname = {}\nsha256 = \"{hash}\"\ntenant = {}\nuser = {}\n",
            quoted(&settings.name),
            quoted(settings.tenant.as_str()),
            quoted(settings.user.as_str()),
        );
        if !settings.roles.is_empty() {
            let roles = list(&mut settings.roles.iter().map(AsRef::as_ref));
            stanza.push_str(&format!("roles = {roles}\n"));
        }
        if !settings.scopes.is_empty() {
            let scopes = list(&mut settings.scopes.iter().map(AsRef::as_ref));
            stanza.push_str(&format!("scopes = {scopes}\n"));
        }
        if let Some(end) = settings.expires_at {
            stanza.push_str(&format!("expires_at = {end}\n"));
        }
        if let Some(routes) = &settings.routes {
            let routes = list(&mut routes.iter().map(super::RoutePattern::as_str));
            stanza.push_str(&format!("routes = {routes}\n"));
        }
        stanza
    }
}

/// The operating system gives no random bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the operating system gives no random bytes")]
pub struct NoRandomBytes;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::super::{RoutePattern, UserId};
    use super::*;

    fn entry(name: &str, key: &str, tenant: &str) -> ApiKeySettings {
        ApiKeySettings {
            name: name.to_owned(),
            sha256: sha256(key.as_bytes()),
            tenant: tenant.parse().unwrap(),
            user: UserId::parse("svc-ci").unwrap(),
            roles: Arc::from([Arc::from("service")]),
            scopes: Arc::from([]),
            expires_at: None,
            routes: None,
        }
    }

    fn now() -> Timestamp {
        Timestamp::from_seconds(1_800_000_000)
    }

    fn code(table: &ApiKeyTable, key: &str) -> Option<DenialCode> {
        table.verify(key, now()).err().map(|denial| denial.code)
    }

    #[test]
    fn the_hash_is_the_one_of_fips_180_4() {
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let digits = sha256(b"abc").map(|byte| format!("{byte:02x}")).concat();
        assert_eq!(digits, expected);
    }

    #[test]
    fn a_key_is_its_holder_and_no_other_key_is() {
        let table =
            ApiKeyTable::new(&[entry("ci", "key-a", "acme"), entry("cd", "key-b", "globex")]);
        let principal = table.verify("key-a", now()).unwrap();
        assert_eq!(principal.tenant().as_str(), "acme");
        assert_eq!(principal.user().as_str(), "svc-ci");
        assert_eq!(principal.kind(), PrincipalKind::Machine);
        assert_eq!(principal.method().as_str(), "api_key:ci");
        assert_eq!(principal.token_id(), Some("ci"));
        assert!(principal.has_role("service"));
        assert_eq!(
            table.verify("key-b", now()).unwrap().tenant().as_str(),
            "globex"
        );
        for key in ["", "key-", "key-a ", "KEY-A", "key-c", &"k".repeat(600)] {
            assert_eq!(code(&table, key), Some(DenialCode::TokenInvalid), "`{key}`");
        }
        assert_eq!(
            code(&ApiKeyTable::default(), "key-a"),
            Some(DenialCode::TokenInvalid)
        );
    }

    #[test]
    fn a_key_ends_with_the_second_of_its_expiry() {
        let ending = |seconds| {
            let expires_at = Some(now().plus_seconds(seconds));
            ApiKeyTable::new(&[ApiKeySettings {
                expires_at,
                ..entry("ci", "key-a", "acme")
            }])
        };
        let live = ending(1).verify("key-a", now()).unwrap();
        assert_eq!(
            live.expires_at(),
            Some(now().plus_seconds(1)),
            "streams end with the key"
        );
        assert_eq!(code(&ending(0), "key-a"), Some(DenialCode::ApiKeyExpired));
        assert_eq!(code(&ending(-1), "key-a"), Some(DenialCode::ApiKeyExpired));
        assert_eq!(code(&ending(-1), "key-x"), Some(DenialCode::TokenInvalid));
    }

    #[test]
    fn while_a_key_is_rotated_both_work() {
        let table =
            ApiKeyTable::new(&[entry("old", "key-a", "acme"), entry("new", "key-b", "acme")]);
        for key in ["key-a", "key-b"] {
            assert_eq!(table.verify(key, now()).unwrap().tenant().as_str(), "acme");
        }
        let rotated = ApiKeyTable::new(&[entry("new", "key-b", "acme")]);
        assert_eq!(code(&rotated, "key-a"), Some(DenialCode::TokenInvalid));
    }

    #[test]
    fn a_key_that_two_entries_share_stands_for_nobody() {
        let table = ApiKeyTable::new(&[entry("a", "key", "acme"), entry("b", "key", "globex")]);
        assert_eq!(code(&table, "key"), Some(DenialCode::TokenInvalid));
    }

    #[test]
    fn entries_that_share_a_bucket_stay_apart() {
        let mut near = entry("near", "key-a", "globex");
        near.sha256[31] ^= 1;
        let alone = ApiKeyTable::new(std::slice::from_ref(&near));
        assert_eq!(code(&alone, "key-a"), Some(DenialCode::TokenInvalid));
        let both = ApiKeyTable::new(&[near, entry("ci", "key-a", "acme")]);
        assert_eq!(
            both.verify("key-a", now()).unwrap().tenant().as_str(),
            "acme"
        );
    }

    #[test]
    fn a_confined_key_reaches_its_routes_only() {
        let routes = Some(Arc::from([RoutePattern::new("task.*")]));
        let table = ApiKeyTable::new(&[ApiKeySettings {
            routes,
            ..entry("ci", "key-a", "acme")
        }]);
        let principal = table.verify("key-a", now()).unwrap();
        assert!(principal.may_reach("task.read"));
        assert!(!principal.may_reach("session.read"));
    }

    #[test]
    fn a_generated_key_is_taken_by_its_stanza() {
        let made = NewApiKey::generate().unwrap();
        assert!(made.text().starts_with(KEY_PREFIX));
        assert_eq!(made.text().len(), KEY_PREFIX.len() + 43);
        let settings = ApiKeySettings {
            name: "c\"i".to_owned(),
            scopes: Arc::from([Arc::from("a:b"), Arc::from("c")]),
            expires_at: Some(now()),
            routes: Some(Arc::from([RoutePattern::new("task.*")])),
            ..entry("", "", "acme")
        };
        let stanza = made.stanza(&settings);
        assert!(
            !stanza.contains(made.text()),
            "the file never holds the key"
        );
        let document: toml::Table = stanza.parse().unwrap();
        let read = &document["api_keys"][0];
        assert_eq!(read["name"].as_str(), Some("c\"i"));
        assert_eq!(read["tenant"].as_str(), Some("acme"));
        assert_eq!(read["roles"][0].as_str(), Some("service"));
        assert_eq!(read["scopes"][1].as_str(), Some("c"));
        assert_eq!(read["routes"][0].as_str(), Some("task.*"));
        assert!(read["expires_at"].is_datetime());
        let hash = made.sha256.map(|byte| format!("{byte:02x}")).concat();
        assert_eq!(read["sha256"].as_str(), Some(hash.as_str()));
        let taken = ApiKeyTable::new(&[ApiKeySettings {
            sha256: made.sha256,
            ..entry("ci", "", "acme")
        }]);
        assert!(taken.verify(made.text(), now()).is_ok());
    }

    #[test]
    fn generated_keys_differ_and_are_not_shown_by_debug() {
        let made = (0..100)
            .map(|_| NewApiKey::generate().unwrap())
            .collect::<Vec<_>>();
        let texts = made.iter().map(NewApiKey::text).collect::<HashSet<_>>();
        assert_eq!(texts.len(), 100);
        assert!(
            made.iter()
                .all(|key| !format!("{key:?}").contains(key.text()))
        );
    }
}
