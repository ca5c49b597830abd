//! `Stockade.Top` and `Stockade.Strace`: for who watches a sandbox.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde::de::IgnoredAny;
use stockade_abi::{Errno, nr};
use stockade_sentry::syscalls::counts;
use stockade_sentry::syscalls::table::BY_NUMBER;
use stockade_sentry::syscalls::times::{self, CallTimes};

use super::{Error, Files, Sandbox};
use crate::types::top::{StraceArgs, StraceLine, StraceLines, Top, TopCall, TopProcess};

/// How long after a call of this method the times of calls are taken.
const LOOKS_FOR: Duration = Duration::from_secs(10);

/// `Stockade.Top`
pub(super) fn top(sandbox: &Arc<Sandbox>, _: IgnoredAny, _: Files) -> Result<Top, Error> {
    let kernel = &sandbox.kernel;
    let memory = kernel.resident_sizes();
    let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    let processes = kernel.processes().into_iter().map(|process| TopProcess {
        pid: process.pid,
        uid: process.uid,
        threads: u32::try_from(process.threads.len()).unwrap_or(u32::MAX),
        cpu: nanos(process.cpu_time),
        memory: memory.get(&process.pid).copied().unwrap_or(0),
        zombie: process.is_zombie,
        command: String::from_utf8_lossy(&process.name).into_owned(),
    });
    let processes = processes.collect();
    let timed: HashMap<u64, CallTimes> = times::all().map(|times| (times.number, times)).collect();
    let calls = counts::all().map(|(number, count)| {
        let times = timed.get(&number).copied().unwrap_or_default();
        let entry = usize::try_from(number).ok().and_then(|n| BY_NUMBER.get(n)).copied().flatten();
        TopCall {
            name: nr::name(number).unwrap_or("unknown").to_owned(),
            count,
            timed: times.count,
            failed: times.failed,
            nanos: times.nanos,
            longest: times.longest,
            unsupported: entry.is_none(),
        }
    });
    let calls = calls.collect();
    // From now on: what this answer tells was not looked at for it.
    times::look_for(LOOKS_FOR);
    let (_, files) = kernel.memory_files.figures();
    Ok(Top {
        now: stockade_sentry::trace::now(),
        processes,
        calls,
        memory: [kernel.guest_memory(), files, sandbox.own_memory()],
        memory_limit: kernel.config.memory,
        tasks: kernel.task_count() as u64,
        paused: kernel.is_paused(),
    })
}

/// `Stockade.Strace`: the latest lines of one process, which are kept from the first call of this method on, until none
/// comes for some seconds.
pub(super) fn strace(sandbox: &Arc<Sandbox>, args: StraceArgs, _: Files) -> Result<StraceLines, Error> {
    let kernel = &sandbox.kernel;
    let is_alive = kernel.processes().iter().any(|process| process.pid == args.pid && !process.is_zombie);
    // Of one that has ended meanwhile the last lines can still be had.
    if !is_alive && !kernel.tracing.watches(args.pid) {
        return Err(Error::on(&format!("process {}", args.pid), Errno::ESRCH));
    }
    let watched = kernel.tracing.watch(args.pid, args.since);
    let lines = watched.lines.into_iter().map(|line| StraceLine { tid: line.tid, text: line.text });
    Ok(StraceLines { next: watched.next, lines: lines.collect(), ended: !is_alive })
}
