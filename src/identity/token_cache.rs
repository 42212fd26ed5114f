//! Verified tokens, so that a token is verified once and not on every request.
//!
//! The key is a BLAKE3 hash, keyed by the policy revision, over the whole token (a cache by prefix
//! is CVE-2026-35030). Only tokens that passed every check get in, so nobody fills it with garbage.
//! An entry is no decision of its own: whoever reads it has to hold its expiry and its key epoch
//! against the present, which [`TokenAuthenticator::cached`](super::TokenAuthenticator::cached) does.

use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::Arc;

use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{OptionsBuilder, UnitWeighter};

use super::Principal;

/// Tokens kept unless set otherwise.
pub const DEFAULT_CAPACITY: usize = 100_000;

/// Evicted tokens whose hashes are remembered, as a share of the capacity. They take the room of an
/// entry, and with a quarter a hundred thousand tokens and their ghosts still fit the power of two
/// that the tables grow to.
const GHOSTS: f64 = 0.25;

/// Verified tokens by their hash; shared by all threads and policy generations.
pub struct TokenCache {
    entries: Cache<TokenHash, CachedToken, UnitWeighter, HashAsItIs>,
}

/// What is remembered of a token.
#[derive(Clone, Debug)]
pub(super) struct CachedToken {
    /// Whom it stands for; its `expires_at` bounds the entry.
    pub(super) principal: Arc<Principal>,
    /// Which entry of the authenticator's issuers verified it.
    pub(super) issuer: u32,
    /// Epoch of the keys that verified it.
    pub(super) epoch: u64,
    /// Whether it is a machine token.
    pub(super) machine: bool,
}

/// The keyed hash of a token.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct TokenHash([u8; 32]);

impl TokenCache {
    /// A cache of at most `capacity` tokens.
    #[expect(
        clippy::expect_used,
        reason = "options are refused only where a capacity is not set"
    )]
    pub fn new(capacity: usize) -> Self {
        let options = OptionsBuilder::new()
            .estimated_items_capacity(capacity)
            .weight_capacity(u64::try_from(capacity).unwrap_or(u64::MAX))
            .ghost_allocation(GHOSTS)
            .build()
            .expect("both capacities are set");
        Self {
            entries: Cache::with_options(
                options,
                UnitWeighter,
                HashAsItIs,
                DefaultLifecycle::default(),
            ),
        }
    }

    /// How many tokens are held.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no token is held.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn hash(revision_digest: &[u8; 32], token: &str) -> TokenHash {
        TokenHash(*blake3::keyed_hash(revision_digest, token.as_bytes()).as_bytes())
    }

    pub(super) fn find(&self, hash: &TokenHash) -> Option<CachedToken> {
        self.entries.get(hash)
    }

    pub(super) fn insert(&self, hash: TokenHash, token: CachedToken) {
        self.entries.insert(hash, token);
    }

    pub(super) fn forget(&self, hash: &TokenHash) {
        self.entries.remove(hash);
    }
}

impl Default for TokenCache {
    fn default() -> Self {
        Self::new(DEFAULT_CAPACITY)
    }
}

impl std::fmt::Debug for TokenCache {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "TokenCache({} tokens)", self.len())
    }
}

impl Hash for TokenHash {
    fn hash<H: Hasher>(&self, state: &mut H) {
        if let Some(first) = self.0.first_chunk() {
            state.write_u64(u64::from_ne_bytes(*first));
        }
    }
}

/// Takes a [`TokenHash`] for the hash that it is; hashing it once more would gain nothing.
#[derive(Clone, Copy, Default)]
struct HashAsItIs;

impl BuildHasher for HashAsItIs {
    type Hasher = FirstWord;

    fn build_hasher(&self) -> FirstWord {
        FirstWord(0)
    }
}

struct FirstWord(u64);

impl Hasher for FirstWord {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = word;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_that_share_a_prefix_or_differ_by_policy_do_not_share_a_key() {
        let long = "a".repeat(8000);
        let hash = |revision: u8, token: &str| TokenCache::hash(&[revision; 32], token).0;
        assert_ne!(hash(1, &format!("{long}x")), hash(1, &format!("{long}y")));
        assert_ne!(hash(1, "token"), hash(2, "token"));
        assert_eq!(hash(1, "token"), hash(1, "token"));
    }
}
