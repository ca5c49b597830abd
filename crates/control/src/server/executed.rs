//! Processes that were executed without waiting: what they ended with is kept for whoever asks.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use stockade_abi::Errno;
use stockade_sentry::task::ThreadGroup;

use super::exec::{Started, exec_async};
use super::{Error, Files, Sandbox, users};
use crate::types::container::WaitPidArgs;
use crate::types::proc::ExecArgs;

/// Ended ones that are kept; beyond, the oldest are forgotten.
const KEPT: usize = 1024;

/// By PID.
#[derive(Default)]
pub(super) struct Executed(Mutex<Entries>);

#[derive(Default)]
struct Entries {
    by_pid: BTreeMap<i32, (u64, Started)>,
    next: u64,
}

impl Executed {
    pub(super) fn add(&self, started: &Started) {
        let mut entries = self.0.lock();
        let number = entries.next;
        entries.next += 1;
        // One that had the same PID has ended and was not asked for.
        entries.by_pid.insert(started.pid, (number, started.clone()));
        let ended = |(pid, (number, started)): (&i32, &(u64, Started))| {
            started.thread_group.exit_status().map(|_| (*number, *pid))
        };
        if entries.by_pid.len() > KEPT
            && let Some((_, pid)) = entries.by_pid.iter().filter_map(ended).min()
        {
            entries.by_pid.remove(&pid);
        }
    }

    /// The one with a PID.
    fn get(&self, pid: i32) -> Option<Started> {
        self.0.lock().by_pid.get(&pid).map(|(_, started)| started.clone())
    }

    /// Somebody was told its end: it is not kept any more, unless its PID is another's by now.
    fn forget(&self, group: &Arc<ThreadGroup>) {
        let mut entries = self.0.lock();
        if entries.by_pid.get(&group.tgid).is_some_and(|(_, kept)| Arc::ptr_eq(&kept.thread_group, group)) {
            entries.by_pid.remove(&group.tgid);
        }
    }
}

/// `containerManager.ExecuteAsync`: executes a program and gives its PID. Unlike `Proc.Exec`, it sets HOME if the caller
/// does not.
pub(super) fn execute_async(sandbox: &Arc<Sandbox>, mut args: ExecArgs, files: Files) -> Result<i32, Error> {
    if !args.envv.iter().any(|v| v.starts_with("HOME=")) {
        args.envv.push(format!("HOME={}", users::home(sandbox, args.kuid)));
    }
    let started = exec_async(sandbox, &args, files)?;
    sandbox.executed.add(&started);
    Ok(started.pid)
}

/// `containerManager.WaitPID`: waits for the end of a process; gives what that was (wait(2)'s encoding).
pub(super) fn wait_pid(sandbox: &Arc<Sandbox>, args: WaitPidArgs, _: Files) -> Result<u32, Error> {
    sandbox.container(&args.cid)?;
    let alive = sandbox.kernel.tree.lock().group(args.pid).ok().map(|group| Arc::clone(&group.tg));
    let executed = sandbox.executed.get(args.pid);
    // Who has the number now goes before one that had it and was not asked for.
    let group = alive
        .or_else(|| executed.as_ref().map(|started| Arc::clone(&started.thread_group)))
        .ok_or_else(|| Error::on(&format!("process {}", args.pid), Errno::ESRCH))?;
    let status = match executed.filter(|started| Arc::ptr_eq(&started.thread_group, &group)) {
        Some(started) => started.wait(),
        None => group.wait_exited().cast_unsigned(),
    };
    sandbox.executed.forget(&group);
    Ok(status)
}

/// `containerManager.Wait`: waits for the end of the container; gives that of its first process (wait(2)'s encoding).
pub(super) fn wait(sandbox: &Arc<Sandbox>, cid: String, _: Files) -> Result<u32, Error> {
    sandbox.container(&cid)?;
    Ok(sandbox.kernel.wait().cast_unsigned())
}
