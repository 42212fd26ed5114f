//! What it costs to take from a list what is not the caller's: `cargo bench --bench lists`. Figures
//! and how they are read: `benches/README.md`.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a program that prints figures"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::Bytes;
use fabric_gate::ownership::list::{ListShape, Listing};

const SIZE: usize = 8_000_000;
const SPAN: Duration = Duration::from_secs(1);

fn main() {
    let shape = ListShape {
        items: vec!["tasks".to_owned()],
        id: Some(vec!["id".to_owned()]),
        totals: vec![vec!["total".to_owned()]],
        ..ListShape::default()
    };
    for (name, prose) in [
        ("items of 220 bytes", "lorem ipsum dolor ".repeat(2)),
        ("items of 1 KB", "lorem ipsum dolor ".repeat(44)),
        ("items of 8 KB", "lorem ipsum dolor ".repeat(444)),
        (
            "items of 1 KB, every eighth letter escaped",
            "say \\\"hi\\\"\\n".repeat(66),
        ),
    ] {
        let (body, items) = tasks(&prose);
        let found = rate(body.len(), || {
            Listing::of_json(&shape, body.clone()).unwrap()
        });
        let listing = Listing::of_json(&shape, body.clone()).unwrap();
        let keep: Vec<bool> = (0..items).map(|index| index % 2 == 0).collect();
        let written = rate(body.len(), || listing.rewritten(&keep, 7).unwrap());
        println!("{name}: {items} items, found at {found:.0} MB/s, written at {written:.0} MB/s");
    }
}

/// A list as a task runner gives it.
fn tasks(prose: &str) -> (Bytes, usize) {
    let mut body = String::from("{\"tasks\":[");
    let mut items = 0;
    while body.len() < SIZE {
        if items > 0 {
            body.push(',');
        }
        body.push_str(&format!(
            "{{\"id\":\"7f9c{items:08}-aaaa-bbbb\",\"state\":\"completed\",\"created_at\":\"2026-11-21T23:59:59Z\",\
             \"input\":{{\"text\":\"{prose}\",\"n\":{items},\"ok\":true,\"tags\":[\"a\",\"b\"]}},\"cost\":0.00312}}"
        ));
        items += 1;
    }
    body.push_str(&format!("],\"total\":{items}}}"));
    (Bytes::from(body), items)
}

/// Megabytes of the list in a second.
fn rate<T>(size: usize, work: impl Fn() -> T) -> f64 {
    black_box(work());
    let mut rounds = 0_u32;
    let began = Instant::now();
    while began.elapsed() < SPAN {
        black_box(work());
        rounds += 1;
    }
    f64::from(rounds) * size as f64 / began.elapsed().as_secs_f64() / 1e6
}
