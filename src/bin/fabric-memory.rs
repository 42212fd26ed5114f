//! The `fabric-memory` program.

use std::process::ExitCode;

/// The same as the gate's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    fabric_gate::cli::memory::run()
}
