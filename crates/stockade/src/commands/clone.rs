//! `stockade clone`: make copies of a running sandbox.

use crate::cli::CloneArgs;
use crate::connect;
use crate::failure::{Failure, reason};
use crate::{progress, restore};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use std::fs::File;
use std::io;
use std::path::Path;
use std::process::ExitCode;
use stockade_control::types::state::SaveOpts;

/// Saves it to memory, and restores that as often as asked for.
pub(super) fn run(args: &CloneArgs, state_dir: Option<&Path>) -> Result<ExitCode, Failure> {
    stockade_confine::probe::require().map_err(|missing| crate::run::not_able(&missing))?;
    let on_host = |e: rustix::io::Errno| {
        Failure::new(format!("memory for the clones: {}", reason(&io::Error::from(e))), "")
    };
    let mut client = connect::connect(state_dir, &args.id)?;
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let file = File::from(memfd_create("clone", flags).map_err(on_host)?);
    let opts = SaveOpts { resume: true, ..SaveOpts::default() };
    let size = || file.metadata().map_or(0, |stat| stat.len());
    progress::during("saving", size, || client.save(&opts, &file)).map_err(|e| {
        let Failure { cause, hint } = connect::failed(&args.id, &e);
        Failure::new(format!("{cause}; it goes on, and was not cloned"), hint)
    })?;
    // Nobody changes it any more, nor cuts it off.
    let seals = SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE | SealFlags::SEAL;
    fcntl_add_seals(&file, seals).map_err(on_host)?;
    restore::clones(file, args, state_dir).map(ExitCode::from)
}
