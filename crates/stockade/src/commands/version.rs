//! `stockade version`: which build this is.

use crate::cli::FormatArgs;
use crate::failure::Failure;
use std::process::ExitCode;

/// Prints name and version.
pub(super) fn run(args: &FormatArgs) -> Result<ExitCode, Failure> {
    let version = env!("CARGO_PKG_VERSION");
    if args.json {
        let value =
            serde_json::json!({ "name": "stockade", "version": version, "arch": std::env::consts::ARCH });
        return super::print(&format!("{value}\n"));
    }
    super::print(&format!("stockade {version}\n"))
}
