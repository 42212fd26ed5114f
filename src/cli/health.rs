//! `fabric-gate health`, `fabric-memory health`: asks a running process how it is.
//!
//! It is for images without a shell, and for probes that reach no port from outside: the operators'
//! listener then stays on loopback. No client library is needed for one request to this machine.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::{Map, Value, json};

use super::{CommandError, ConfigArgument, say};

/// Largest answer that is read, in bytes.
const LARGEST: u64 = 1024 * 1024;

/// Exit code 0 when the gate is ready, 1 when it is not or nobody answers.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  # Ready? What fails is named
  fabric-gate health --config config/gate.toml

  # For a liveness probe: no file is read, and what others are down with does not count
  fabric-gate health --live --address 127.0.0.1:9901

  # Every check, for a program
  fabric-gate health --json")]
pub(super) struct HealthArguments {
    #[command(flatten)]
    config: ConfigArgument,
    #[command(flatten)]
    question: Question,
}

pub(super) fn run(arguments: &HealthArguments) -> Result<(), CommandError> {
    let address = match arguments.question.address {
        Some(address) => address,
        None => arguments.config.load()?.admin.address,
    };
    arguments.question.ask(address)
}

/// What is asked, and for how long.
#[derive(Args, Debug)]
pub(super) struct Question {
    /// Ask here rather than where the configuration says. Then no file is read: a probe goes on
    /// working while somebody changes the configuration.
    #[arg(long, value_name = "IP:PORT")]
    pub(super) address: Option<SocketAddr>,
    /// Ask whether the process answers at all, not whether it can serve.
    #[arg(long)]
    live: bool,
    /// Longest wait for the answer.
    #[arg(long, value_name = "SECONDS", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=60))]
    timeout: u64,
    /// Print a JSON document.
    #[arg(long)]
    json: bool,
}

impl Question {
    /// Asks the listener of operators at this address.
    pub(super) fn ask(&self, address: SocketAddr) -> Result<(), CommandError> {
        let address = reachable(address);
        let page = if self.live { "/livez" } else { "/readyz" };
        let answered = fetch(address, page, Duration::from_secs(self.timeout));
        let (status, body) = match answered {
            Ok(answer) => answer,
            Err(error) => {
                let text = format!("no answer from http://{address}{page}: {error}");
                return self.conclude(Err(text), Value::Null);
            }
        };
        let document = serde_json::from_slice(&body).unwrap_or(Value::Null);
        if status == 200 {
            return self.conclude(Ok(()), document);
        }
        let failing = failing(&document);
        let text = if failing.is_empty() {
            format!("http://{address}{page} answers {status}")
        } else {
            format!("not ready: {}", failing.join(", "))
        };
        self.conclude(Err(text), document)
    }

    fn conclude(&self, found: Result<(), String>, document: Value) -> Result<(), CommandError> {
        let word = if self.live { "live" } else { "ready" };
        if self.json {
            let mut told = Map::from_iter([(word.to_owned(), json!(found.is_ok()))]);
            if let Err(problem) = &found {
                told.insert("problem".to_owned(), json!(problem));
            }
            if let Some(checks) = document.get("checks") {
                told.insert("checks".to_owned(), checks.clone());
            }
            say(&Value::Object(told).to_string());
            return found.map_err(|_told| CommandError::Bad(String::new()));
        }
        found.map_err(CommandError::Bad)?;
        say(word);
        Ok(())
    }
}

/// A listener on every address is asked on loopback.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    SocketAddr::new(ip, address.port())
}

/// The names of the checks that failed.
fn failing(document: &Value) -> Vec<String> {
    let checks = document.get("checks").and_then(Value::as_object);
    checks
        .into_iter()
        .flatten()
        .filter(|(_name, check)| check.get("ok") == Some(&Value::Bool(false)))
        .map(|(name, _check)| name.clone())
        .collect()
}

/// Status and body of a page. All of it has to come within `patience`.
fn fetch(address: SocketAddr, page: &str, patience: Duration) -> io::Result<(u16, Vec<u8>)> {
    let begun = Instant::now();
    let mut stream = TcpStream::connect_timeout(&address, patience)?;
    stream.set_write_timeout(Some(patience))?;
    // HTTP/1.0: the answer comes in one piece and ends with the connection.
    let request =
        format!("GET {page} HTTP/1.0\r\nHost: {address}\r\nAccept: application/json\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    let mut chunk = [0_u8; 4096];
    loop {
        let left = patience.saturating_sub(begun.elapsed());
        if left.is_zero() || answer.len() as u64 > LARGEST {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        let read = stream.read(&mut chunk)?;
        if read == 0 {
            break;
        }
        answer.extend(chunk.iter().take(read));
    }
    parse(&answer).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "it is not HTTP"))
}

fn parse(answer: &[u8]) -> Option<(u16, Vec<u8>)> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let (head, body) = answer.split_at_checked(end)?;
    let line = std::str::from_utf8(head).ok()?.lines().next()?;
    let status = line.strip_prefix("HTTP/1.")?.split(' ').nth(1)?;
    Some((status.parse().ok()?, body.get(4..)?.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_on_every_address_is_asked_on_loopback() {
        for (configured, asked) in [
            ("0.0.0.0:9901", "127.0.0.1:9901"),
            ("[::]:9901", "[::1]:9901"),
            ("10.1.2.3:9901", "10.1.2.3:9901"),
        ] {
            let asked: SocketAddr = asked.parse().unwrap();
            assert_eq!(reachable(configured.parse().unwrap()), asked);
        }
    }

    #[test]
    fn only_checks_that_say_no_are_failing() {
        let document = json!({"checks": {
            "keys": {"ok": false}, "state": {"ok": true}, "audit": {"ok": false},
        }});
        assert_eq!(failing(&document), ["audit", "keys"]);
        assert!(failing(&Value::Null).is_empty());
    }

    #[test]
    fn an_answer_is_a_status_and_a_body_or_it_is_none() {
        let answer = b"HTTP/1.0 503 Service Unavailable\r\nA: b\r\n\r\n{}";
        assert_eq!(parse(answer), Some((503, b"{}".to_vec())));
        for other in [
            "",
            "SSH-2.0-OpenSSH\r\n\r\n",
            "HTTP/1.1 200 OK\r\n",
            "HTTP/1.1 OK\r\n\r\n",
        ] {
            assert_eq!(parse(other.as_bytes()), None, "{other:?}");
        }
    }
}
