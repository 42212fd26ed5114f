//! A gate that serves nobody: made of a policy, to be asked.
//!
//! Nothing of it is on a disk or a network unless it is handed in: its audit log keeps nothing, its
//! keys are in memory, its ledger is empty.

use std::sync::Arc;

use tokio::runtime::Handle;

use crate::audit::{AuditLog, KeyError};
use crate::budget::Ledger;
use crate::budget::models::settings::TenantSettings;
use crate::clock::SharedClock;
use crate::identity::assertion::Assertions;
use crate::identity::jwks::KeySetRegistry;
use crate::identity::signing_key::{SigningKey, SigningKeyError};
use crate::identity::{ReplayGuard, TokenCache};
use crate::ownership::Registry;
use crate::pipeline::{CredentialHandles, Gate, GateParts, GateSettings, InstallError};
use crate::policy::PolicySnapshot;
use crate::telemetry::Metrics;

/// What such a gate can be asked about besides.
pub struct StandInParts {
    /// As for a gate that serves.
    pub settings: GateSettings,
    /// Time.
    pub clock: SharedClock,
    /// Where tasks run.
    pub runtime: Handle,
    /// Key sets of issuers; without them no token verifies.
    pub keys: Option<Arc<KeySetRegistry>>,
    /// Who owns what.
    pub registry: Arc<Registry>,
    /// Who spent what; without it nothing is.
    pub ledger: Option<Arc<Ledger>>,
    /// What tenants chose for their models.
    pub models: Arc<TenantSettings>,
    /// Secrets of backends.
    pub handles: CredentialHandles,
}

/// There can be no such gate.
#[derive(Debug, thiserror::Error)]
pub enum StandInError {
    /// The policy can't be put in force.
    #[error(transparent)]
    Policy(#[from] InstallError),
    /// No key can be made.
    #[error(transparent)]
    Key(#[from] SigningKeyError),
    /// No key can be derived.
    #[error(transparent)]
    Log(#[from] KeyError),
    /// The counters can't be made.
    #[error("the counters can't be made: {0}")]
    Counters(String),
}

/// A gate with this policy in force.
///
/// # Errors
/// See [`StandInError`].
pub fn stand_in(parts: StandInParts, snapshot: PolicySnapshot) -> Result<Arc<Gate>, StandInError> {
    let clock = parts.clock;
    let metrics = Metrics::new(1).map_err(|error| StandInError::Counters(error.to_string()))?;
    let offline = || KeySetRegistry::offline(parts.runtime.clone(), Arc::clone(&clock));
    let assertions = Assertions::new(SigningKey::in_memory()?, Vec::new(), Arc::clone(&clock))?;
    let gate = GateParts {
        settings: parts.settings,
        audit: AuditLog::idle(Arc::clone(&clock))?,
        metrics: Arc::new(metrics),
        keys: parts.keys.unwrap_or_else(offline),
        tokens: Arc::new(TokenCache::new(64)),
        // Looked at and never filled; one without room would refuse deliveries that are good.
        replays: ReplayGuard::default(),
        assertions: Arc::new(assertions),
        handles: parts.handles,
        registry: parts.registry,
        ledger: parts
            .ledger
            .unwrap_or_else(|| Ledger::in_memory(Arc::clone(&clock))),
        models: parts.models,
        telemetry: None,
        clock,
    };
    Ok(Gate::new(gate, snapshot)?)
}
