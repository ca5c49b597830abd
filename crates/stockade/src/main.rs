//! The command line.

use std::process::ExitCode;

/// Remembers some allocations, for profiles of the heap.
#[global_allocator]
static ALLOCATOR: stockade_confine::profile::heap::Sampling = stockade_confine::profile::heap::Sampling;

fn main() -> ExitCode {
    stockade::commands::main()
}
