//! The worker against a receiver that verifies by the specification's own words.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::SecretString;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::super::tests::warning;
use super::*;
use crate::clock::{Clock, ManualClock, SystemClock};
use crate::identity::webhook::SigningKey;

/// What a receiver got.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Got {
    id: String,
    body: String,
}

/// Takes deliveries; answers the first `failures` of them with 500.
struct Receiver {
    url: String,
    got: Arc<Mutex<Vec<Got>>>,
}

/// Waits until something is so; what is asserted behind it says what was waited for in vain.
async fn eventually(so: impl Fn() -> bool) {
    for _ in 0..3_000 {
        if so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

impl Receiver {
    async fn start(failures: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/alerts", listener.local_addr().unwrap());
        let got = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&got);
        tokio::spawn(async move {
            let mut refused = 0;
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let delivery = read(&mut stream).await;
                kept.lock().unwrap().push(delivery);
                let status = if refused < failures {
                    refused += 1;
                    "500 Internal Server Error"
                } else {
                    "204 No Content"
                };
                let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        Self { url, got }
    }

    fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }

    async fn wait_for(&self, number: usize) -> Vec<Got> {
        eventually(|| self.got().len() >= number).await;
        self.got()
    }
}

/// Reads one request and verifies its signature, with other code than what signs.
async fn read(stream: &mut tokio::net::TcpStream) -> Got {
    let mut bytes = Vec::new();
    let (head, length) = loop {
        let mut block = [0; 4096];
        let read = stream.read(&mut block).await.unwrap();
        assert!(read > 0, "the request was torn");
        bytes.extend_from_slice(&block[..read]);
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
            continue;
        };
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let length: usize = field(&head, "content-length").parse().unwrap();
        if bytes.len() >= end + 4 + length {
            break (head, length);
        }
    };
    let body = String::from_utf8(bytes[bytes.len() - length..].to_vec()).unwrap();
    let id = field(&head, "webhook-id");
    let signed = format!("{id}.{}.{body}", field(&head, "webhook-timestamp"));
    let expected = hmac_sha256(&[9; 32], signed.as_bytes());
    assert_eq!(
        field(&head, "webhook-signature"),
        format!("v1,{}", STANDARD.encode(expected))
    );
    Got { id, body }
}

fn field(head: &str, name: &str) -> String {
    let value = head.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found
            .eq_ignore_ascii_case(name)
            .then(|| value.trim().to_owned())
    });
    value.unwrap_or_else(|| panic!("no `{name}` in:\n{head}"))
}

/// RFC 2104 over a hash, as its text has it.
fn hmac_sha256(key: &[u8; 32], message: &[u8]) -> Vec<u8> {
    let sha256 = |parts: &[&[u8]]| {
        let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
        parts.iter().for_each(|part| context.update(part));
        context.finish().as_ref().to_vec()
    };
    let mut block = [0_u8; 64];
    block[..32].copy_from_slice(key);
    let inner = sha256(&[&block.map(|byte| byte ^ 0x36), message]);
    sha256(&[&block.map(|byte| byte ^ 0x5c), &inner])
}

struct Process {
    warnings: Arc<Warnings>,
    recorded: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

/// A process that tells; `url` is where to.
fn process(directory: &Path, url: Option<&str>, clock: SharedClock) -> Process {
    let key = format!("whsec_{}", STANDARD.encode([9; 32]));
    let target = url.map(|url| {
        Arc::new(WebhookTarget {
            url: url.to_owned(),
            key: SigningKey::parse(&SecretString::from(key)).unwrap(),
        })
    });
    let recorded = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&recorded);
    let ends = WarningEnds {
        record: Box::new(move |_| {
            counter.fetch_add(1, Ordering::SeqCst);
        }),
        target: Box::new(move || target.clone()),
    };
    let metrics = Arc::new(Metrics::new(10).unwrap());
    let worker = WarningWorker::open(directory, clock, metrics, ends).unwrap();
    let warnings = Arc::new(Warnings::default());
    let task = tokio::spawn(worker.run(Arc::clone(&warnings)));
    Process {
        warnings,
        recorded,
        task,
    }
}

fn now() -> Warning {
    Warning {
        at: SystemClock.now(),
        resets_at: Some(SystemClock.now().plus_seconds(3_600)),
        ..warning()
    }
}

#[tokio::test]
async fn two_processes_that_see_one_crossing_send_one_signed_alert() {
    let directory = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(0).await;
    let clock: SharedClock = Arc::new(SystemClock);
    let processes: Vec<_> = (0..2)
        .map(|_| process(directory.path(), Some(&receiver.url), Arc::clone(&clock)))
        .collect();
    let first = now();
    for process in &processes {
        process.warnings.tell(first.clone());
    }
    let other = Warning {
        value: "bob".to_owned(),
        ..first.clone()
    };
    assert_eq!(receiver.wait_for(1).await.len(), 1);
    processes[1].warnings.tell(other);
    let got = receiver.wait_for(2).await;
    let texts: Vec<&str> = got.iter().map(|got| got.body.as_str()).collect();
    assert_eq!(got.len(), 2, "{texts:?}");
    let body: serde_json::Value = serde_json::from_str(&got[0].body).unwrap();
    assert_eq!(body["type"], "ceiling.warning");
    assert_eq!(body["data"]["threshold"], "0.8");
    assert_eq!(body["data"]["limit_usd"], "10.00");
    // One may have delivered what the other is about to record.
    let recorded = |process: &Process| process.recorded.load(Ordering::SeqCst);
    let both = || processes.iter().map(recorded).sum::<usize>();
    eventually(|| both() >= 2).await;
    assert_eq!(both(), 2);
    processes.iter().for_each(|process| process.task.abort());
}

#[tokio::test]
async fn what_a_killed_process_left_is_delivered_by_the_next_under_the_same_id_and_once() {
    let directory = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(1).await;
    let clock: SharedClock = Arc::new(SystemClock);
    let killed = process(directory.path(), Some(&receiver.url), Arc::clone(&clock));
    killed.warnings.tell(now());
    assert_eq!(receiver.wait_for(1).await.len(), 1, "refused once");
    killed.task.abort();
    let _ended = killed.task.await;

    let next = process(directory.path(), Some(&receiver.url), clock);
    next.warnings.tell(now());
    let got = receiver.wait_for(2).await;
    assert_eq!(got.len(), 2);
    assert_eq!(got[0], got[1], "the same message under the same id");
    assert_eq!(next.recorded.load(Ordering::SeqCst), 0, "it was told of");
    let due = directory.path().join("due");
    let is_empty = || std::fs::read_dir(&due).unwrap().next().is_none();
    eventually(is_empty).await;
    assert!(is_empty(), "it is due no more");
    next.task.abort();
}

#[tokio::test]
async fn without_a_receiver_a_warning_is_recorded_and_nothing_waits() {
    let directory = tempfile::tempdir().unwrap();
    let clock: SharedClock = Arc::new(ManualClock::new(SystemClock.now()));
    let process = process(directory.path(), None, clock);
    process.warnings.tell(now());
    eventually(|| process.recorded.load(Ordering::SeqCst) == 1).await;
    assert_eq!(process.recorded.load(Ordering::SeqCst), 1);
    assert_eq!(
        std::fs::read_dir(directory.path().join("due"))
            .unwrap()
            .count(),
        0
    );
    process.task.abort();
}
