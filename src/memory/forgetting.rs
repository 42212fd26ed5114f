//! Letting go of memories, and of everything that a user or a tenant left.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    EntryId, Erased, Memory, MemoryError, PruneRule, TenantErasure, UserErasure, Writable,
};
use crate::clock::Timestamp;
use crate::identity::UserId;
use crate::tenant::TenantId;

/// That something was erased: what, how much, when and for whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The receipt's own id.
    pub id: String,
    /// The tenant.
    pub tenant: String,
    /// The user, unless all of the tenant was erased.
    pub user: Option<String>,
    /// How much.
    pub erased: Erased,
    /// When.
    pub at: Timestamp,
    /// The user who asked for it.
    pub by: String,
}

impl Receipt {
    /// The receipt as JSON, with its digest.
    pub fn document(&self) -> Value {
        let mut members = self.members();
        members.insert("digest", self.digest().into());
        json!(members)
    }

    /// BLAKE3 over the text of all other members, sorted by name and without blanks, so that a
    /// receipt that was kept can be told from one that was changed, by the log line of the same
    /// digest.
    pub fn digest(&self) -> String {
        let text = json!(self.members()).to_string();
        format!("blake3:{}", blake3::hash(text.as_bytes()).to_hex())
    }

    fn members(&self) -> BTreeMap<&'static str, Value> {
        BTreeMap::from([
            ("id", self.id.as_str().into()),
            ("tenant", self.tenant.as_str().into()),
            ("user", self.user.as_deref().into()),
            ("entries", self.erased.entries.into()),
            ("bytes", self.erased.bytes.into()),
            ("anonymised", self.erased.anonymised.into()),
            ("erased_at", self.at.to_string().into()),
            ("erased_by", self.by.as_str().into()),
        ])
    }

    fn log(&self) {
        tracing::info!(
            receipt = self.id,
            tenant = self.tenant,
            user = self.user,
            entries = self.erased.entries,
            bytes = self.erased.bytes,
            anonymised = self.erased.anonymised,
            by = self.by,
            digest = self.digest(),
            "erased"
        );
    }
}

impl Memory {
    /// Lets go of the memories of one namespace that fit the rule; how many, and the first
    /// [`PruneRule::MAX_IDS`] ids.
    ///
    /// # Errors
    /// The rule says nothing, or something out of range; or the store can't do it.
    pub async fn prune(
        &self,
        of: &Writable,
        rule: &PruneRule,
    ) -> Result<(u64, Vec<EntryId>), MemoryError> {
        judge(rule)?;
        if let Some(agent) = &rule.agent {
            self.bounds().judge_name("agent", agent)?;
        }
        Ok(self.store().prune(of, rule, self.now()).await?)
    }

    /// Erases all of a tenant, in the name of `by`.
    ///
    /// # Errors
    /// The store can't do it. What it erased before stays erased; ask again.
    pub async fn erase_tenant(
        &self,
        by: &UserId,
        right: &TenantErasure,
    ) -> Result<Receipt, MemoryError> {
        // A recall that is counted later would bring an erased tenant's database back.
        self.recalls().forget(right.tenant());
        let erased = self.store().erase_tenant(right).await?;
        Ok(self.receipt(right.tenant(), by, None, erased))
    }

    /// Erases a user of a tenant, in the name of `by`, and the user's name from what it wrote into shared
    /// memory. One who never kept anything is erased all the same, so that nobody learns who did.
    ///
    /// # Errors
    /// As [`Memory::erase_tenant`].
    pub async fn erase_user(
        &self,
        by: &UserId,
        right: &UserErasure,
    ) -> Result<Receipt, MemoryError> {
        let erased = self.store().erase_user(right).await?;
        let user = Some(right.user().to_string());
        Ok(self.receipt(right.tenant(), by, user, erased))
    }

    fn receipt(
        &self,
        tenant: &TenantId,
        by: &UserId,
        user: Option<String>,
        erased: Erased,
    ) -> Receipt {
        let receipt = Receipt {
            id: EntryId::mint().to_string(),
            tenant: tenant.to_string(),
            user,
            erased,
            at: self.now(),
            by: by.to_string(),
        };
        receipt.log();
        receipt
    }
}

/// A rule that says nothing would let go of everything.
fn judge(rule: &PruneRule) -> Result<(), MemoryError> {
    let says = rule.older_than.is_some()
        || rule.min_importance.is_some()
        || rule.min_strength.is_some()
        || rule.keep.is_some();
    if !says {
        let reason = "at least one of `older_than`, `min_importance`, `min_strength` and `keep`";
        return Err(MemoryError::invalid("body", reason));
    }
    let importance = rule.min_importance.unwrap_or(1);
    if !(1..=10).contains(&importance) {
        let reason = "a whole number from 1 to 10";
        return Err(MemoryError::invalid("min_importance", reason));
    }
    if !(0.0..=1.0).contains(&rule.min_strength.unwrap_or_default()) {
        let reason = "a number from 0 to 1";
        return Err(MemoryError::invalid("min_strength", reason));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_that_says_nothing_prunes_nothing() {
        let rule = PruneRule {
            agent: Some("a".into()),
            dry_run: true,
            ..PruneRule::default()
        };
        assert!(judge(&rule).is_err());
        let rule = PruneRule {
            keep: Some(0),
            ..PruneRule::default()
        };
        assert!(judge(&rule).is_ok(), "to keep nothing is said");
    }

    #[test]
    fn what_a_rule_says_is_in_range() {
        for (importance, strength, right) in [
            (Some(1), None, true),
            (Some(0), None, false),
            (Some(11), None, false),
            (None, Some(1.0), true),
            (None, Some(1.5), false),
            (None, Some(f64::NAN), false),
        ] {
            let rule = PruneRule {
                min_importance: importance,
                min_strength: strength,
                ..PruneRule::default()
            };
            assert_eq!(judge(&rule).is_ok(), right, "{importance:?} {strength:?}");
        }
    }

    #[test]
    fn a_receipt_that_was_changed_has_another_digest() {
        let receipt = Receipt {
            id: "r-1".into(),
            tenant: "acme".into(),
            user: Some("alice".into()),
            erased: Erased {
                entries: 3,
                bytes: 40,
                anonymised: 1,
            },
            at: Timestamp::from_seconds(0),
            by: "root".into(),
        };
        let mut changed = receipt.clone();
        changed.erased.entries = 2;
        assert_ne!(receipt.digest(), changed.digest());
        let mut members = receipt.document();
        let digest = members.as_object_mut().unwrap().remove("digest").unwrap();
        let text = serde_json::to_string(&members).unwrap();
        let expected = format!("blake3:{}", blake3::hash(text.as_bytes()).to_hex());
        assert_eq!(digest, expected, "anybody can compute it from the document");
    }
}
