//! A folder that commands work in.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

/// Longest wait for a gate to be ready, on a machine that builds at the same time.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often another port is tried, where a process took the one that was free.
const ATTEMPTS: usize = 5;

pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn empty() -> Self {
        Self(TempDir::new().unwrap())
    }

    /// A gate's folder, as `fabric-gate init` makes it.
    pub(crate) fn initial(arguments: &[&str]) -> Self {
        let folder = Self::empty();
        let made = folder.gate(&[&["init"], arguments].concat());
        assert!(made.status.success(), "{}", text(&made.stderr));
        folder
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn read(&self, file: &str) -> String {
        fs::read_to_string(self.path().join(file)).unwrap()
    }

    pub(crate) fn write(&self, file: &str, text: &str) {
        fs::write(self.path().join(file), text).unwrap();
    }

    pub(crate) fn gate_command(&self, arguments: &[&str]) -> Command {
        self.command(env!("CARGO_BIN_EXE_fabric-gate"), arguments)
    }

    pub(crate) fn memory_command(&self, arguments: &[&str]) -> Command {
        self.command(env!("CARGO_BIN_EXE_fabric-memory"), arguments)
    }

    pub(crate) fn gate(&self, arguments: &[&str]) -> Output {
        self.gate_command(arguments).output().unwrap()
    }

    pub(crate) fn memory(&self, arguments: &[&str]) -> Output {
        self.memory_command(arguments).output().unwrap()
    }

    /// The command as somebody at a terminal gives it, who types this; how it ended, and all that
    /// was to be seen.
    pub(crate) fn memory_on_a_terminal(
        &self,
        arguments: &[&str],
        typed: &str,
    ) -> (ExitStatus, String) {
        let line = [&[env!("CARGO_BIN_EXE_fabric-memory")], arguments].concat();
        // Of no argument of these tests does a shell make anything else.
        let line = line.join(" ");
        let mut command = self.command("script", &["-qec", &line, "/dev/null"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut keyboard = child.stdin.take().unwrap();
        keyboard.write_all(typed.as_bytes()).unwrap();
        let seen = child.wait_with_output().unwrap();
        drop(keyboard);
        (seen.status, text(&seen.stdout))
    }

    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(self.path())
            .stdin(Stdio::null())
            .env("USER", "tester")
            .env_remove("FABRIC_GATE_CONFIG")
            .env_remove("FABRIC_MEMORY_CONFIG")
            .env_remove("NO_COLOR")
            .env_remove("CLICOLOR_FORCE")
            .env_remove("RUST_LOG");
        command
    }

    /// Starts the gate on a unix socket and an admin port that is free, and waits until it is ready.
    pub(crate) fn serve(&self) -> Serving {
        let config = self.read("config/gate.toml");
        for _ in 0..ATTEMPTS {
            let port = free_port();
            let served = config
                .replace("127.0.0.1:8080", "unix:gate.sock")
                .replace("127.0.0.1:9901", &format!("127.0.0.1:{port}"));
            self.write("config/serving.toml", &served);
            let log = fs::File::create(self.path().join("serve.log")).unwrap();
            let mut child = self
                .gate_command(&["serve", "--config", "config/serving.toml"])
                .stderr(log)
                .spawn()
                .unwrap();
            let begun = Instant::now();
            while child.try_wait().unwrap().is_none() {
                if answers_200(port, "/livez") {
                    return Serving(child);
                }
                assert!(begun.elapsed() < PATIENCE, "{}", self.read("serve.log"));
                std::thread::sleep(Duration::from_millis(10));
            }
            assert!(
                self.read("serve.log").contains("in use"),
                "{}",
                self.read("serve.log")
            );
        }
        panic!("no port stays free");
    }
}

/// A gate that serves until it is stopped.
pub(crate) struct Serving(Child);

impl Serving {
    pub(crate) fn stop(mut self) {
        kill(pid(&self.0), Signal::SIGINT).unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        if let Ok(None) = self.0.try_wait() {
            let _gone = self.0.kill();
            let _gone = self.0.wait();
        }
    }
}

pub(crate) fn pid(child: &Child) -> Pid {
    Pid::from_raw(child.id().try_into().unwrap())
}

pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn answers_200(port: u16, target: &str) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else {
        return false;
    };
    let request = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let mut answer = Vec::new();
    let asked = stream.write_all(request.as_bytes());
    asked.is_ok() && stream.read_to_end(&mut answer).is_ok() && answer.starts_with(b"HTTP/1.1 200")
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What a command that succeeded printed.
pub(crate) fn printed(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    text(&output.stdout)
}

/// What a command that ended with this code complained of.
pub(crate) fn complaint(output: &Output, code: i32) -> String {
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    text(&output.stderr)
}
