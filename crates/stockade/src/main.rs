//! The command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    stockade::commands::main()
}
