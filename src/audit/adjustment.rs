//! What an operator put right in a tenant's spend, signed.
//!
//! The signature is made with the log's own key over exactly what the record and the ledger hold,
//! so that neither can say something else than what was asked for.

use super::json::push_timestamp;
use super::keys::LogKeys;
use super::record::text;
use crate::clock::Timestamp;

/// Keeps a signature from being taken for one of a checkpoint or an export.
const CONTEXT: &[u8] = b"fabric-gate adjustment\n";

/// One adjustment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdjustmentFacts<'a> {
    /// Its id: the same one is made once.
    pub id: &'a str,
    /// Whose spend.
    pub tenant: &'a str,
    /// Over what the line adds up: `tenant`, `user`, …
    pub scope: &'a str,
    /// Which user, agent, route or session; empty for the tenant.
    pub value: &'a str,
    /// USD as a decimal with its sign; below zero gives back.
    pub cost_usd: &'a str,
    /// When it counts.
    pub at: Timestamp,
    /// Who did it.
    pub by: &'a str,
    /// Why.
    pub reason: &'a str,
}

impl AdjustmentFacts<'_> {
    /// The signature of the facts: Ed25519, in hexadecimal.
    pub fn sign(&self, keys: &LogKeys) -> String {
        keys.sign(&self.signed_bytes())
    }

    /// Whether `signature` is that of these very facts.
    pub fn is_signed(&self, keys: &LogKeys, signature: &str) -> bool {
        keys.signed(&self.signed_bytes(), signature)
    }

    /// Appends the members of a record.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        text(out, b",\"adjustment\":", self.id);
        text(out, b",\"tenant_id\":", self.tenant);
        text(out, b",\"scope\":", self.scope);
        text(out, b",\"value\":", self.value);
        text(out, b",\"cost_usd\":", self.cost_usd);
        out.extend_from_slice(b",\"arrived\":");
        push_timestamp(out, self.at);
        text(out, b",\"by\":", self.by);
        text(out, b",\"reason\":", self.reason);
    }

    fn signed_bytes(&self) -> Vec<u8> {
        let mut bytes = CONTEXT.to_vec();
        self.write(&mut bytes);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{LogSecret, SecretSource};

    #[test]
    fn a_signature_holds_for_the_very_facts_and_no_others() {
        let keys = LogKeys::load(&SecretSource::Given(LogSecret::new([7; 32]))).unwrap();
        let facts = AdjustmentFacts {
            id: "refund-1",
            tenant: "acme",
            scope: "user",
            value: "alice",
            cost_usd: "-1.50",
            at: Timestamp::from_seconds(1_800_000_000),
            by: "admin",
            reason: "outage",
        };
        let signature = facts.sign(&keys);
        assert!(facts.is_signed(&keys, &signature));
        let others = [
            AdjustmentFacts {
                id: "refund-2",
                ..facts
            },
            AdjustmentFacts {
                tenant: "globex",
                ..facts
            },
            AdjustmentFacts {
                value: "alice\",\"by\":\"bob",
                ..facts
            },
            AdjustmentFacts {
                cost_usd: "-2.50",
                ..facts
            },
            AdjustmentFacts { by: "bob", ..facts },
            AdjustmentFacts {
                reason: "",
                ..facts
            },
            AdjustmentFacts {
                at: facts.at.plus_seconds(1),
                ..facts
            },
        ];
        for other in others {
            assert!(!other.is_signed(&keys, &signature), "{other:?}");
        }
        let elsewhere = LogKeys::load(&SecretSource::Given(LogSecret::new([8; 32]))).unwrap();
        assert!(!facts.is_signed(&elsewhere, &signature));
    }
}
