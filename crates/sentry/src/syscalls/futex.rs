//! futex(2), get_robust_list(2).

use std::time::{Duration, Instant};

use stockade_abi::Errno;
use stockade_abi::general as c;
use stockade_abi::time::Timespec;

use super::{Args, Ctx, SysResult};
use crate::mm::UserMemory;
use crate::time::clock::{instant_of_monotonic, instant_of_realtime};

fn timeout(ctx: &Ctx, addr: u64, absolute: bool, realtime: bool) -> Result<Option<Instant>, Errno> {
    if addr == 0 {
        return Ok(None);
    }
    let t: Duration = ctx.mm.copy_in::<Timespec>(addr)?.to_duration()?;
    Ok(match (absolute, realtime) {
        (false, _) => Instant::now().checked_add(t),
        (true, true) => Some(instant_of_realtime(t)),
        (true, false) => Some(instant_of_monotonic(t)),
    })
}

pub(super) fn futex(ctx: &mut Ctx, a: &Args) -> SysResult {
    let (addr, op, value) = (a.u64(0), a.u32(1), a.u32(2));
    let private = op & c::FUTEX_PRIVATE_FLAG != 0;
    let realtime = op & c::FUTEX_CLOCK_REALTIME != 0;
    let command = op & !(c::FUTEX_PRIVATE_FLAG | c::FUTEX_CLOCK_REALTIME);
    let waits = matches!(
        command,
        c::FUTEX_WAIT
            | c::FUTEX_WAIT_BITSET
            | c::FUTEX_LOCK_PI
            | c::FUTEX_LOCK_PI2
            | c::FUTEX_WAIT_REQUEUE_PI
    );
    if realtime && !matches!(command, c::FUTEX_WAIT_BITSET | c::FUTEX_WAIT_REQUEUE_PI | c::FUTEX_LOCK_PI2) {
        return Err(Errno::ENOSYS);
    }
    let table = &ctx.task.kernel.futexes;
    match command {
        c::FUTEX_WAIT | c::FUTEX_WAIT_BITSET => {
            debug_assert!(waits);
            let with_set = command == c::FUTEX_WAIT_BITSET;
            let deadline = timeout(ctx, a.u64(3), with_set, realtime)?;
            let bitset = if with_set { a.u32(5) } else { u32::MAX };
            match table.wait(&ctx.task, &ctx.mm, addr, private, value, bitset, deadline) {
                Ok(()) => Ok(0),
                // A relative time-out must not start anew: Linux uses a restart block, which waits for the rest.
                Err(Errno::ERESTARTSYS) if deadline.is_some() => {
                    let restart = Box::new(move |ctx: &mut Ctx| {
                        let table = &ctx.task.kernel.futexes;
                        match table.wait(&ctx.task, &ctx.mm, addr, private, value, bitset, deadline) {
                            Ok(()) => Ok(0),
                            Err(Errno::ERESTARTSYS) => Err(Errno::EINTR),
                            Err(e) => Err(e),
                        }
                    });
                    *ctx.task.restart.lock() = Some(restart);
                    Err(Errno::ERESTART_RESTARTBLOCK)
                }
                Err(e) => Err(e),
            }
        }
        c::FUTEX_WAKE => table.wake(&ctx.mm, addr, value, u32::MAX, private),
        c::FUTEX_WAKE_BITSET => table.wake(&ctx.mm, addr, value, a.u32(5), private),
        c::FUTEX_REQUEUE | c::FUTEX_CMP_REQUEUE => {
            if a.i32(2) < 0 || a.i32(3) < 0 {
                return Err(Errno::EINVAL);
            }
            let expected = (command == c::FUTEX_CMP_REQUEUE).then(|| a.u32(5));
            table.requeue(&ctx.mm, addr, value, a.u32(3), a.u64(4), expected, private)
        }
        c::FUTEX_WAKE_OP => table.wake_op(&ctx.mm, addr, value, a.u64(4), a.u32(3), a.u32(5), private),
        _ => Err(Errno::ENOSYS),
    }
}

pub(super) fn set_robust_list(ctx: &mut Ctx, a: &Args) -> SysResult {
    if a.u64(1) != 24 {
        return Err(Errno::EINVAL);
    }
    ctx.task.robust_list.store(a.u64(0), std::sync::atomic::Ordering::Relaxed);
    Ok(0)
}

pub(super) fn get_robust_list(ctx: &mut Ctx, a: &Args) -> SysResult {
    let tid = super::process::process_by_number(ctx, a.i32(0))?;
    let task = if a.i32(0) == 0 {
        std::sync::Arc::clone(&ctx.task)
    } else {
        std::sync::Arc::clone(ctx.task.kernel.tree.lock().task(tid)?)
    };
    let head = task.robust_list.load(std::sync::atomic::Ordering::Relaxed);
    ctx.mm.copy_out(a.u64(2), &24u64)?;
    ctx.mm.copy_out(a.u64(1), &head)?;
    Ok(0)
}
