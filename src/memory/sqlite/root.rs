//! The folder of all tenants, and which place in it is whose.
//!
//! A tenant has a directory of its own, so the names of its files can't meet those of another's
//! (`acme-wal` is a tenant too). Directories are walked without following a link. What begins with
//! a dot is ours: no tenant's id does.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstatat, mkdirat};
use nix::unistd::{UnlinkatFlags, fsync, unlinkat};

use super::error::OpenError;
use crate::identity::namespace;
use crate::tenant::TenantId;

/// The database in a tenant's directory.
pub(super) const FILE: &str = "memory.db";
/// What SQLite puts beside it.
const BESIDE: [&str; 2] = ["memory.db-wal", "memory.db-shm"];
/// Held locked by the one process that serves the folder.
const LOCK: &str = ".lock";
/// A file that is made and removed to see whether that can be done.
const PROBE: &str = ".probe";
/// What the directory of an erased tenant is called until it is gone.
const ERASED: &str = ".erased-";
/// What a database is called while it is being restored.
const RESTORING: &str = ".restoring-";

/// The folder, held by this process alone unless it only looks into it.
#[derive(Debug)]
pub(super) struct Root {
    path: PathBuf,
    directory: OwnedFd,
    _lock: Option<File>,
    erasures: AtomicU64,
}

impl Root {
    /// Makes the folder if there is none, takes its lock, and removes what an erasure or a
    /// restoration left that was cut short.
    pub(super) fn open(path: &Path) -> Result<Self, OpenError> {
        let refused = |source| OpenError::file(path, source);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(refused)?;
        // Links on the way to the folder are the operator's; inside of it there are none. The path
        // is absolute, so SQLite never takes it for a URI.
        let path = path.canonicalize().map_err(refused)?;
        let refused = |source| OpenError::file(&path, source);
        let lock = lock(&path)?;
        let directory = enter_folder(&path)?;
        let mode = directory.metadata().map_err(refused)?.permissions().mode();
        if mode & 0o077 != 0 {
            tracing::warn!(path = %path.display(), "the memories can be read or written by other users of this machine: chmod 700");
        }
        let root = Self {
            directory: directory.into(),
            _lock: Some(lock),
            erasures: AtomicU64::new(0),
            path,
        };
        root.remove_left()?;
        Ok(root)
    }

    /// The folder while another process may hold it: to look into, not to write. Nothing is made
    /// and nothing tidied.
    pub(super) fn beside(path: &Path) -> Result<Self, OpenError> {
        let path = path
            .canonicalize()
            .map_err(|source| OpenError::file(path, source))?;
        Ok(Self {
            directory: enter_folder(&path)?.into(),
            _lock: None,
            erasures: AtomicU64::new(0),
            path,
        })
    }

    /// The tenant's database, if it has one.
    pub(super) fn find(&self, tenant: &TenantId) -> Result<Option<PathBuf>, OpenError> {
        let Some(directory) = self.enter(tenant)? else {
            return Ok(None);
        };
        let found = self.look(&directory, tenant, FILE)?;
        for name in BESIDE {
            self.look(&directory, tenant, name)?;
        }
        Ok(found.map(|_kept| self.path_of(tenant).join(FILE)))
    }

    /// The tenant's database, an empty file if it had none.
    pub(super) fn make(&self, tenant: &TenantId) -> Result<PathBuf, OpenError> {
        if let Some(path) = self.find(tenant)? {
            return Ok(path);
        }
        let path = self.path_of(tenant);
        let refused = |errno: Errno| OpenError::file(&path, errno.into());
        match mkdirat(
            &self.directory,
            namespace::directory_of_tenant(tenant).as_str(),
            Mode::S_IRWXU,
        ) {
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(errno) => return Err(refused(errno)),
        }
        let directory = self.enter(tenant)?.ok_or_else(|| refused(Errno::ENOENT))?;
        // INVARIANT: a database that may be open is never opened here. To close it again would
        // release the locks SQLite has on it in this process.
        let flags =
            OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_WRONLY | OFlag::O_CLOEXEC;
        let made = openat(&directory, FILE, flags, Mode::S_IRUSR | Mode::S_IWUSR);
        match made {
            Ok(_made) => {}
            Err(Errno::EEXIST) => {}
            Err(errno) => return Err(refused(errno)),
        }
        // A memory that is acknowledged is found again after a power cut, so its file is.
        fsync(&directory).map_err(refused)?;
        fsync(&self.directory).map_err(refused)?;
        Ok(path.join(FILE))
    }

    /// Takes the tenant's directory away, whole or not at all, and then removes it. Nothing of the
    /// tenant is open.
    pub(super) fn erase(&self, tenant: &TenantId) -> Result<(), OpenError> {
        if self.enter(tenant)?.is_none() {
            return Ok(());
        }
        let from = self.path_of(tenant);
        let refused = |source| OpenError::file(&from, source);
        let number = self.erasures.fetch_add(1, Ordering::Relaxed);
        let to = self.path.join(format!(
            "{ERASED}{number}-{}",
            namespace::directory_of_tenant(tenant)
        ));
        std::fs::rename(&from, &to).map_err(refused)?;
        fsync(&self.directory).map_err(|errno| refused(errno.into()))?;
        std::fs::remove_dir_all(&to).map_err(|source| OpenError::file(&to, source))
    }

    /// A path beside the tenants' for a file that is being made for `tenant`. There is no file.
    pub(super) fn making(&self, tenant: &TenantId) -> Result<PathBuf, OpenError> {
        let path = self.path.join(format!(
            "{RESTORING}{}",
            namespace::directory_of_tenant(tenant)
        ));
        remove_database(&path)?;
        Ok(path)
    }

    /// Puts the database that was made at `from` in the place of the tenant's. Neither is open.
    pub(super) fn replace(&self, tenant: &TenantId, from: &Path) -> Result<(), OpenError> {
        let to = self.make(tenant)?;
        // The log of the database that goes would be played into the one that comes.
        for name in BESIDE {
            remove(&to.with_file_name(name))?;
        }
        std::fs::rename(from, &to).map_err(|source| OpenError::file(&to, source))?;
        let refused = |errno: Errno| OpenError::file(&to, errno.into());
        let directory = self.enter(tenant)?.ok_or_else(|| refused(Errno::ENOENT))?;
        fsync(&directory).map_err(refused)?;
        fsync(&self.directory).map_err(refused)
    }

    /// Whether the folder is there and can be written.
    pub(super) fn probe(&self) -> Result<(), OpenError> {
        let refused = |errno: Errno| OpenError::file(&self.path, errno.into());
        let flags = OFlag::O_CREAT | OFlag::O_NOFOLLOW | OFlag::O_WRONLY | OFlag::O_CLOEXEC;
        let mode = Mode::S_IRUSR | Mode::S_IWUSR;
        openat(&self.directory, PROBE, flags, mode).map_err(refused)?;
        match unlinkat(&self.directory, PROBE, UnlinkatFlags::NoRemoveDir) {
            // Another probe was quicker.
            Ok(()) | Err(Errno::ENOENT) => Ok(()),
            Err(errno) => Err(refused(errno)),
        }
    }

    /// The folder.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn path_of(&self, tenant: &TenantId) -> PathBuf {
        self.path.join(namespace::directory_of_tenant(tenant))
    }

    fn enter(&self, tenant: &TenantId) -> Result<Option<OwnedFd>, OpenError> {
        let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_RDONLY | OFlag::O_CLOEXEC;
        match openat(
            &self.directory,
            namespace::directory_of_tenant(tenant).as_str(),
            flags,
            Mode::empty(),
        ) {
            Ok(directory) => Ok(Some(directory)),
            Err(Errno::ENOENT) => Ok(None),
            Err(Errno::ELOOP | Errno::ENOTDIR) => Err(OpenError::NotOurs(self.path_of(tenant))),
            Err(errno) => Err(OpenError::file(&self.path_of(tenant), errno.into())),
        }
    }

    /// A file of its own, with one name, or nothing.
    fn look(
        &self,
        directory: &OwnedFd,
        tenant: &TenantId,
        file: &str,
    ) -> Result<Option<FileStat>, OpenError> {
        let path = || self.path_of(tenant).join(file);
        match fstatat(directory, file, AtFlags::AT_SYMLINK_NOFOLLOW) {
            Ok(found) => {
                let kind = SFlag::from_bits_truncate(found.st_mode) & SFlag::S_IFMT;
                if kind == SFlag::S_IFREG && found.st_nlink == 1 {
                    Ok(Some(found))
                } else {
                    Err(OpenError::NotOurs(path()))
                }
            }
            Err(Errno::ENOENT) => Ok(None),
            Err(errno) => Err(OpenError::file(&path(), errno.into())),
        }
    }

    fn remove_left(&self) -> Result<(), OpenError> {
        let refused = |source| OpenError::file(&self.path, source);
        for entry in std::fs::read_dir(&self.path).map_err(refused)? {
            let entry = entry.map_err(refused)?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let removed = if name.starts_with(ERASED) {
                std::fs::remove_dir_all(entry.path())
            } else if name.starts_with(RESTORING) {
                std::fs::remove_file(entry.path())
            } else {
                Ok(())
            };
            removed.map_err(|source| OpenError::file(&entry.path(), source))?;
        }
        Ok(())
    }
}

/// Removes a database and what is beside it.
pub(super) fn remove_database(path: &Path) -> Result<(), OpenError> {
    remove(path)?;
    for ending in ["-wal", "-shm", "-journal"] {
        let mut beside = path.as_os_str().to_owned();
        beside.push(ending);
        remove(Path::new(&beside))?;
    }
    Ok(())
}

fn remove(path: &Path) -> Result<(), OpenError> {
    match std::fs::remove_file(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(OpenError::file(path, error)),
    }
}

fn enter_folder(path: &Path) -> Result<File, OpenError> {
    OpenOptions::new()
        .read(true)
        .custom_flags(OFlag::O_DIRECTORY.bits())
        .open(path)
        .map_err(|source| OpenError::file(path, source))
}

/// One process serves a folder: another would not know what this one erases.
fn lock(root: &Path) -> Result<File, OpenError> {
    let path = root.join(LOCK);
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .custom_flags(OFlag::O_NOFOLLOW.bits())
        .open(&path)
        .map_err(|source| OpenError::file(&path, source))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse(root.to_owned())),
        Err(TryLockError::Error(source)) => Err(OpenError::file(&path, source)),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use proptest::prelude::*;
    use tempfile::TempDir;

    use super::*;
    use crate::tenant::TenantGrammar;

    fn tenant(id: &str) -> TenantId {
        TenantGrammar::new("^.+$").unwrap().parse(id).unwrap()
    }

    fn opened() -> (TempDir, Root) {
        let folder = TempDir::new().unwrap();
        let root = Root::open(folder.path()).unwrap();
        (folder, root)
    }

    #[test]
    fn a_tenants_directory_is_called_as_the_tenant_and_is_its_owners_alone() {
        let (_folder, root) = opened();
        let path = root.make(&tenant("acme")).unwrap();
        assert_eq!(path, root.path().join("acme/memory.db"));
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(path.parent().unwrap()), 0o700);
        assert_eq!(mode(&path), 0o600);
        assert_eq!(root.find(&tenant("acme")).unwrap(), Some(path));
    }

    #[test]
    fn to_look_for_a_tenant_makes_nothing() {
        let (folder, root) = opened();
        assert_eq!(root.find(&tenant("acme")).unwrap(), None);
        let names: Vec<_> = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(names, [LOCK]);
    }

    #[test]
    fn a_tenant_may_be_called_as_any_file_of_ours_is() {
        let (_folder, root) = opened();
        for id in ["lock", "memory", "acme-wal", "acme", "erased-0-acme"] {
            let path = root.make(&tenant(id)).unwrap();
            assert!(path.is_file(), "{id}");
        }
    }

    proptest! {
        #[test]
        fn no_two_tenants_have_one_directory_even_where_case_is_ignored(
            one in "[a-cA-C0-9][a-cA-C0-9_-]{0,5}",
            other in "[a-cA-C0-9][a-cA-C0-9_-]{0,5}",
        ) {
            let folded = |id: &str| namespace::directory_of_tenant(&tenant(id)).to_lowercase();
            prop_assert_eq!(one == other, folded(&one) == folded(&other));
            prop_assert!(!folded(&one).starts_with('.'));
        }
    }

    #[test]
    fn a_link_is_followed_nowhere() {
        let (folder, root) = opened();
        let victim = root.make(&tenant("victim")).unwrap();
        symlink(victim.parent().unwrap(), folder.path().join("linked")).unwrap();
        assert!(matches!(
            root.find(&tenant("linked")),
            Err(OpenError::NotOurs(_))
        ));
        assert!(root.make(&tenant("linked")).is_err());
        assert!(root.erase(&tenant("linked")).is_err());
        assert!(victim.is_file(), "erasing a link erases nothing behind it");

        for name in [FILE, BESIDE[0], BESIDE[1]] {
            let id = tenant(&format!("with-{}", name.len()));
            let directory = root.path_of(&id);
            std::fs::create_dir(&directory).unwrap();
            symlink(&victim, directory.join(name)).unwrap();
            assert!(
                matches!(root.find(&id), Err(OpenError::NotOurs(_))),
                "a link in place of {name}"
            );
            std::fs::remove_dir_all(&directory).unwrap();
        }
    }

    #[test]
    fn a_file_with_a_second_name_is_nobodys() {
        let (_folder, root) = opened();
        let victim = root.make(&tenant("victim")).unwrap();
        let directory = root.path_of(&tenant("mallory"));
        std::fs::create_dir(&directory).unwrap();
        std::fs::hard_link(&victim, directory.join(FILE)).unwrap();
        assert!(matches!(
            root.find(&tenant("mallory")),
            Err(OpenError::NotOurs(_))
        ));
    }

    #[test]
    fn a_second_process_is_told_that_the_folder_is_taken() {
        let (folder, _root) = opened();
        let second = Root::open(folder.path()).unwrap_err();
        assert!(matches!(second, OpenError::InUse(_)), "{second}");
    }

    #[test]
    fn an_erasure_that_was_cut_short_is_finished_at_the_next_start() {
        let (folder, root) = opened();
        let path = root.make(&tenant("acme")).unwrap();
        let left = folder.path().join(".erased-0-acme");
        std::fs::rename(path.parent().unwrap(), &left).unwrap();
        drop(root);
        let root = Root::open(folder.path()).unwrap();
        assert!(!left.exists());
        assert_eq!(root.find(&tenant("acme")).unwrap(), None);
    }

    #[test]
    fn an_erased_tenant_leaves_no_file() {
        let (folder, root) = opened();
        let path = root.make(&tenant("acme")).unwrap();
        std::fs::write(path.with_file_name("memory.db-wal"), "x").unwrap();
        root.erase(&tenant("acme")).unwrap();
        let left = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(left, 1, "the lock");
        root.erase(&tenant("acme")).unwrap();
    }
}
