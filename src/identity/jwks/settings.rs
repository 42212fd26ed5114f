//! How key sets are kept; the defaults are what a gate runs with.

use std::time::Duration;

/// Times and bounds of the key sets.
#[derive(Clone, Debug)]
pub struct JwksSettings {
    /// How long a fetched set is fresh when its answer has no `Cache-Control: max-age`.
    pub default_lifetime: Duration,
    /// Bounds for the `max-age` of an answer.
    pub lifetime_bounds: (Duration, Duration),
    /// How long the last good set serves while its source does not answer.
    pub max_stale: Duration,
    /// Least time between two fetches that unknown key ids ask for.
    pub unknown_kid_cooldown: Duration,
    /// How long a token with an unknown key id waits for such a fetch.
    pub unknown_kid_wait: Duration,
    /// How long a key id that a fetch did not bring asks for no other.
    pub unknown_kid_memory: Duration,
    /// How long a request waits for keys while their source fails, or for the very first ones.
    pub sick_wait: Duration,
    /// Longest time between two attempts while there are no keys at all.
    pub retry_without_keys: Duration,
    /// Longest time between two attempts while the last good keys serve.
    pub retry_with_keys: Duration,
    /// How often a key file is looked at.
    pub file_poll: Duration,
    /// Longest wait for a connection.
    pub connect_timeout: Duration,
    /// Longest time for a whole fetch.
    pub fetch_timeout: Duration,
}

impl Default for JwksSettings {
    fn default() -> Self {
        Self {
            default_lifetime: Duration::from_secs(300),
            lifetime_bounds: (Duration::from_secs(60), Duration::from_secs(3600)),
            max_stale: Duration::from_secs(24 * 3600),
            unknown_kid_cooldown: Duration::from_secs(1),
            unknown_kid_wait: Duration::from_secs(1),
            unknown_kid_memory: Duration::from_secs(10),
            sick_wait: Duration::from_millis(200),
            retry_without_keys: Duration::from_secs(1),
            retry_with_keys: Duration::from_secs(30),
            file_poll: Duration::from_secs(1),
            connect_timeout: Duration::from_secs(2),
            fetch_timeout: Duration::from_secs(5),
        }
    }
}
