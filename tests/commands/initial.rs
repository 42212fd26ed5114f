//! `fabric-gate init`.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use fabric_gate::policy::profiles::PROFILES;

use crate::folder::{Folder, complaint, printed};

#[test]
fn what_is_written_for_any_profile_passes_check() {
    let mut arguments = vec![vec![]];
    arguments.extend(PROFILES.iter().map(|it| vec!["--profile", it.name]));
    for profile in arguments {
        for issuer in [&[][..], &["--issuer", "https://login.example.com/"]] {
            let folder = Folder::initial(&[&profile[..], issuer].concat());
            let summary = printed(&folder.gate(&["check"]));
            assert!(!summary.is_empty(), "{profile:?}");
        }
    }
}

#[test]
fn it_serves_and_takes_the_tokens_it_makes() {
    let folder = Folder::initial(&["--tenant", "globex"]);
    let token = folder.gate(&["dev", "token", "--tenant", "globex", "--user", "gina"]);
    assert_eq!(printed(&token).trim().split('.').count(), 3);
    folder.serve().stop();
    printed(&folder.gate(&["audit", "verify"]));
}

#[test]
fn nothing_is_overwritten_and_nothing_half_done() {
    let folder = Folder::empty();
    fs::create_dir(folder.path().join("policies")).unwrap();
    folder.write("policies/30-routes.toml", "# mine\n");
    let told = complaint(&folder.gate(&["init"]), 2);
    assert!(told.contains("policies/30-routes.toml"), "{told}");
    assert_eq!(folder.read("policies/30-routes.toml"), "# mine\n");
    assert!(!folder.path().join("config").exists());

    let told = complaint(&folder.gate(&["init", "other", "--backend", "nonsense"]), 2);
    assert!(told.contains("30-routes.toml"), "{told}");
    assert!(!folder.path().join("other").exists());
    complaint(&folder.gate(&["init", "other", "--profile", "nobody"]), 2);
    complaint(
        &folder.gate(&["init", "other", "--tenant", "Not A Tenant"]),
        2,
    );
    assert!(!folder.path().join("other").exists());
}

#[test]
fn secrets_are_their_owners_and_differ_from_one_folder_to_the_next() {
    let one = Folder::initial(&[]);
    let mode = |folder: &Folder, file: &str| {
        let metadata = fs::metadata(folder.path().join(file)).unwrap();
        metadata.permissions().mode() & 0o777
    };
    assert_eq!(mode(&one, "data/admin-token"), 0o600);
    assert_eq!(mode(&one, "data/dev/signing-key.pem"), 0o600);
    assert_eq!(mode(&one, "data"), 0o700);
    let other = Folder::initial(&[]);
    for file in ["data/admin-token", "data/dev/signing-key.pem"] {
        assert_ne!(one.read(file), other.read(file), "{file}");
    }
}
