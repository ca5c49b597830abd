//! Signals to the processes of a sandbox.

use std::sync::Arc;

use stockade_abi::Errno;
use stockade_abi::signal::{SIGWINCH, SigInfo, si};
use stockade_sentry::task::{Kernel, Tree};

use super::methods::Nothing;
use super::{Error, Files, Sandbox};
use crate::types::container::{SignalArgs, SignalDeliveryMode};

/// `containerManager.Signal`
pub(super) fn signal(sandbox: &Arc<Sandbox>, args: SignalArgs, _: Files) -> Result<Nothing, Error> {
    if !(1..=64).contains(&args.signo) {
        return Err(Error::new(format!("{} is no signal; 1 to 64 are", args.signo)));
    }
    sandbox.container(&args.cid)?;
    let kernel = &sandbox.kernel;
    if args.pid == 0 && args.mode == SignalDeliveryMode::Process && kernel.end_empty(args.signo) {
        return Ok(Nothing {});
    }
    let info = SigInfo::new(args.signo, si::SI_USER);
    let _changing = kernel.changing();
    let tree = kernel.tree.lock();
    match args.mode {
        SignalDeliveryMode::Process => {
            let pid = addressee(kernel, &args)?;
            tree.send_group(pid, &info).map_err(|e| about(pid, e))?;
        }
        SignalDeliveryMode::All => {
            if args.pid != 0 {
                return Err(Error::new(format!(
                    "PID ({}) cannot be set when signaling all processes",
                    args.pid
                )));
            }
            send_to_all(&tree, &info);
        }
        SignalDeliveryMode::ForegroundProcessGroup => {
            let pid = addressee(kernel, &args)?;
            let group = tree.group(pid).map_err(|e| about(pid, e))?;
            let tty = group.tty.as_ref().ok_or_else(|| Error::new("no TTY attached"))?;
            let foreground = tty.control().foreground;
            if foreground == 0 {
                return Err(Error::new("no foreground process group attached to TTY"));
            }
            tree.send_pgrp(foreground, &info).map_err(|e| about(foreground, e))?;
            if args.signo == SIGWINCH
                && let Some(terminal) = kernel.ttys.get(tty.number)
            {
                terminal.window_changed();
            }
        }
        SignalDeliveryMode::ProcessGroup => {
            let pid = addressee(kernel, &args)?;
            let pgid = tree.group(pid).map_err(|e| about(pid, e))?.pgid;
            tree.send_pgrp(pgid, &info).map_err(|e| about(pgid, e))?;
        }
    }
    drop(tree);
    kernel.report_continued();
    Ok(Nothing {})
}

/// Who is meant: 0 is the first process.
fn addressee(kernel: &Kernel, args: &SignalArgs) -> Result<i32, Error> {
    match (args.pid, kernel.init_tgid()) {
        (0, 0) => Err(Error { errno: Some(Errno::ESRCH), ..Error::new("the sandbox has no first process") }),
        (0, init) => Ok(init),
        (pid, _) => Ok(pid),
    }
}

fn about(pid: i32, errno: Errno) -> Error {
    Error::on(&format!("process {pid}"), errno)
}

/// Whoever cannot take it, as when its queue is full, does not keep it from others.
fn send_to_all(tree: &Tree, info: &SigInfo) {
    for tgid in tree.groups.values().filter(|g| g.zombie.is_none()).map(|g| g.tg.tgid) {
        if let Err(error) = tree.send_group(tgid, info) {
            tracing::debug!(tgid, %error, "a signal to all was not taken");
        }
    }
}
