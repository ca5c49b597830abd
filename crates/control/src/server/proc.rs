//! `Proc`: executing programs.

use std::sync::Arc;

use super::exec::exec_async;
use super::{Error, Files, Sandbox, users};
use crate::types::proc::{DefaultsArgs, ExecArgs, ProcessDefaults};

/// Executes a program and waits for its end; gives what that was (wait(2)'s encoding).
pub(super) fn exec(sandbox: &Arc<Sandbox>, args: ExecArgs, files: Files) -> Result<u32, Error> {
    Ok(exec_async(sandbox, &args, files)?.wait())
}

/// `Proc.Defaults`, which is Stockade's own: what the first process was started with, or a user of the sandbox has.
pub(super) fn defaults(
    sandbox: &Arc<Sandbox>,
    args: DefaultsArgs,
    _: Files,
) -> Result<ProcessDefaults, Error> {
    let mut defaults = sandbox.defaults.clone();
    if !args.user.is_empty() {
        let user = users::find(sandbox, &args.user)?;
        (defaults.kuid, defaults.kgid, defaults.extra_kgids) = (user.uid, user.gid, user.groups);
        // The first process's is not another user's.
        defaults.envv.retain(|v| !v.starts_with("HOME="));
        defaults.envv.push(format!("HOME={}", user.home));
    }
    Ok(defaults)
}
