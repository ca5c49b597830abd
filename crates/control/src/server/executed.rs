//! Processes that were executed without waiting: what they ended with is kept for whoever asks.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use stockade_abi::Errno;
use stockade_sentry::task::{Kernel, ThreadGroup};

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
    /// Those that had ended when the sandbox was saved: with what.
    before: BTreeMap<i32, u32>,
    next: u64,
}

/// Its saved form.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct ExecutedState {
    /// Those that live, in the order in which they were executed.
    alive: Vec<i32>,
    /// Those that have ended, with what they ended with (wait(2)'s encoding).
    ended: Vec<(i32, u32)>,
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

    /// To be saved.
    pub(super) fn save(&self) -> ExecutedState {
        let entries = self.0.lock();
        let mut state = ExecutedState::default();
        state.ended.extend(entries.before.iter().map(|(&pid, &status)| (pid, status)));
        let mut in_order: Vec<_> = entries.by_pid.values().collect();
        in_order.sort_by_key(|(number, _)| *number);
        for (_, started) in in_order {
            match started.thread_group.exit_status() {
                Some(status) => state.ended.push((started.pid, status.cast_unsigned())),
                None => state.alive.push(started.pid),
            }
        }
        state
    }

    /// Those of a sandbox that was restored; what is not among its processes was none.
    pub(super) fn restore(&self, state: ExecutedState, kernel: &Kernel) {
        for pid in state.alive.into_iter().take(KEPT) {
            let group = kernel.tree.lock().group(pid).ok().map(|group| Arc::clone(&group.tg));
            if let Some(group) = group {
                self.add(&Started::again(group));
            }
        }
        self.0.lock().before.extend(state.ended.into_iter().take(KEPT));
    }

    /// What the one with this PID ended with, of those that had ended before; it is not kept any more.
    fn take_before(&self, pid: i32) -> Option<u32> {
        self.0.lock().before.remove(&pid)
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
    if alive.is_none()
        && executed.is_none()
        && let Some(status) = sandbox.executed.take_before(args.pid)
    {
        return Ok(status);
    }
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
    let status = sandbox.kernel.wait().cast_unsigned();
    match sandbox.beginning.is_left() {
        false => Ok(status),
        true => Err(Error::new("the sandbox goes on from an image; it has to be waited for anew")),
    }
}
