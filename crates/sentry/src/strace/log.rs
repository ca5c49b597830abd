//! The log's lines.

use std::fmt::Write as _;
use std::time::Duration;

use stockade_abi::signal::{SigInfo, si};

use super::format::{self, Pointees};
use super::{Filter, Readers, Topic, name};
use crate::syscalls::table::Syscall;
use crate::syscalls::{Args, Ctx, SysResult};
use crate::task::Task;

/// Tells of a call; of one that does not return before it is made.
pub(super) fn call(
    ctx: &Ctx,
    readers: Readers,
    number: u64,
    args: &Args,
    entry: Option<&'static Syscall>,
    pointees: &Pointees,
    end: Option<(SysResult, Duration)>,
) {
    let name = name(number, entry);
    let mut line = String::with_capacity(160 + pointees.len());
    line.push_str(&name);
    line.push('(');
    format::arguments(&mut line, args, entry, pointees);
    line.push_str(") = ");
    // Writing to a string cannot fail.
    let _ = match end {
        None => write!(line, "?"),
        Some((result, took)) => outcome(&mut line, &name, result)
            .and_then(|()| write!(line, " <{}.{:06}>", took.as_secs(), took.subsec_micros())),
    };
    ctx.task.kernel.tracing.tell_readers(&ctx.task, readers, &line);
}

fn outcome(line: &mut String, name: &str, result: SysResult) -> std::fmt::Result {
    match result {
        Ok(value) if matches!(name, "mmap" | "brk" | "mremap") => write!(line, "{value:#x}"),
        Ok(value) => write!(line, "{}", value as i64),
        Err(e) if e.is_restart() => write!(line, "? {e:?} ({e})"),
        Err(e) => write!(line, "-1 {e:?} ({e})"),
    }
}

/// Tells of a signal that a task takes.
pub(crate) fn signal(task: &Task, info: &SigInfo) {
    if !task.kernel.tracing.is_on() {
        return;
    }
    let name = signal_name(info.signo);
    let from = match info.code {
        si::SI_USER | si::SI_TKILL | si::SI_QUEUE => {
            format!(", si_pid={}, si_uid={}", info.pid(), info.uid())
        }
        _ => String::new(),
    };
    let code = match info.code {
        si::SI_USER => "SI_USER".to_owned(),
        si::SI_TKILL => "SI_TKILL".to_owned(),
        si::SI_QUEUE => "SI_QUEUE".to_owned(),
        si::SI_KERNEL => "SI_KERNEL".to_owned(),
        si::SI_TIMER => "SI_TIMER".to_owned(),
        code => code.to_string(),
    };
    tell(task, &format!("--- {name} {{si_signo={name}, si_code={code}{from}}} ---"));
}

/// Tells of a task's end; `status` is wait(2)'s.
pub(crate) fn ended(task: &Task, status: i32) {
    if task.kernel.tracing.is_on() {
        tell(
            task,
            &match status & 0x7f {
                0 => format!("+++ exited with {} +++", status >> 8 & 0xff),
                signo => format!("+++ killed by {} +++", signal_name(signo)),
            },
        );
    }
}

/// Tells of what a socket sent or received, if that is wanted.
pub(crate) fn packet(task: Option<&Task>, line: impl FnOnce() -> String) {
    if let Some(task) = task.filter(|task| task.kernel.tracing.packets()) {
        task.kernel.tracing.tell(Topic::Packets, task.local_tid(), &line());
    }
}

fn tell(task: &Task, line: &str) {
    let tracing = &task.kernel.tracing;
    // Of calls alone, who asked for some calls only.
    let log = tracing.filters.read().log == Filter::All;
    tracing.tell_readers(task, Readers { log, watch: tracing.watch.wants(task) }, line);
}

fn signal_name(signo: i32) -> String {
    stockade_abi::signal::name(signo).map_or_else(|| signo.to_string(), |name| name.to_string())
}
