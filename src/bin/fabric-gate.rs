//! The `fabric-gate` program.

fn main() {}
