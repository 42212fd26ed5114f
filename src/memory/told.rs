//! Errors in the words of an agent: what it can mend is said to it, what it can't is not.

use super::{MemoryError, WriteErrorKind};

impl MemoryError {
    /// What an agent is told so that it does better; `None` if it is not the agent's to mend.
    pub fn for_agent(&self) -> Option<String> {
        match self {
            Self::Store(_) => None,
            Self::Write(error) => match &error.kind {
                WriteErrorKind::Store(_) => None,
                kind @ WriteErrorKind::Quota { .. } => {
                    Some(format!("{kind}; delete what is not needed"))
                }
                kind @ (WriteErrorKind::Missing
                | WriteErrorKind::Precondition(_)
                | WriteErrorKind::Taken
                | WriteErrorKind::Clearance
                | WriteErrorKind::Dimensions { .. }) => Some(kind.to_string()),
            },
            Self::Invalid { .. }
            | Self::TooLarge { .. }
            | Self::NotFound
            | Self::Role(_)
            | Self::Contended => Some(self.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{StoreError, StoreErrorKind, WriteError};

    #[test]
    fn an_agent_is_told_what_it_can_mend_and_nothing_of_the_store() {
        let write = |kind| MemoryError::from(WriteError { index: 3, kind });
        let quota = write(WriteErrorKind::Quota {
            quota: "entries_per_user",
            limit: 9,
        });
        let told = quota.for_agent().unwrap();
        assert!(
            told.contains("entries_per_user") && told.ends_with("delete what is not needed"),
            "{told}"
        );
        let told = write(WriteErrorKind::Taken).for_agent().unwrap();
        assert!(!told.contains('3'), "no place in a batch: {told}");
        let store = || StoreError::new(StoreErrorKind::Damaged, "secret.db");
        for error in [
            MemoryError::Store(store()),
            write(WriteErrorKind::Store(store())),
        ] {
            assert_eq!(error.for_agent(), None);
        }
    }
}
