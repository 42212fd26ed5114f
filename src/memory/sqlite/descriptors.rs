//! How many files this process may hold open, and how many tenants that is enough for.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// What a tenant takes that is open: a writer (database, log and index) and two readers (database
/// and log each).
const OF_A_TENANT: u64 = 7;
/// What stays for connections of callers, and everything else that is a descriptor. At most half of
/// what there is.
const KEPT_FREE: u64 = 1_024;
/// More than these are never held open, however many the system allows: each has a page cache.
const MOST: u64 = 1_024;

/// Raises the soft limit of descriptors to the hard one; answers what it is then.
pub(super) fn raise() -> u64 {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        return 1_024;
    };
    match setrlimit(Resource::RLIMIT_NOFILE, hard, hard) {
        Ok(()) => hard,
        Err(error) => {
            tracing::warn!(%error, soft, hard, "the limit of open files can't be raised");
            soft
        }
    }
}

/// How many tenants can be open with so many descriptors; at least 2.
pub(super) fn tenants(descriptors: u64) -> usize {
    let free = descriptors - KEPT_FREE.min(descriptors / 2);
    let tenants = (free / OF_A_TENANT).clamp(2, MOST);
    usize::try_from(tenants).unwrap_or(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_tenants_that_are_open_leave_descriptors_for_the_rest() {
        for descriptors in [256, 1_024, 4_096, 65_536, u64::MAX] {
            let taken = tenants(descriptors) as u64 * OF_A_TENANT;
            assert!(
                taken <= descriptors - KEPT_FREE.min(descriptors / 2),
                "{descriptors} descriptors, {taken} taken"
            );
        }
        assert_eq!(tenants(4_096), 438);
        assert_eq!(tenants(0), 2, "with too few it fails where it opens");
    }
}
