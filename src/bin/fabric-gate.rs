//! The `fabric-gate` program.

use std::process::ExitCode;

/// pingora makes some seventy allocations for a request; `benches/README.md` has the comparison.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    fabric_gate::cli::run()
}
