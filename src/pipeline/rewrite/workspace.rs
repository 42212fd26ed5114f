//! Workspaces: a folder of each user's own, for backends that take a working directory.
//!
//! The gate says which it is, and holds the paths a caller names against it. It sees names, not
//! files: a link inside the workspace that leads out of it is the backend's to refuse.

use percent_encoding::percent_decode_str;

use super::rejected;
use crate::decision::Denial;
use crate::identity::{Principal, namespace};
use crate::pipeline::extract::Found;

/// The header that carries it.
pub(super) const HEADER: &str = "x-fabric-workspace";

/// How often a path is decoded in search of what it hides.
const MAX_DECODINGS: usize = 4;

/// The caller's workspace.
pub(super) fn of(root: &str, caller: &Principal) -> String {
    let directory = namespace::directory_of_user(caller.tenant(), caller.user());
    format!("{root}/{directory}")
}

/// Holds the paths that a request names against the caller's workspace.
///
/// # Errors
/// `request_rejected` for one that is no text or would lead out of it.
pub(super) fn hold(paths: Vec<Found<'_>>, own: &str) -> Result<(), Denial> {
    for path in paths {
        let inside = match &path {
            Found::Text(path) => stays_inside(path, own),
            Found::Null => true,
            Found::Container | Found::Other => false,
        };
        if !inside {
            return Err(rejected("a path leads out of the caller's workspace"));
        }
    }
    Ok(())
}

/// A relative path that does not leave the folder it starts in, or an absolute one below `own`.
fn stays_inside(path: &str, own: &str) -> bool {
    let below = path
        .strip_prefix(own)
        .filter(|below| below.is_empty() || below.starts_with('/'))
        .map(|below| below.trim_start_matches('/'));
    !leaves(below.unwrap_or(path))
}

/// Whether a path can lead out of the folder it starts in: it is absolute, goes up, names a home
/// directory or a drive, is an URL, or hides any of these behind escapes.
pub(super) fn leaves(path: &str) -> bool {
    let mut path = path.to_owned();
    for _ in 0..MAX_DECODINGS {
        if leaves_as_written(&path) {
            return true;
        }
        let decoded = percent_decode_str(&path).decode_utf8_lossy().into_owned();
        if decoded == path {
            return false;
        }
        path = decoded;
    }
    true
}

fn leaves_as_written(path: &str) -> bool {
    let drive = path
        .split_once(':')
        .is_some_and(|(drive, _)| drive.len() == 1);
    path.starts_with('/')
        || path.contains('\\')
        || path.contains("://")
        || drive
        || path.chars().any(char::is_control)
        || path
            .split('/')
            .any(|segment| segment.trim() == ".." || segment.trim_start().starts_with('~'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "/srv/workspaces/acme/alice";

    #[test]
    fn a_path_inside_is_let_through() {
        for path in [
            "",
            "src/main.rs",
            "./a/b",
            "a/..b/c",
            "a..",
            "a~",
            "50%",
            OWN,
            "/srv/workspaces/acme/alice/",
            "/srv/workspaces/acme/alice/src",
        ] {
            assert!(stays_inside(path, OWN), "{path}");
        }
    }

    #[test]
    fn a_path_that_leads_out_is_refused_however_it_is_written() {
        for path in [
            "/",
            "/etc/passwd",
            "/srv/workspaces/acme/alice2",
            "/srv/workspaces/acme/bob",
            "/srv/workspaces/acme/alice/../bob",
            "..",
            "a/../../bob",
            "a/.. /b",
            "%2e%2e/bob",
            "a/%2e%2e%2fbob",
            "%252e%252e/bob",
            "%25252525252525252e",
            "a%2f..%2fb",
            "%2fetc",
            "~",
            "~bob/x",
            "a/~bob",
            "%7ebob",
            "..\\bob",
            "a%5c..",
            "a\0",
            "a%00",
            "C:/x",
            "file:///etc",
            "\\\\host\\share",
        ] {
            assert!(!stays_inside(path, OWN), "{path}");
        }
    }

    #[test]
    fn a_workspace_whose_name_is_encoded_takes_its_own_paths() {
        let caller = Principal::made_up("acme", "../bob", &[], &[], None);
        let own = of("/srv/w", &caller);
        assert_eq!(own, "/srv/w/acme/=2E=2E=2Fbob");
        assert!(stays_inside(&format!("{own}/src"), &own));
        assert!(!stays_inside("/srv/w/acme/../bob", &own));
    }
}
