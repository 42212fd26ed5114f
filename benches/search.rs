//! What it costs to search memories, without a store: `cargo bench --bench search`. Figures and how
//! they are read: `benches/README.md`.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a program that prints figures"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use fabric_gate::memory::Embedding;
use fabric_gate::memory::search::terms::{index_terms, query_terms};
use fabric_gate::memory::search::top::Top;
use fabric_gate::memory::search::vector::Direction;

const SPAN: Duration = Duration::from_secs(1);

/// More bytes of embeddings than a processor keeps near it.
const EMBEDDINGS: usize = 256 << 20;

fn main() {
    for (name, text) in [
        (
            "English",
            "The tenant asked for a refund of order 4711 on Monday. ",
        ),
        (
            "French",
            "L’été dernier, le café était fermé à cause des travaux. ",
        ),
        ("Chinese", "用户昨天要求退款，客服已经处理完毕。"),
        ("Thai", "ลูกค้าขอคืนเงินเมื่อวานนี้ "),
        (
            "names",
            "see src/memory/search/terms.rs, HashMap::getOrInsert, x-fabric-tenant; ",
        ),
    ] {
        let text = text.repeat(4096 / text.len());
        let rate = a_second(|| index_terms(&text).length);
        println!(
            "terms of 4 KB of {name}: {:.1} MB/s",
            rate * text.len() as f64 / 1e6
        );
    }
    let rate = a_second(|| query_terms("what did the customer with order 4711 ask for?").len());
    println!("terms of a question: {rate:.0} a second");
    for dimensions in [384, 768, 1536] {
        let query = Direction::of(&embedding(dimensions, 0));
        let kept: Vec<u8> = (1..=EMBEDDINGS / 4 / dimensions)
            .flat_map(|seed| embedding(dimensions, seed).to_bytes())
            .collect();
        let rate = a_second(|| {
            let mut top = Top::new(100);
            for (key, bytes) in kept.chunks_exact(4 * dimensions).enumerate() {
                top.offer(query.cosine_to_bytes(bytes).unwrap(), key);
            }
            top.into_best_first()
        });
        let count = (kept.len() / 4 / dimensions) as f64;
        println!(
            "best 100 of embeddings of {dimensions} numbers: {:.2} million a second, {:.1} GB/s",
            rate * count / 1e6,
            rate * kept.len() as f64 / 1e9
        );
    }
}

fn embedding(dimensions: usize, seed: usize) -> Embedding {
    let mut state = seed as u32 ^ 0x9e37_79b9;
    let values = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state as f32 / u32::MAX as f32 - 0.5
    });
    Embedding::new(values.take(dimensions).collect()).unwrap()
}

/// How often the work is done in a second.
fn a_second<T>(work: impl Fn() -> T) -> f64 {
    black_box(work());
    let mut rounds = 0_u32;
    let began = Instant::now();
    while began.elapsed() < SPAN {
        black_box(work());
        rounds += 1;
    }
    f64::from(rounds) / began.elapsed().as_secs_f64()
}
