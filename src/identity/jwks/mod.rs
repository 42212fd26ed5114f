//! The issuers' public keys: fetched in the background, never in a request's way.
//!
//! There is one [`KeySet`] per source, shared by every issuer and policy generation that names it
//! through the [`KeySetRegistry`]; it ends with the last one that does. One task per set does all
//! its fetching, so there is never more than one fetch of a set under way. The task fetches
//!
//! * on its timer, ahead of the end of the set's lifetime, or backing off while the source fails;
//! * when a token names a key id that the set lacks, at most once per cool-down. The timer does not
//!   count against that nor wait for it, and each such fetch answers all ids asked about until
//!   then, so a flood of invented ids takes nothing from a real rotation.
//!
//! What a source answers is believed only as a whole and only if it has a usable key; otherwise the
//! last good set stays, up to a limit, and after it tokens of that issuer get `keys_unavailable`.
//! A set that lost a key gets a new epoch, and tokens cached under the old one are verified again.

mod algorithm;
mod document;
mod fetch;
mod file;
mod key;
mod key_set;
mod refresh;
mod registry;
mod settings;
mod status;
mod unknown;

pub use document::KeySetUnusable;
pub use fetch::{KeyUrlRefused, allowed_key_url};
pub use key_set::KeySet;
pub(super) use key_set::LoadedKeys;
pub use registry::{KeySetRegistry, RegistryError};
pub use settings::JwksSettings;
pub use status::{KeySetState, KeySetStatus};
