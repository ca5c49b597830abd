//! A task's settings (prctl(2)).

use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use stockade_abi::Errno;
use stockade_abi::general as c;
use stockade_abi::prctl as p;
use stockade_abi::sched::CAP_LAST_CAP;
use stockade_abi::signal::is_valid;

use super::{Args, Ctx, SysResult};
use crate::creds::securebits::{KEEP_CAPS, KEEP_CAPS_LOCKED};
use crate::mm::UserMemory;
use crate::task::Task;

/// Bytes that Linux keeps for the auxiliary vector: 25 pairs on x86-64.
const AUXV_SIZE: usize = 400;

/// Arguments from the nth on have to be zero.
fn zero_from(a: &Args, n: usize) -> Result<(), Errno> {
    if (n..5).all(|i| a.u64(i) == 0) { Ok(()) } else { Err(Errno::EINVAL) }
}

/// 0 or 1.
fn switch(value: u64) -> Result<bool, Errno> {
    if value <= 1 { Ok(value == 1) } else { Err(Errno::EINVAL) }
}

fn check_cap(task: &Task, cap: u32) -> Result<(), Errno> {
    if task.creds().has_cap(cap) { Ok(()) } else { Err(Errno::EPERM) }
}

pub(super) fn prctl(ctx: &mut Ctx, a: &Args) -> SysResult {
    let task = Arc::clone(&ctx.task);
    let tg = &task.tg;
    match a.u32(0) {
        p::PR_SET_NAME => return set_name(ctx, a.u64(1)),
        p::PR_GET_NAME => {
            let mut name = [0; 16];
            let current = task.name.read().clone();
            name[..current.len()].copy_from_slice(&current);
            ctx.mm.copy_out(a.u64(1), &name)?;
        }
        p::PR_SET_PDEATHSIG => {
            let signo = i32::try_from(a.u64(1)).map_err(|_| Errno::EINVAL)?;
            if signo != 0 && !is_valid(signo) {
                return Err(Errno::EINVAL);
            }
            task.pdeathsig.store(signo, Ordering::Relaxed);
        }
        p::PR_GET_PDEATHSIG => ctx.mm.copy_out(a.u64(1), &task.pdeathsig.load(Ordering::Relaxed))?,
        p::PR_GET_DUMPABLE => return Ok(u64::from(tg.dumpable.load(Ordering::Relaxed))),
        p::PR_SET_DUMPABLE => tg.dumpable.store(u32::from(switch(a.u64(1))?), Ordering::Relaxed),
        p::PR_SET_CHILD_SUBREAPER => tg.is_subreaper.store(a.u64(1) != 0, Ordering::Relaxed),
        p::PR_GET_CHILD_SUBREAPER => {
            ctx.mm.copy_out(a.u64(1), &i32::from(tg.is_subreaper.load(Ordering::Relaxed)))?;
        }
        p::PR_SET_TIMERSLACK => {
            task.set_timer_slack(a.u64(1));
            // The thread that serves it sleeps for it. What the host does not grant only makes it wake later.
            let slack = NonZeroU64::new(task.timer_slack.load(Ordering::Relaxed));
            let _ = rustix::thread::set_current_timer_slack(slack);
        }
        p::PR_GET_TIMERSLACK => return Ok(task.timer_slack.load(Ordering::Relaxed)),
        p::PR_GET_TSC => ctx.mm.copy_out(a.u64(1), &p::PR_TSC_ENABLE)?,
        p::PR_SET_TSC if a.u32(1) == p::PR_TSC_ENABLE => {}
        p::PR_GET_TIMING => {}
        p::PR_SET_TIMING if a.u64(1) == 0 => {}
        p::PR_SET_THP_DISABLE => {
            zero_from(a, 2)?;
            tg.thp_disabled.store(a.u64(1) != 0, Ordering::Relaxed);
        }
        p::PR_GET_THP_DISABLE => {
            zero_from(a, 1)?;
            return Ok(u64::from(tg.thp_disabled.load(Ordering::Relaxed)));
        }
        p::PR_SET_MDWE => {
            zero_from(a, 2)?;
            ctx.mm.refuse_exec_gain(a.u64(1))?;
        }
        p::PR_GET_MDWE => {
            zero_from(a, 1)?;
            return Ok(u64::from(ctx.mm.exec_gain()));
        }
        p::PR_MCE_KILL => return mce_kill(&task, a),
        p::PR_MCE_KILL_GET => {
            zero_from(a, 1)?;
            return Ok(u64::from(tg.mce_kill.load(Ordering::Relaxed)));
        }
        p::PR_SET_MM => {
            check_cap(&task, c::CAP_SYS_RESOURCE)?;
            return Err(Errno::EINVAL);
        }
        p::PR_GET_TID_ADDRESS => ctx.mm.copy_out(a.u64(1), &task.clear_child_tid.load(Ordering::Relaxed))?,
        p::PR_GET_AUXV => return auxv(ctx, a),
        p::PR_GET_IO_FLUSHER => {
            check_cap(&task, c::CAP_SYS_RESOURCE)?;
            zero_from(a, 1)?;
        }
        // No such mitigation is there to be switched.
        p::PR_GET_SPECULATION_CTRL => {
            zero_from(a, 2)?;
            return Err(Errno::ENODEV);
        }
        _ => return rights(ctx, a),
    }
    Ok(0)
}

/// The settings that are part of credentials.
fn rights(ctx: &mut Ctx, a: &Args) -> SysResult {
    let task = Arc::clone(&ctx.task);
    match a.u32(0) {
        p::PR_SET_NO_NEW_PRIVS => {
            zero_from(a, 2)?;
            if a.u64(1) != 1 {
                return Err(Errno::EINVAL);
            }
            task.change_creds(|c| {
                c.no_new_privs = true;
                Ok(0)
            })
        }
        p::PR_GET_NO_NEW_PRIVS => {
            zero_from(a, 1)?;
            Ok(u64::from(task.creds().no_new_privs))
        }
        p::PR_GET_KEEPCAPS => Ok(u64::from(task.creds().securebits & KEEP_CAPS != 0)),
        p::PR_SET_KEEPCAPS => {
            let on = switch(a.u64(1))?;
            task.change_creds(|c| {
                if c.securebits & KEEP_CAPS_LOCKED != 0 {
                    return Err(Errno::EPERM);
                }
                c.securebits = c.securebits & !KEEP_CAPS | if on { KEEP_CAPS } else { 0 };
                Ok(0)
            })
        }
        p::PR_GET_SECUREBITS => Ok(u64::from(task.creds().securebits)),
        p::PR_SET_SECUREBITS => task.change_creds(|c| c.set_securebits(a.u64(1)).map(|()| 0)),
        p::PR_CAPBSET_READ => Ok(task.creds().bounding >> known_cap(a.u64(1))? & 1),
        p::PR_CAPBSET_DROP => {
            check_cap(&task, c::CAP_SETPCAP)?;
            let cap = known_cap(a.u64(1))?;
            task.change_creds(|c| {
                c.bounding &= !(1 << cap);
                Ok(0)
            })
        }
        p::PR_CAP_AMBIENT => super::ids::cap_ambient(ctx, a),
        _ => Err(Errno::EINVAL),
    }
}

fn known_cap(cap: u64) -> Result<u64, Errno> {
    if cap <= u64::from(CAP_LAST_CAP) { Ok(cap) } else { Err(Errno::EINVAL) }
}

fn set_name(ctx: &Ctx, addr: u64) -> SysResult {
    let mut name = match ctx.mm.copy_in_c_string(addr, 16) {
        Err(Errno::ENAMETOOLONG) => {
            let mut bytes = vec![0; 15];
            ctx.mm.read_exact(addr, &mut bytes)?;
            bytes
        }
        other => other?,
    };
    name.truncate(15);
    ctx.task.set_name(name);
    Ok(0)
}

/// As much of the auxiliary vector as there is room for; all that it is long.
fn auxv(ctx: &Ctx, a: &Args) -> SysResult {
    if a.u64(3) != 0 || a.u64(4) != 0 {
        return Err(Errno::EINVAL);
    }
    // As `/proc/PID/auxv`, but for room that Linux keeps at its end.
    let mut auxv = ctx.mm.auxv();
    auxv.resize(auxv.len().max(AUXV_SIZE), 0);
    let fits = auxv.len().min(usize::try_from(a.u64(2)).unwrap_or(usize::MAX));
    ctx.mm.write_exact(a.u64(1), &auxv[..fits])?;
    Ok(auxv.len() as u64)
}

/// What a memory error of the machine would do; guests never see one.
fn mce_kill(task: &Task, a: &Args) -> SysResult {
    zero_from(a, 3)?;
    let policy = match (a.u64(1), a.u64(2)) {
        (0, 0) => p::PR_MCE_KILL_DEFAULT,
        (1, policy @ 0..=2) => policy as u32,
        _ => return Err(Errno::EINVAL),
    };
    task.tg.mce_kill.store(policy, Ordering::Relaxed);
    Ok(0)
}
