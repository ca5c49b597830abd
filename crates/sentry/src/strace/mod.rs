//! System calls as strace(1) writes them.

mod format;

use std::collections::BTreeSet;
use std::sync::Arc;

use stockade_abi::{Errno, nr};

use crate::syscalls::table::Syscall;
use crate::syscalls::{Args, Ctx, SysResult, carry_out};

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
    if matches!(name.as_str(), "exit" | "exit_group" | "execve" | "execveat" | "rt_sigreturn") {
        (tracer.output)(pid, &format!("{name}({before}) = ?"));
        let result = carry_out(ctx, number, args, entry);
        if let Err(e) = result {
            (tracer.output)(pid, &format!("{name} failed = {}", failure(e)));
        }
        return result;
    }
    let memory = Arc::clone(&ctx.mm);
    let result = carry_out(ctx, number, args, entry);
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
    (tracer.output)(pid, &format!("{name}({text}) = {outcome}"));
    result
}

fn failure(e: Errno) -> String {
    if e.is_restart() { format!("? {e:?} ({e})") } else { format!("-1 {e:?} ({e})") }
}
