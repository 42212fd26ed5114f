//! The policy directory, loaded at start and swapped while requests run.
//!
//! A [`PolicyLoader`] reads, compiles and hands the snapshot to whoever installs it. What does not
//! compile, or can't be installed, changes nothing: the running policy stays, and the problems are
//! in the [`PolicyStatus`] until a good directory comes along. A directory that vanished or is
//! empty is a bad one, never one that allows or denies everything.
//!
//! A rule that forbade something may be taken out on purpose or go with a file that somebody
//! deleted, and so may a tenant's suspension or its ceilings; the files can't tell. So it is taken,
//! and told: in the log, and in the status until the next reload that changes anything.
//!
//! [`PolicyWatch`] looks for changes on a thread of its own; [`PolicyLoader::reload_now`] is for a
//! person or a signal that says the files are ready. Both take the same lock around reading *and*
//! installing, so an older reading can't overwrite a newer one.

mod guards;
mod watch;

#[cfg(test)]
mod careless;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use self::guards::{Guard, guards_of};
pub use self::watch::{PolicyWatch, WatchSettings};
use super::compile::{Compilation, NotedSecret};
use super::{PolicyDirectory, PolicySnapshot, Problem, ProblemKind, Revision, Severity, lint};
use crate::clock::{SharedClock, Timestamp};
use crate::secret::SecretResolver;

/// The name of the warning about a rule or another bar that is gone. Only a reload finds it: one
/// directory does not know another.
pub const FORBID_GONE: &str = "forbid-gone";

/// Puts a snapshot into service. An error is a reason, told to whoever asked for the reload; the
/// snapshot is dropped then, and the one before stays.
pub type Install = Box<dyn Fn(PolicySnapshot) -> Result<(), String> + Send + Sync>;

/// Is told of every reload that was judged, whoever asked for it: for metrics and the audit log.
pub type Observe = Box<dyn Fn(&ReloadOutcome) + Send + Sync>;

/// What became of a reload.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum ReloadOutcome {
    /// Another policy is in service.
    Changed(Revision),
    /// The files are those that are in service.
    Unchanged(Revision),
    /// The files are bad; what was in service stays.
    Rejected(Vec<Problem>),
}

/// What is in service, and what was wrong with the files that are not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyStatus {
    /// The revision in service.
    pub revision: Revision,
    /// Since when it is.
    pub loaded_at: Timestamp,
    /// Names of its files.
    pub files: Vec<String>,
    /// Why the files in the directory are not in service; `None` when they are.
    pub last_error: Option<RejectedPolicy>,
    /// What is probably not meant in the files that are in service: what lints find.
    pub warnings: Vec<Problem>,
    /// Reloads that changed the policy; the load at start is not one.
    pub reloads_ok: u64,
    /// Reloads that were refused, each distinct content counted once per attempt.
    pub reloads_rejected: u64,
}

/// A refused reload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectedPolicy {
    /// When it was refused.
    pub at: Timestamp,
    /// Everything that is wrong.
    pub problems: Vec<Problem>,
}

/// Loads policies from one directory. Shared between the watch, signals and the admin API.
pub struct PolicyLoader {
    directory: PathBuf,
    secrets: SecretResolver,
    clock: SharedClock,
    install: Install,
    observe: Observe,
    /// The content that was last judged. Held while reading and installing.
    judged: Mutex<Content>,
    /// Apart from the above, so that asking never waits for an installation.
    status: Mutex<PolicyStatus>,
    /// What in service keeps somebody from something.
    guards: Mutex<Vec<Guard>>,
}

impl PolicyLoader {
    /// Loads the directory for the first time.
    ///
    /// # Errors
    /// The directory is bad, or the snapshot can't be installed: without a policy there is no
    /// service.
    pub fn start(
        directory: &Path,
        secrets: SecretResolver,
        clock: SharedClock,
        install: Install,
        observe: Observe,
    ) -> Result<Self, Vec<Problem>> {
        let files = PolicyDirectory::read(directory)?;
        let compilation = Compilation::of(&files, &secrets);
        let snapshot = compilation.outcome?;
        let status = PolicyStatus {
            revision: snapshot.revision.clone(),
            loaded_at: clock.now(),
            files: names(&files),
            last_error: None,
            warnings: lint(&files, &snapshot, clock.now()),
            reloads_ok: 0,
            reloads_rejected: 0,
        };
        let guards = guards_of(&snapshot);
        install(snapshot).map_err(|reason| vec![not_installed(directory, reason)])?;
        note_warnings(&status.warnings);
        let revision = status.revision.as_str();
        let warnings = status.warnings.len();
        tracing::info!(revision, warnings, "policy loaded");
        Ok(Self {
            directory: directory.to_owned(),
            judged: Mutex::new(Content {
                files: Ok(files),
                secrets: compilation.secrets,
            }),
            status: Mutex::new(status),
            guards: Mutex::new(guards),
            secrets,
            clock,
            install,
            observe,
        })
    }

    /// Reads the directory and puts it into service if it is good, however recently it changed.
    pub fn reload_now(&self) -> ReloadOutcome {
        let mut judged = locked(&self.judged);
        let content = self.read(&judged);
        self.judge(&mut judged, content)
    }

    /// What is in service.
    pub fn status(&self) -> PolicyStatus {
        locked(&self.status).clone()
    }

    /// The directory the policies come from.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The digest of the directory if it is not the content that was judged last.
    fn unjudged(&self) -> Option<Digest> {
        let judged = locked(&self.judged);
        let digest = self.read(&judged).digest();
        (digest != judged.digest()).then_some(digest)
    }

    /// Judges the directory if it still has the content of `digest`; `None` if it has moved on.
    fn reload_if(&self, digest: Digest) -> Option<ReloadOutcome> {
        let mut judged = locked(&self.judged);
        let content = self.read(&judged);
        (content.digest() == digest).then(|| self.judge(&mut judged, content))
    }

    fn read(&self, judged: &Content) -> Content {
        let secrets = judged.secrets.iter();
        Content {
            files: PolicyDirectory::read(&self.directory),
            secrets: secrets.map(|secret| secret.again(&self.secrets)).collect(),
        }
    }

    fn judge(&self, judged: &mut Content, mut content: Content) -> ReloadOutcome {
        let compiled = match &content.files {
            Ok(files) => {
                let compilation = Compilation::of(files, &self.secrets);
                content.secrets = compilation.secrets;
                compilation.outcome
            }
            Err(problems) => Err(problems.clone()),
        };
        let outcome = match compiled {
            Ok(snapshot) => self.put_into_service(snapshot, &content),
            Err(problems) => ReloadOutcome::Rejected(problems),
        };
        *judged = content;
        if let ReloadOutcome::Rejected(problems) = &outcome {
            self.note_rejection(problems);
        }
        (self.observe)(&outcome);
        outcome
    }

    fn put_into_service(&self, snapshot: PolicySnapshot, content: &Content) -> ReloadOutcome {
        let revision = snapshot.revision.clone();
        let files = content.files.as_ref();
        let warnings = files.map(|files| lint(files, &snapshot, self.clock.now()));
        let mut warnings = warnings.unwrap_or_default();
        let guards = guards_of(&snapshot);
        let gone = self.gone(&snapshot);
        if locked(&self.status).revision == revision {
            let mut status = locked(&self.status);
            status.last_error = None;
            // Whoever asks for a reload that the watch made already is told of what that one lost.
            let told = status.warnings.iter();
            warnings.extend(told.filter(|it| it.lint == Some(FORBID_GONE)).cloned());
            status.warnings = warnings;
            return ReloadOutcome::Unchanged(revision);
        }
        if let Err(reason) = (self.install)(snapshot) {
            return ReloadOutcome::Rejected(vec![not_installed(&self.directory, reason)]);
        }
        warnings.extend(gone);
        *locked(&self.guards) = guards;
        note_warnings(&warnings);
        let count = warnings.len();
        tracing::info!(
            revision = revision.as_str(),
            warnings = count,
            "policy changed"
        );
        let mut status = locked(&self.status);
        status.revision = revision.clone();
        status.loaded_at = self.clock.now();
        status.files = content.files.as_ref().map(names).unwrap_or_default();
        status.last_error = None;
        status.warnings = warnings;
        status.reloads_ok += 1;
        ReloadOutcome::Changed(revision)
    }

    /// What kept somebody from something until now, and does no longer under `snapshot`.
    fn gone(&self, snapshot: &PolicySnapshot) -> Vec<Problem> {
        let before = locked(&self.guards);
        let gone = before.iter().filter(|guard| !guard.holds_in(snapshot));
        gone.map(|guard| Problem {
            severity: Severity::Warning,
            lint: Some(FORBID_GONE),
            ..Problem::of_file(
                self.directory.display().to_string(),
                ProblemKind::Suspicious,
                guard.lost(),
            )
        })
        .collect()
    }

    fn note_rejection(&self, problems: &[Problem]) {
        for problem in problems {
            tracing::error!(%problem, "policy refused, the one in service stays");
        }
        let mut status = locked(&self.status);
        status.reloads_rejected += 1;
        status.last_error = Some(RejectedPolicy {
            at: self.clock.now(),
            problems: problems.to_vec(),
        });
    }
}

impl std::fmt::Debug for PolicyLoader {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("PolicyLoader")
            .field("directory", &self.directory)
            .finish_non_exhaustive()
    }
}

/// A BLAKE3 digest of everything a policy depends on.
type Digest = [u8; 32];

/// What a look at the directory found: the files, and the secrets that the files judged last
/// refer to.
struct Content {
    files: Result<PolicyDirectory, Vec<Problem>>,
    secrets: Vec<NotedSecret>,
}

impl Content {
    fn digest(&self) -> Digest {
        let mut hasher = blake3::Hasher::new();
        match &self.files {
            Ok(files) => {
                hasher.update(b"files");
                hasher.update(&files.digest());
            }
            Err(problems) => {
                hasher.update(b"problems");
                for problem in problems {
                    hasher.update(problem.to_string().as_bytes());
                }
            }
        }
        for secret in &self.secrets {
            hasher.update(&secret.digest);
        }
        *hasher.finalize().as_bytes()
    }
}

fn note_warnings(warnings: &[Problem]) {
    for warning in warnings {
        tracing::warn!(%warning, "policy taken, and probably not what was meant");
    }
}

fn names(files: &PolicyDirectory) -> Vec<String> {
    files.files().iter().map(|file| file.name.clone()).collect()
}

fn not_installed(directory: &Path, reason: String) -> Problem {
    let directory = directory.display().to_string();
    Problem::of_file(directory, ProblemKind::NotInstalled, reason)
}

/// A panic while a lock was held leaves whole values behind: each is assigned in one step.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
