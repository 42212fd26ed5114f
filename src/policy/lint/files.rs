//! Files that say nothing, and files that nobody reads.

use super::{Findings, Lint, Subject};

pub(super) static FILE_SAYS_NOTHING: Lint = Lint {
    name: "file-says-nothing",
    what: "a policy file of comments only",
    why: "whatever it said before no longer holds: a rule that forbade something forbids nothing",
    remedy: "delete the file if that is meant; otherwise bring its sections back",
    look: says_nothing,
};

pub(super) static FILE_NOT_READ: Lint = Lint {
    name: "file-not-read",
    what: "something in the policy directory that looks like policies and is not read",
    why: "only files directly in the directory whose names end in `.toml` are policies: rules elsewhere \
          forbid nothing",
    remedy: "move the file into the directory, under a name that ends in `.toml`",
    look: not_read,
};

fn says_nothing(subject: &Subject<'_>, findings: &mut Findings) {
    for (place, speaks) in subject.places.files() {
        if !speaks {
            findings.add_at(
                &place,
                "the file has no section, so that it says nothing",
                None,
            );
        }
    }
}

fn not_read(subject: &Subject<'_>, findings: &mut Findings) {
    for unread in subject.directory.unread() {
        let path = subject.directory.path().join(&unread.name);
        findings.add_file(path.display().to_string(), unread.reason);
    }
}
