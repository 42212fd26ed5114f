//! The policy files as they are on disk, read once and judged from memory.
//!
//! A symlink swap or an editor's save can change a directory between two looks at it. So a
//! directory becomes one value first, and digest, compilation and error messages all speak about
//! that value.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml::de::DeTable;

use super::POLICY_FILE;
use super::problem::{Problem, ProblemKind, SourceText};

/// Largest policy file in bytes.
pub const MAX_FILE_BYTES: u64 = 4 * 1024 * 1024;

/// Most policy files in a directory.
pub const MAX_FILES: usize = 1_000;

/// Folders beside the policies that hold what is built in: the profiles and the prices.
const OTHER_FOLDERS: [&str; 2] = ["profiles", "prices"];

/// The content of a policy directory at one moment: at least one file, all of them whole.
#[derive(Clone, Debug)]
pub struct PolicyDirectory {
    path: PathBuf,
    files: Vec<PolicyFile>,
    unread: Vec<Unread>,
}

/// Something in the directory that looks like policies and is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unread {
    /// Its name inside the directory.
    pub(super) name: String,
    /// Why it is not read.
    pub(super) reason: &'static str,
}

/// One policy file.
#[derive(Clone, Debug)]
pub struct PolicyFile {
    /// File name inside the directory.
    pub name: String,
    pub(super) source: Arc<SourceText>,
}

impl PolicyDirectory {
    /// Reads every `*.toml` of the directory, in order of name. Symlinks are followed. Names with
    /// a leading dot (`..data` of a mounted ConfigMap, an editor's swap file) and `*.cases.toml`
    /// (tests of policies) are no policies.
    ///
    /// # Errors
    /// The directory or a file can't be read, or there is no policy file; a file is no regular
    /// file, larger than [`MAX_FILE_BYTES`], not UTF-8, empty, or does not end with a newline: a file
    /// that is cut short at a table boundary is valid TOML with rules missing, and one of no bytes
    /// is what a full disk or `command > file` leaves of rules that forbade something.
    pub fn read(path: &Path) -> Result<Self, Vec<Problem>> {
        let (names, unread) = policy_names(path)?;
        let mut files = Vec::with_capacity(names.len());
        let mut problems = Vec::new();
        for name in names {
            match read_file(&path.join(&name)) {
                Ok(text) => files.push(PolicyFile::new(path, name, text)),
                Err(message) => problems.push(Problem::of_file(
                    path.join(&name).display().to_string(),
                    ProblemKind::Unreadable,
                    message,
                )),
            }
        }
        let directory = Self {
            unread,
            ..Self::of(path, files)
        };
        problems.extend(directory.files.iter().filter_map(PolicyFile::not_whole));
        if problems.is_empty() {
            Ok(directory)
        } else {
            problems.sort_by(|left, right| left.file.cmp(&right.file));
            Err(problems)
        }
    }

    /// A directory that exists in memory only: `(file name, content)`.
    ///
    /// # Errors
    /// There is no file, or one does not end with a newline.
    pub fn from_texts<N: Into<String>, T: Into<String>>(
        path: &Path,
        texts: impl IntoIterator<Item = (N, T)>,
    ) -> Result<Self, Vec<Problem>> {
        let files = texts
            .into_iter()
            .map(|(name, text)| PolicyFile::new(path, name.into(), text.into()))
            .collect::<Vec<_>>();
        if files.is_empty() {
            return Err(vec![no_policies(path)]);
        }
        let directory = Self::of(path, files);
        let problems: Vec<_> = directory
            .files
            .iter()
            .filter_map(PolicyFile::cut_short)
            .collect();
        if problems.is_empty() {
            Ok(directory)
        } else {
            Err(problems)
        }
    }

    fn of(path: &Path, mut files: Vec<PolicyFile>) -> Self {
        files.sort_by(|left, right| left.name.cmp(&right.name));
        Self {
            path: path.to_owned(),
            files,
            unread: Vec::new(),
        }
    }

    /// Where the directory is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The files, by name.
    pub fn files(&self) -> &[PolicyFile] {
        &self.files
    }

    /// What else is there and looks like policies.
    pub(super) fn unread(&self) -> &[Unread] {
        &self.unread
    }

    /// BLAKE3 over names and contents, each with its length before it: moving a line from the end
    /// of one file to the start of the next is another digest.
    pub fn digest(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        for file in &self.files {
            for part in [&file.name, &file.source.text] {
                hasher.update(&(part.len() as u64).to_le_bytes());
                hasher.update(part.as_bytes());
            }
        }
        *hasher.finalize().as_bytes()
    }
}

impl PolicyFile {
    fn new(directory: &Path, name: String, text: String) -> Self {
        let path = directory.join(&name).display().to_string();
        Self {
            name,
            source: Arc::new(SourceText { path, text }),
        }
    }

    /// What is wrong with a file on disk that is not whole.
    fn not_whole(&self) -> Option<Problem> {
        let text = self.source.text.trim_start_matches('\u{feff}');
        if text.trim().is_empty() {
            return Some(self.unreadable(
                "the file is empty, so it is taken for one that was lost in writing: delete it if \
                 nothing is meant to be in it",
            ));
        }
        self.cut_short()
    }

    fn cut_short(&self) -> Option<Problem> {
        let short = !self.source.text.ends_with('\n');
        short.then(|| {
            self.unreadable("the file does not end with a newline, so it is taken for half-written")
        })
    }

    fn unreadable(&self, message: &str) -> Problem {
        let path = self.source.path.clone();
        Problem::of_file(path, ProblemKind::Unreadable, message)
    }
}

fn policy_names(path: &Path) -> Result<(Vec<String>, Vec<Unread>), Vec<Problem>> {
    let refused = |path: &Path, message: String| {
        let path = path.display().to_string();
        vec![Problem::of_file(path, ProblemKind::Unreadable, message)]
    };
    let unreadable =
        |error: io::Error| refused(path, format!("the policy directory can't be read: {error}"));
    let mut names = Vec::new();
    let mut unread = Vec::new();
    for entry in fs::read_dir(path).map_err(unreadable)? {
        let name = entry.map_err(unreadable)?.file_name();
        let Some(name) = name.to_str() else {
            if name.as_encoded_bytes().ends_with(b".toml") {
                let message = "the name of a policy file has to be UTF-8".to_owned();
                return Err(refused(&path.join(&name), message));
            }
            continue;
        };
        if name.ends_with(".toml") && !name.ends_with(".cases.toml") && !name.starts_with('.') {
            names.push(name.to_owned());
        } else if let Some(reason) = why_unread(path, name) {
            let name = name.to_owned();
            unread.push(Unread { name, reason });
        }
    }
    if names.is_empty() {
        return Err(vec![no_policies(path)]);
    }
    if names.len() > MAX_FILES {
        let message = format!("the directory holds more than {MAX_FILES} policy files");
        return Err(refused(path, message));
    }
    names.sort();
    Ok((names, unread))
}

/// Why something is not read that somebody may take for policies; `None` where nobody would.
fn why_unread(directory: &Path, name: &str) -> Option<&'static str> {
    let lower = name.to_ascii_lowercase();
    if name.starts_with('.') {
        None
    } else if name.ends_with(".cases.toml") {
        says_more_than_cases(&directory.join(name)).then_some(
            "the policies in it are not read: a file whose name ends in `.cases.toml` is for tests",
        )
    } else if lower.ends_with(".toml") {
        Some("this is not read: the name of a policy file ends in `.toml`, in small letters")
    } else if lower.ends_with(".tml") || lower.ends_with(".toml.txt") {
        Some("this is not read: the name of a policy file ends in `.toml`")
    } else if !OTHER_FOLDERS.contains(&name) && holds_policies(&directory.join(name)) {
        Some("the policies in it are not read: only files directly in the policy directory are")
    } else {
        None
    }
}

/// Whether a file of cases has a section of policies: a rule in it forbids nothing. What can't be read
/// is for whoever runs the cases.
fn says_more_than_cases(path: &Path) -> bool {
    let Ok(text) = read_file(path) else {
        return false;
    };
    let (table, _errors) = DeTable::parse_recoverable(&text);
    table.get_ref().keys().any(|key| {
        let name: &str = key.get_ref();
        POLICY_FILE.root.keys.iter().any(|known| known.name == name)
    })
}

fn holds_policies(path: &Path) -> bool {
    let is_policy = |entry: io::Result<fs::DirEntry>| {
        entry.is_ok_and(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            name.ends_with(".toml") && !name.ends_with(".cases.toml") && !name.starts_with('.')
        })
    };
    // What is no directory, or can't be read, holds none.
    fs::read_dir(path).is_ok_and(|mut entries| entries.any(is_policy))
}

fn no_policies(path: &Path) -> Problem {
    Problem::of_file(
        path.display().to_string(),
        ProblemKind::Unreadable,
        "the directory holds no policy file (`*.toml`)",
    )
}

fn read_file(path: &Path) -> Result<String, String> {
    // Asked before opening: opening a named pipe would wait for somebody to write to it.
    let metadata =
        fs::metadata(path).map_err(|error| format!("the file can't be read: {error}"))?;
    if !metadata.is_file() {
        return Err("this is not a regular file".to_owned());
    }
    let too_large = || format!("the file is larger than {} MiB", MAX_FILE_BYTES >> 20);
    if metadata.len() > MAX_FILE_BYTES {
        return Err(too_large());
    }
    let mut content = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_end(&mut content))
        .map_err(|error| format!("the file can't be read: {error}"))?;
    if content.len() as u64 > MAX_FILE_BYTES {
        return Err(too_large());
    }
    String::from_utf8(content).map_err(|error| {
        format!(
            "the file is not UTF-8 (first at byte {})",
            error.utf8_error().valid_up_to()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(path: &Path) -> String {
        let problems = PolicyDirectory::read(path).expect_err("refused");
        let lines: Vec<_> = problems.iter().map(|problem| &*problem.message).collect();
        lines.join("\n")
    }

    #[test]
    fn only_visible_policy_files_are_read_in_order_of_name() {
        let directory = tempfile::tempdir().unwrap();
        for name in [
            "b.toml",
            "a.toml",
            ".a.toml",
            "a.cases.toml",
            "a.toml~",
            "README.md",
        ] {
            fs::write(directory.path().join(name), "# whole\n").unwrap();
        }
        std::os::unix::fs::symlink("a.toml", directory.path().join("c.toml")).unwrap();
        let read = PolicyDirectory::read(directory.path()).unwrap();
        let names: Vec<_> = read.files().iter().map(|file| &*file.name).collect();
        assert_eq!(names, ["a.toml", "b.toml", "c.toml"]);
    }

    #[test]
    fn policies_under_the_name_of_cases_are_told() {
        let directory = tempfile::tempdir().unwrap();
        for (name, content) in [
            ("a.toml", "# whole\n"),
            ("good.cases.toml", "[[cases]]\nname = \"[[rules]]\"\n"),
            ("torn.cases.toml", "[[cases]\n"),
            ("40-rules.cases.toml", "[[rules]]\neffect = \"forbid\"\n"),
        ] {
            fs::write(directory.path().join(name), content).unwrap();
        }
        let read = PolicyDirectory::read(directory.path()).unwrap();
        let told: Vec<_> = read.unread().iter().map(|it| &*it.name).collect();
        assert_eq!(told, ["40-rules.cases.toml"]);
    }

    #[test]
    fn a_directory_without_policies_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        assert!(messages(directory.path()).contains("holds no policy file"));
        assert!(messages(&directory.path().join("gone")).contains("can't be read"));
    }

    #[test]
    fn a_file_that_is_not_whole_text_is_refused() {
        for (content, expected) in [
            (b"[tenancy]".to_vec(), "half-written"),
            (Vec::new(), "the file is empty"),
            (b" \n\r\n".to_vec(), "the file is empty"),
            (b"\xef\xbb\xbf\n".to_vec(), "the file is empty"),
            (b"# \xff\n".to_vec(), "not UTF-8 (first at byte 2)"),
            (vec![b'\n'; (4 << 20) + 1], "larger than 4 MiB"),
        ] {
            let directory = tempfile::tempdir().unwrap();
            fs::write(directory.path().join("good.toml"), "# whole\n").unwrap();
            fs::write(directory.path().join("bad.toml"), content).unwrap();
            assert!(messages(directory.path()).contains(expected));
        }
    }

    #[test]
    fn a_directory_a_dangling_link_or_a_pipe_is_no_policy_file() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("a.toml")).unwrap();
        std::os::unix::fs::symlink("gone", directory.path().join("b.toml")).unwrap();
        let pipe = directory.path().join("c.toml");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRUSR).unwrap();
        let problems = PolicyDirectory::read(directory.path()).unwrap_err();
        assert_eq!(problems.len(), 3, "all of them at once: {problems:?}");
    }

    #[test]
    fn the_digest_sees_where_one_file_ends() {
        let digest = |texts: [(&str, &str); 2]| {
            PolicyDirectory::from_texts(Path::new("p"), texts)
                .unwrap()
                .digest()
        };
        assert_eq!(
            digest([("a.toml", "x\n"), ("b.toml", "y\nz\n")]),
            digest([("b.toml", "y\nz\n"), ("a.toml", "x\n")]),
        );
        assert_ne!(
            digest([("a.toml", "x\n"), ("b.toml", "y\nz\n")]),
            digest([("a.toml", "x\ny\n"), ("b.toml", "z\n")]),
        );
    }
}
