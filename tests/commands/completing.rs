//! Completions, in the shell they are for.

use std::process::Command;

use crate::folder::{Folder, printed, text};

/// What bash offers for a line whose last word is begun.
fn offered(folder: &Folder, program: &str, line: &[&str]) -> Vec<String> {
    let script = r#"
        source ./completions
        COMP_WORDS=("$@")
        COMP_CWORD=$(($# - 1))
        COMP_LINE="$*"
        COMP_POINT=${#COMP_LINE}
        spec=$(complete -p "$1")
        function=${spec#*-F }
        function=${function%% *}
        "$function" "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
        [ ${#COMPREPLY[@]} = 0 ] || printf '%s\n' "${COMPREPLY[@]}"
    "#;
    let completed = Command::new("bash")
        .args(["--norc", "-c", script, "bash", program])
        .args(line)
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(completed.status.success(), "{}", text(&completed.stderr));
    let lines = text(&completed.stdout);
    lines.lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_options_and_values() {
    let folder = Folder::empty();
    folder.write(
        "completions",
        &printed(&folder.gate(&["completions", "bash"])),
    );
    let gate = |line: &[&str]| offered(&folder, "fabric-gate", line);
    assert_eq!(gate(&["che"]), ["check"]);
    assert_eq!(gate(&["audit", "ver"]), ["verify"]);
    assert_eq!(gate(&["audit", "export", "--format", "o"]), ["ocsf"]);
    assert!(gate(&["audit", "tail", "--"]).contains(&"--no-follow".to_owned()));
    assert_eq!(gate(&["no-such-thing-"]), Vec::<String>::new());

    folder.write(
        "completions",
        &printed(&folder.memory(&["completions", "bash"])),
    );
    assert_eq!(offered(&folder, "fabric-memory", &["mig"]), ["migrate"]);
}

#[test]
fn every_shell_gets_a_script_that_knows_the_commands() {
    let folder = Folder::empty();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        for script in [
            printed(&folder.gate(&["completions", shell])),
            printed(&folder.memory(&["completions", shell])),
        ] {
            assert!(
                script.contains("serve") && script.contains("completions"),
                "{shell}"
            );
        }
    }
}
