//! System calls as strace(1) writes them.

mod format;
pub mod names;
mod structs;

pub use structs::Struct;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use std::sync::atomic::Ordering;

use stockade_abi::signal::{SigInfo, si};
use stockade_abi::{Errno, nr};

use crate::syscalls::table::Syscall;
use crate::syscalls::{Args, Ctx, SysResult, carry_out};
use crate::task::Task;

/// Where lines go:
/// The task's number in its own PID namespace, and the line without an end.
pub type Output = Box<dyn Fn(u32, &str) + Send + Sync>;

/// Who is told of calls.
pub struct Tracer {
    output: Output,
    only: Option<BTreeSet<u32>>,
}

impl Tracer {
    /// Tells `output` of all calls, or of those named.
    ///
    /// # Errors
    /// The first name that is no call's.
    pub fn new(names: &[String], output: Output) -> Result<Self, String> {
        let numbers: Result<BTreeSet<u32>, String> =
            names.iter().map(|n| nr::number(n).ok_or_else(|| n.clone())).collect();
        let numbers = numbers?;
        Ok(Self { output, only: (!numbers.is_empty()).then_some(numbers) })
    }

    fn wants(&self, number: u64) -> bool {
        match (&self.only, u32::try_from(number)) {
            (None, _) => true,
            (Some(only), Ok(number)) => only.contains(&number),
            (Some(_), Err(_)) => false,
        }
    }
}

/// Carries a call out and tells the tracer of it.
pub(crate) fn traced(ctx: &mut Ctx, number: u64, args: &Args, entry: Option<&'static Syscall>) -> SysResult {
    let tracer = ctx.task.kernel.tracer.read().clone();
    let Some(tracer) = tracer.filter(|t| t.wants(number)) else { return carry_out(ctx, number, args, entry) };
    let pid = ctx.task.local_tid().unsigned_abs();
    let name = entry.map_or_else(|| nr::name(number).unwrap_or("?"), |e| e.name);
    let name = if name == "?" { format!("syscall_{number:#x}") } else { name.to_owned() };
    // What a call gives is written before it is made, what it takes afterwards: exec replaces memory.
    let before = format::arguments(ctx, args, entry, None);
    if matches!(name.as_str(), "exit" | "exit_group" | "rt_sigreturn") {
        (tracer.output)(pid, &format!("{name}({before}) = ?"));
        return carry_out(ctx, number, args, entry);
    }
    let memory = Arc::clone(&ctx.mm);
    let begun = Instant::now();
    let result = carry_out(ctx, number, args, entry);
    let took = begun.elapsed().as_secs_f64();
    let text = if entry.is_some_and(format::has_output) {
        format::arguments(ctx, args, entry, result.ok())
    } else {
        before
    };
    drop(memory);
    let outcome = match result {
        Ok(value) if matches!(name.as_str(), "mmap" | "brk" | "mremap") => format!("{value:#x}"),
        Ok(value) => (value as i64).to_string(),
        Err(e) => failure(e),
    };
    (tracer.output)(pid, &format!("{name}({text}) = {outcome} <{took:.6}>"));
    result
}

/// Tells the tracer of a signal that a task takes.
pub(crate) fn signal(task: &Task, info: &SigInfo) {
    if !task.kernel.is_tracing.load(Ordering::Relaxed) {
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

/// Tells the tracer of a task's end; `status` is wait(2)'s.
pub(crate) fn ended(task: &Task, status: i32) {
    if task.kernel.is_tracing.load(Ordering::Relaxed) {
        tell(
            task,
            &match status & 0x7f {
                0 => format!("+++ exited with {} +++", status >> 8 & 0xff),
                signo => format!("+++ killed by {} +++", signal_name(signo)),
            },
        );
    }
}

fn tell(task: &Task, line: &str) {
    // Of calls alone, who asked for some calls only.
    let tracer = task.kernel.tracer.read().clone().filter(|t| t.only.is_none());
    if let Some(tracer) = tracer {
        (tracer.output)(task.local_tid().unsigned_abs(), line);
    }
}

fn signal_name(signo: i32) -> String {
    stockade_abi::signal::name(signo).map_or_else(|| signo.to_string(), |name| name.to_string())
}

fn failure(e: Errno) -> String {
    if e.is_restart() { format!("? {e:?} ({e})") } else { format!("-1 {e:?} ({e})") }
}
