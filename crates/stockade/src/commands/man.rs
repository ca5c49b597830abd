//! `stockade man`: the manual pages, from the same declaration as `--help`.

use crate::cli::{Cli, ManArgs};
use crate::failure::{Failure, reason};
use clap::CommandFactory as _;
use clap_mangen::Man;
use std::io;
use std::path::Path;
use std::process::ExitCode;

/// Prints stockade(1), or writes all pages.
pub(super) fn run(args: &ManArgs) -> Result<ExitCode, Failure> {
    match &args.out {
        Some(directory) => write_all(directory).map(|()| ExitCode::SUCCESS).map_err(|e| {
            Failure::new(
                format!("--out {}: {}", directory.display(), reason(&e)),
                "give a directory that you may write to",
            )
        }),
        None => {
            let mut page = Vec::new();
            // Writing to memory does not fail.
            drop(Man::new(Cli::command()).render(&mut page));
            super::print(&String::from_utf8_lossy(&page))
        }
    }
}

fn write_all(directory: &Path) -> io::Result<()> {
    std::fs::create_dir_all(directory)?;
    clap_mangen::generate_to(Cli::command().disable_help_subcommand(true), directory)
}
