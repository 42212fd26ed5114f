//! Real directories, changed in the ways that editors, deployments and accidents change them.

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::*;
use crate::clock::ManualClock;

/// Longest wait for something that has to happen.
const SOON: Duration = Duration::from_secs(30);

const TIMING: WatchSettings = WatchSettings {
    interval: Duration::from_millis(40),
    settle: Duration::from_millis(20),
};

/// A policy directory that is watched, and what was installed from it.
pub(super) struct Watched {
    pub(super) home: TempDir,
    pub(super) loader: Arc<PolicyLoader>,
    installed: Receiver<String>,
    _watch: PolicyWatch,
}

impl Watched {
    /// Watches `policies` inside a fresh directory that `arrange` filled.
    pub(super) fn over(arrange: impl FnOnce(&Path)) -> Self {
        Self::by(TIMING, arrange)
    }

    fn by(settings: WatchSettings, arrange: impl FnOnce(&Path)) -> Self {
        let home = tempfile::tempdir().unwrap();
        arrange(home.path());
        let (install, installed) = recording();
        let loader = Arc::new(load(&home.path().join("policies"), install).unwrap());
        assert_eq!(installed.recv_timeout(SOON).unwrap(), "acme");
        let watch = PolicyWatch::start(Arc::clone(&loader), settings).unwrap();
        Self {
            home,
            loader,
            installed,
            _watch: watch,
        }
    }

    pub(super) fn plain() -> Self {
        Self::over(arrange_plain)
    }

    pub(super) fn file(&self) -> PathBuf {
        self.home.path().join("policies/p.toml")
    }

    pub(super) fn installs(&self, tenant: &str) {
        assert_eq!(self.installed.recv_timeout(SOON).unwrap(), tenant);
        // The installer is called in the middle of a reload; this waits for its end.
        drop(locked(&self.loader.judged));
    }

    /// Waits until a refusal says `message`, and that nothing was installed.
    pub(super) fn refuses(&self, message: &str) {
        let end = Instant::now() + SOON;
        loop {
            let status = self.loader.status();
            let text = format!("{:?}", status.last_error);
            if text.contains(message) {
                break;
            }
            assert!(Instant::now() < end, "no refusal about `{message}`: {text}");
            std::thread::yield_now();
        }
        assert!(self.installed.try_recv().is_err(), "nothing was installed");
    }

    /// The next good content comes through, and is the first thing installed since.
    pub(super) fn still_picks_up(&self, tenant_id: &str) {
        let staged = self.home.path().join("staged");
        fs::write(&staged, tenant(tenant_id)).unwrap();
        fs::rename(staged, self.file()).unwrap();
        self.installs(tenant_id);
        assert_eq!(self.loader.status().last_error, None);
    }
}

/// A directory with one policy file.
fn arrange_plain(home: &Path) {
    fs::create_dir(home.join("policies")).unwrap();
    fs::write(home.join("policies/p.toml"), tenant("acme")).unwrap();
}

pub(super) fn tenant(id: &str) -> String {
    format!("[[tenants]]\nid = \"{id}\"\n")
}

/// An installer that tells which tenant a snapshot lists.
fn recording() -> (Install, Receiver<String>) {
    let (sender, receiver) = mpsc::channel();
    let sender = Mutex::new(sender);
    let install = move |snapshot: PolicySnapshot| {
        let tenants = snapshot.tenants.keys();
        let name = tenants.map(ToString::to_string).collect::<String>();
        sender.lock().unwrap().send(name).unwrap();
        Ok(())
    };
    (Box::new(install), receiver)
}

fn load(directory: &Path, install: Install) -> Result<PolicyLoader, Vec<Problem>> {
    let clock = Arc::new(ManualClock::new(Timestamp::from_seconds(1)));
    PolicyLoader::start(
        directory,
        SecretResolver::default(),
        clock,
        install,
        Box::new(|_| {}),
    )
}

#[test]
fn an_atomic_rename_is_picked_up_once() {
    let watched = Watched::plain();
    watched.still_picks_up("globex");
    watched.still_picks_up("initech");
    assert_eq!(watched.loader.status().reloads_ok, 2);
}

#[test]
fn a_file_truncated_and_written_is_picked_up_once() {
    let watched = Watched::plain();
    fs::write(watched.file(), "").unwrap();
    fs::write(watched.file(), tenant("globex")).unwrap();
    watched.installs("globex");
    watched.still_picks_up("initech");
    assert_eq!(watched.loader.status().reloads_ok, 2);
}

#[test]
fn a_config_map_symlink_swap_is_picked_up_once() {
    let watched = Watched::over(|home| {
        let policies = home.join("policies");
        fs::create_dir_all(policies.join("..2026_01")).unwrap();
        fs::write(policies.join("..2026_01/p.toml"), tenant("acme")).unwrap();
        symlink("..2026_01", policies.join("..data")).unwrap();
        symlink("..data/p.toml", policies.join("p.toml")).unwrap();
    });
    let policies = watched.home.path().join("policies");
    fs::create_dir(policies.join("..2026_02")).unwrap();
    fs::write(policies.join("..2026_02/p.toml"), tenant("globex")).unwrap();
    symlink("..2026_02", policies.join("..data_tmp")).unwrap();
    fs::rename(policies.join("..data_tmp"), policies.join("..data")).unwrap();
    fs::remove_dir_all(policies.join("..2026_01")).unwrap();
    watched.installs("globex");
    assert_eq!(watched.loader.status().reloads_ok, 1);
}

#[test]
fn a_directory_replaced_by_a_rename_is_picked_up() {
    let watched = Watched::plain();
    let home = watched.home.path();
    fs::create_dir(home.join("next")).unwrap();
    fs::write(home.join("next/p.toml"), tenant("globex")).unwrap();
    fs::rename(home.join("policies"), home.join("old")).unwrap();
    fs::rename(home.join("next"), home.join("policies")).unwrap();
    watched.installs("globex");
    watched.still_picks_up("initech");
}

#[test]
fn bad_content_changes_nothing_and_good_content_after_it_is_picked_up() {
    for (content, message) in [
        ("[[tenants]]\nid = \"glo", "half-written"),
        ("[[tenants]]\nid = = 1\n", "Syntax"),
        ("[[tenants]]\nid = \"globex\"\ncolour = 1\n", "colour"),
        ("", "the file is empty"),
    ] {
        let watched = Watched::plain();
        fs::write(watched.file(), content).unwrap();
        watched.refuses(message);
        assert_eq!(watched.loader.status().reloads_rejected, 1, "{content:?}");
        watched.still_picks_up("globex");
    }
}

#[test]
fn a_deleted_file_is_no_empty_policy() {
    let watched = Watched::plain();
    fs::remove_file(watched.file()).unwrap();
    watched.refuses("holds no policy file");
    watched.still_picks_up("globex");
}

#[test]
fn a_vanished_directory_is_no_empty_policy() {
    let watched = Watched::plain();
    fs::remove_dir_all(watched.home.path().join("policies")).unwrap();
    watched.refuses("can't be read");
    fs::create_dir(watched.home.path().join("policies")).unwrap();
    watched.still_picks_up("globex");
}

#[test]
fn a_file_that_became_a_directory_is_refused() {
    let watched = Watched::plain();
    fs::remove_file(watched.file()).unwrap();
    fs::create_dir(watched.file()).unwrap();
    watched.refuses("not a regular file");
    fs::remove_dir(watched.file()).unwrap();
    watched.still_picks_up("globex");
}

#[test]
fn a_file_that_is_too_large_is_refused() {
    let watched = Watched::plain();
    fs::write(watched.file(), vec![b'\n'; (4 << 20) + 1]).unwrap();
    watched.refuses("larger than 4 MiB");
    watched.still_picks_up("globex");
}

#[test]
fn a_touched_file_is_no_change() {
    let watched = Watched::plain();
    let file = fs::File::options().append(true).open(watched.file());
    let long_ago = std::time::UNIX_EPOCH + Duration::from_secs(1);
    file.unwrap().set_modified(long_ago).unwrap();
    watched.still_picks_up("globex");
    assert_eq!(
        watched.loader.status().reloads_ok,
        1,
        "only the write counts"
    );
}

#[test]
fn going_back_to_the_policy_in_service_clears_the_error_without_a_reload() {
    let watched = Watched::plain();
    fs::write(watched.file(), "x = 1\n").unwrap();
    watched.refuses("unknown section");
    fs::write(watched.file(), tenant("acme")).unwrap();
    let end = Instant::now() + SOON;
    while watched.loader.status().last_error.is_some() {
        assert!(Instant::now() < end, "the error stays");
        std::thread::yield_now();
    }
    assert_eq!(watched.loader.status().reloads_ok, 0);
    watched.still_picks_up("globex");
}

#[test]
fn a_rotated_secret_file_is_another_policy() {
    let watched = Watched::over(|home| {
        fs::create_dir(home.join("policies")).unwrap();
        fs::write(home.join("secret"), "one\n").unwrap();
        let policy = tenant("acme")
            + "[[upstreams]]\nname = \"u\"\nurl = \"http://127.0.0.1:1\"\n\
               [[routes]]\nname = \"r\"\nupstream = \"u\"\nmethods = [\"POST\"]\npath = \"/h\"\n\
               [[webhooks]]\nname = \"w\"\npath = \"/h\"\nscheme = \"github\"\n\
               secret = \"file:../secret\"\ntenant = \"acme\"\nuser = \"hook\"\n";
        fs::write(home.join("policies/p.toml"), policy).unwrap();
    });
    let before = watched.loader.status().revision;
    fs::write(watched.home.path().join("secret"), "two\n").unwrap();
    watched.installs("acme");
    assert_ne!(watched.loader.status().revision, before);
}

#[test]
fn a_watch_that_waits_whether_content_holds_still_ends_when_it_is_told_to() {
    let long = Duration::from_secs(3_600);
    let settings = WatchSettings {
        interval: Duration::from_millis(1),
        settle: long,
    };
    let watched = Watched::by(settings, arrange_plain);
    fs::write(watched.file(), tenant("globex")).unwrap();
    // Time for it to notice; without it less is asked for.
    std::thread::sleep(Duration::from_millis(100));
    let (sender, ended) = mpsc::channel();
    std::thread::spawn(move || {
        drop(watched);
        sender.send(())
    });
    assert_eq!(ended.recv_timeout(SOON), Ok(()), "it waits on");
}

#[test]
fn an_explicit_reload_says_what_became_of_it() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("p.toml");
    fs::write(&file, tenant("acme")).unwrap();
    let (install, installed) = recording();
    let loader = load(home.path(), install).unwrap();
    assert!(matches!(loader.reload_now(), ReloadOutcome::Unchanged(_)));

    fs::write(&file, tenant("globex")).unwrap();
    let ReloadOutcome::Changed(revision) = loader.reload_now() else {
        panic!("changed");
    };
    assert_eq!(loader.status().revision, revision);

    fs::write(&file, "nonsense = true\n").unwrap();
    for attempt in 1..=2 {
        let ReloadOutcome::Rejected(problems) = loader.reload_now() else {
            panic!("rejected");
        };
        assert!(problems[0].message.contains("unknown section"));
        assert_eq!(loader.status().reloads_rejected, attempt);
    }
    assert_eq!(
        loader.status().revision,
        revision,
        "what was in service stays"
    );
    assert_eq!(installed.try_iter().collect::<Vec<_>>(), ["acme", "globex"]);
}

#[test]
fn content_that_moved_on_after_it_held_still_is_not_judged() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("p.toml");
    fs::write(&file, tenant("acme")).unwrap();
    let (install, installed) = recording();
    let loader = load(home.path(), install).unwrap();
    assert_eq!(loader.unjudged(), None, "what was loaded was judged");

    fs::write(&file, tenant("globex")).unwrap();
    let agreed = loader.unjudged().unwrap();
    fs::write(&file, "[[tenants]]\nid = \"ini").unwrap();
    assert_eq!(loader.reload_if(agreed), None);
    assert_eq!(
        loader.status().reloads_rejected,
        0,
        "half-written is not judged either"
    );

    fs::write(&file, tenant("globex")).unwrap();
    assert!(loader.reload_if(agreed).is_some());
    assert_eq!(installed.try_iter().collect::<Vec<_>>(), ["acme", "globex"]);
}

#[test]
fn a_bad_directory_at_start_is_no_service() {
    let home = tempfile::tempdir().unwrap();
    let (install, installed) = recording();
    assert!(load(home.path(), install).is_err());
    assert!(installed.try_recv().is_err());
}

#[test]
fn a_policy_that_cannot_be_installed_is_refused_with_the_reason() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("p.toml");
    fs::write(&file, tenant("acme")).unwrap();
    let install: Install = Box::new(|snapshot| {
        let acme = snapshot.tenants.keys().any(|id| id.as_str() == "acme");
        acme.then_some(()).ok_or_else(|| "no room".to_owned())
    });
    let loader = load(home.path(), install).unwrap();
    fs::write(&file, tenant("globex")).unwrap();
    let ReloadOutcome::Rejected(problems) = loader.reload_now() else {
        panic!("rejected");
    };
    assert_eq!(problems[0].kind, ProblemKind::NotInstalled);
    assert_eq!(problems[0].message, "no room");
    assert_eq!(loader.status().reloads_ok, 0);
}
