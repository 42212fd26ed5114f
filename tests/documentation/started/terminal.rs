//! The terminals of somebody who follows a page: one that keeps its variables and its folder from
//! block to block, and others in which something goes on.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tempfile::TempDir;

/// Longest wait for a block to end. Nothing that passes waits for it.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a block came to.
#[derive(Debug)]
pub struct Outcome {
    /// The exit status of its last command.
    pub status: i32,
    /// What it wrote to standard output.
    pub printed: String,
    /// What it wrote to standard error.
    pub complained: String,
}

/// The terminals. Dropping them ends whatever runs in them.
pub struct Terminals {
    home: TempDir,
    notes: TempDir,
    first: Child,
    input: Option<ChildStdin>,
    answers: Receiver<String>,
    folder: PathBuf,
    others: Vec<Child>,
    blocks: usize,
}

impl Terminals {
    /// Opens the first one, in an empty folder.
    pub fn open() -> Self {
        let home = tempfile::tempdir().unwrap();
        let notes = tempfile::tempdir().unwrap();
        let mut first = bash(home.path(), home.path())
            .args(["--noprofile", "--norc"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("the pages are for bash");
        let input = first.stdin.take();
        let output = BufReader::new(first.stdout.take().unwrap());
        let (sender, answers) = channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self {
            folder: home.path().to_owned(),
            home,
            notes,
            first,
            input,
            answers,
            others: Vec::new(),
            blocks: 0,
        }
    }

    /// The folder in which the first one was opened.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Runs a block in the first terminal, to its end. Where it is `strict` the first command that
    /// fails ends the block, and the terminal with it.
    ///
    /// # Panics
    /// It does not end.
    pub fn run(&mut self, text: &str, strict: bool) -> Outcome {
        let note = |suffix: &str| self.notes.path().join(format!("{}.{suffix}", self.blocks));
        let (script, out, err) = (note("sh"), note("out"), note("err"));
        self.blocks += 1;
        fs::write(&script, text).unwrap();
        let line = format!(
            "set {}e; . '{}' </dev/null >'{}' 2>'{}'; echo \"$? $PWD\"\n",
            if strict { '-' } else { '+' },
            script.display(),
            out.display(),
            err.display()
        );
        let input = self.input.as_mut().unwrap();
        let sent = input.write_all(line.as_bytes());
        assert!(sent.is_ok(), "the terminal is gone");
        let answer = self.answers.recv_timeout(PATIENCE);
        let printed = fs::read_to_string(&out).unwrap_or_default();
        let complained = fs::read_to_string(&err).unwrap_or_default();
        let status = match answer {
            Ok(answer) => {
                let (status, folder) = answer.split_once(' ').unwrap();
                self.folder = folder.into();
                status.parse().unwrap()
            }
            Err(RecvTimeoutError::Disconnected) => self.first.wait().unwrap().code().unwrap_or(-1),
            Err(RecvTimeoutError::Timeout) => {
                panic!("no end within {PATIENCE:?}:\n{text}\n{printed}{complained}")
            }
        };
        Outcome {
            status,
            printed,
            complained,
        }
    }

    /// Begins a block in another terminal, in the folder the first one is in.
    pub fn begin(&mut self, text: &str) {
        let log = File::create(self.log(self.others.len())).unwrap();
        // A shell that has nothing left to do would become its last command, and nobody would notice
        // the end of that.
        let text = format!("{text}\nexit $?\n");
        let child = bash(self.home.path(), &self.folder)
            .args(["--noprofile", "--norc", "-c", &text])
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .process_group(0)
            .spawn()
            .unwrap();
        self.others.push(child);
    }

    /// What was written in the other terminals.
    pub fn logs(&self) -> String {
        let read = |index| fs::read_to_string(self.log(index)).unwrap_or_default();
        (0..self.others.len()).map(read).collect()
    }

    fn log(&self, index: usize) -> PathBuf {
        self.notes.path().join(format!("terminal-{index}.log"))
    }
}

/// A shell with our programs before all others, and nothing of the environment that they would read.
fn bash(home: &Path, folder: &Path) -> Command {
    let ours = Path::new(env!("CARGO_BIN_EXE_fabric-gate"))
        .parent()
        .unwrap();
    let others = std::env::var("PATH").unwrap();
    let mut command = Command::new("bash");
    command
        .current_dir(folder)
        .env("PATH", format!("{}:{others}", ours.display()))
        .env("HOME", home)
        .env("LC_ALL", "C.UTF-8")
        .env("USER", "somebody")
        .env("NO_COLOR", "1")
        .env_remove("FABRIC_GATE_CONFIG")
        .env_remove("FABRIC_MEMORY_CONFIG")
        .env_remove("FABRIC_HARNESS_TENANT_REQUIRED")
        .env_remove("RUST_LOG");
    command
}

impl Drop for Terminals {
    fn drop(&mut self) {
        drop(self.input.take());
        for other in &mut self.others {
            // The shell and what it started, which are a group of their own.
            if let Ok(group) = i32::try_from(other.id()) {
                let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
            }
            let _ = other.wait();
        }
        let _ = self.first.kill();
        let _ = self.first.wait();
    }
}
