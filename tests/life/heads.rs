//! Heads from a seeded generator: mutated, cut, glued together. Whatever comes, the process lives,
//! nobody is told that it is the gate's fault, and the next good request is answered.

use crate::support::http1::{Connection, Unframed};
use crate::support::{DEADLINE, raw_client};
use crate::world::{self, World, get};

/// xorshift64*: the same heads in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() >> 33).unwrap() % bound.max(1)
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }
}

const PIECES: [&str; 24] = [
    "\r\n",
    "\n",
    "\r",
    "\0",
    " ",
    "\t",
    ":",
    ";",
    ",",
    "%",
    "%2e%2e",
    "//",
    "\\",
    "\u{fe}",
    "HTTP/1.1",
    "HTTP/9.9",
    "Host: b\r\n",
    "Content-Length: 7\r\n",
    "Content-Length: -1\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding: gzip\r\n",
    "X-Fabric-Tenant: globex\r\n",
    "Connection: X-Fabric-Tenant\r\n",
    "Expect: 100-continue\r\n",
];

/// A good request with up to six pieces of it changed.
fn mutated(random: &mut Random, token: &str) -> Vec<u8> {
    let method = random.pick(&[
        "GET", "HEAD", "POST", "PUT", "CONNECT", "TRACE", "PRI", "get", "",
    ]);
    let target = random.pick(&[
        "/things/1",
        "/reports/1",
        "/",
        "*",
        "http://gate.test/things/1",
        "things/1",
        "/things/../x",
        "/things/%2f",
        "/things/1?tenant=globex",
        "/things/1#f",
        "",
    ]);
    let authorization = format!("Bearer {token}");
    let mut bytes = raw_client::request(method, target, &[("Authorization", &authorization)], b"");
    for _ in 0..random.below(7) {
        let at = random.below(bytes.len());
        match random.below(4) {
            0 => bytes[at] = u8::try_from(random.below(256)).unwrap(),
            1 => {
                let piece = random.pick(&PIECES).as_bytes().to_vec();
                bytes.splice(at..at, piece);
            }
            2 => {
                let end = (at + random.below(20)).min(bytes.len());
                bytes.drain(at..end);
            }
            _ => {
                let end = (at + random.below(40)).min(bytes.len());
                let copy = bytes[at..end].to_vec();
                bytes.splice(at..at, copy);
            }
        }
    }
    bytes
}

/// Sends it and ends the sending direction; answers the status of every answer that came.
async fn throw(world: &World, bytes: &[u8]) -> Vec<u16> {
    let mut connection = Connection::new(world.gate.address().connect().await.unwrap());
    let mut statuses = Vec::new();
    // A server that has refused may have closed before everything was sent.
    let _ = connection.send(bytes).await;
    let _ = connection.finish_sending().await;
    let reading = async {
        while let Ok(Some(head)) = connection.read_head().await {
            let Ok(status) = head.word(1).parse() else {
                panic!("no status: {}", head.text());
            };
            statuses.push(status);
            if status >= 200 && bytes.starts_with(b"HEAD") {
                return;
            }
            if status >= 200
                && !connection
                    .read_body(&head, Unframed::ToTheEnd)
                    .await
                    .complete
            {
                return;
            }
        }
    };
    let in_time = tokio::time::timeout(DEADLINE, reading).await;
    assert!(
        in_time.is_ok(),
        "no end for {:?}",
        String::from_utf8_lossy(bytes)
    );
    statuses
}

/// Throws that many heads from 16 clients; answers how many answers there were.
pub async fn fuzz(heads: usize, seed: u64) -> usize {
    const CLIENTS: usize = 16;
    let world = std::sync::Arc::new(world::start().await);
    let mut clients = tokio::task::JoinSet::new();
    for client in 0..CLIENTS {
        let world = std::sync::Arc::clone(&world);
        clients.spawn(async move {
            let token = world.member();
            let mut random = Random(seed + client as u64);
            let mut answers = 0;
            for number in 0..heads / CLIENTS {
                let bytes = mutated(&mut random, &token);
                let statuses = throw(&world, &bytes).await;
                answers += statuses.len();
                assert!(
                    statuses.iter().all(|status| *status < 500),
                    "{statuses:?} for {:?}",
                    String::from_utf8_lossy(&bytes)
                );
                if number % 100 == 0 {
                    let probe =
                        raw_client::exchange(world.gate.address(), get("/things/1", &token)).await;
                    assert_eq!(probe.status, 200, "the probe after {number}");
                }
            }
            answers
        });
    }
    let mut answers = 0;
    while let Some(done) = clients.join_next().await {
        answers += done.unwrap();
    }
    assert_eq!(world.get("/things/1", &world.member()).await.status, 200);
    let stderr = world.gate.stderr();
    assert!(!stderr.contains("panicked"), "{stderr}");
    for request in world.backend.requests() {
        assert_eq!(
            request.head.values("x-fabric-tenant"),
            ["acme"],
            "no other identity reaches the backend:\n{}",
            request.head.text()
        );
    }
    answers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_thousand_mutated_heads_bring_no_5xx_no_panic_and_no_other_identity() {
    let answers = fuzz(20_000, 0xFAB1_1C6A_7E00).await;
    assert!(answers > 10_000, "most of them are answered: {answers}");
}
