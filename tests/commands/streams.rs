//! Standard output that ends early, is full, or is no terminal.

use std::fs::OpenOptions;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};

use crate::folder::{Folder, complaint, pid, text};

/// Runs a line in bash, which tells how each part of a pipe ended.
fn piped(folder: &Folder, line: &str) -> (String, String) {
    let script = format!("{line}; echo \"${{PIPESTATUS[0]}}\"");
    let gate = env!("CARGO_BIN_EXE_fabric-gate");
    let output = Command::new("bash")
        .args(["--norc", "-c", &script])
        .env("GATE", gate)
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    (text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_reader_that_leaves_ends_a_command_quietly() {
    let folder = Folder::initial(&[]);
    folder.serve().stop();
    for line in [
        // One that takes nothing at all, and one that takes a line.
        "\"$GATE\" prices list | (exec <&-; wait)",
        "\"$GATE\" prices list --json | head -c 1 >/dev/null",
        "\"$GATE\" audit export | head -n 0",
        "\"$GATE\" completions bash | head -n 1 >/dev/null",
        "\"$GATE\" man | head -n 1 >/dev/null",
        "\"$GATE\" --help | head -n 0",
    ] {
        let (status, trouble) = piped(&folder, line);
        assert_eq!(status.trim(), "0", "{line}: {trouble}");
        assert_eq!(trouble, "", "{line}");
    }
}

#[test]
fn a_disk_that_is_full_is_told_and_is_no_success() {
    let folder = Folder::initial(&[]);
    let full = || OpenOptions::new().write(true).open("/dev/full").unwrap();
    for arguments in [
        &["prices", "list"][..],
        &["profile", "show", "a2a"],
        &["man"],
    ] {
        let output = folder.gate_command(arguments).stdout(full()).output();
        let told = complaint(&output.unwrap(), 2);
        assert!(told.contains("No space left"), "{told}");
    }
}

#[test]
fn colours_and_bars_are_for_terminals_unless_they_are_asked_for() {
    let folder = Folder::initial(&[]);
    folder.serve().stop();
    let escapes = |forced: Option<&str>| {
        let mut command = folder.gate_command(&["audit", "verify"]);
        command.env("TERM", "xterm-256color");
        if let Some(forced) = forced {
            command.env(forced, "1");
        }
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        assert_eq!(text(&output.stderr), "", "no bar");
        text(&output.stdout).contains('\u{1b}')
    };
    assert!(!escapes(None));
    assert!(!escapes(Some("NO_COLOR")));
    assert!(escapes(Some("CLICOLOR_FORCE")));
}

#[test]
fn ctrl_c_ends_a_tail_as_the_signal_it_is() {
    let folder = Folder::initial(&[]);
    folder.serve().stop();
    let mut tail = folder
        .gate_command(&["audit", "tail"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // It follows once it has printed what there is.
    let mut first = [0];
    std::io::Read::read_exact(tail.stdout.as_mut().unwrap(), &mut first).unwrap();
    kill(pid(&tail), Signal::SIGINT).unwrap();
    let ended = tail.wait().unwrap();
    assert_eq!(
        ended.signal(),
        Some(Signal::SIGINT as i32),
        "130 in a shell"
    );
}
