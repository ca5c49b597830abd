//! `Proc`: executing programs.

use std::sync::Arc;

use super::exec::exec_async;
use super::{Error, Files, Sandbox};
use crate::types::proc::ExecArgs;

/// Executes a program and waits for its end; gives what that was (wait(2)'s encoding).
pub(super) fn exec(sandbox: &Arc<Sandbox>, args: ExecArgs, files: Files) -> Result<u32, Error> {
    let started = exec_async(sandbox, &args, files)?;
    Ok(started.thread_group.wait_exited().cast_unsigned())
}
