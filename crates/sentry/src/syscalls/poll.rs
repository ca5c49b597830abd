//! Waiting for many files (poll(2), select(2)).

use std::sync::Arc;
use std::time::Instant;

use stockade_abi::Errno;
use stockade_abi::file::Pollfd;
use stockade_abi::misc::STICKY_TIMEOUTS;
use stockade_abi::signal::SigSet;
use stockade_abi::time::{Timespec, Timeval};

use super::restart::RestartBlock;
use super::{Args, Ctx, SysResult};
use crate::mm::UserMemory;
use crate::vfs::File;
use crate::wait::{Readiness, Registration};

/// A file to look at, and for what.
struct Watch {
    file: Option<Arc<File>>,
    wanted: Readiness,
}

/// Waits until one of the files is ready; returns what each is ready for.
fn wait_for_any(ctx: &Ctx, watches: &[Watch], deadline: Option<Instant>) -> Result<Vec<Readiness>, Errno> {
    let look = || {
        let ready: Vec<Readiness> = watches
            .iter()
            .map(|w| match &w.file {
                Some(file) => file.ops().poll() & (w.wanted | Readiness::ALWAYS),
                None => Readiness::NVAL,
            })
            .collect();
        if ready.iter().any(|r| !r.is_empty()) { Ok(ready) } else { Err(Errno::EAGAIN) }
    };
    if let Ok(ready) = look() {
        return Ok(ready);
    }
    let none = vec![Readiness::empty(); watches.len()];
    if deadline.is_some_and(|d| d <= Instant::now()) {
        return Ok(none);
    }
    let _registrations: Vec<Registration> = watches
        .iter()
        .filter_map(|w| {
            let queue = w.file.as_ref()?.ops().wait_queue()?;
            Some(queue.register(w.wanted | Readiness::ALWAYS, ctx.task.waiter.clone()))
        })
        .collect();
    match ctx.task.block_on(deadline, look) {
        Err(Errno::ETIMEDOUT) => Ok(none),
        other => other,
    }
}

fn do_poll(ctx: &Ctx, addr: u64, count: u64, deadline: Option<Instant>) -> SysResult {
    if count > ctx.task.fd_limit() {
        return Err(Errno::EINVAL);
    }
    let mut fds: Vec<Pollfd> = ctx.mm.copy_in_vec(addr, count as usize)?;
    let watched: Vec<usize> = (0..fds.len()).filter(|&i| fds[i].fd >= 0).collect();
    let watches: Vec<Watch> = watched
        .iter()
        .map(|&i| Watch {
            file: ctx.files.get_open(fds[i].fd).ok(),
            wanted: Readiness::from_bits_retain(u32::from(fds[i].events as u16)),
        })
        .collect();
    let ready = wait_for_any(ctx, &watches, deadline)?;
    for fd in &mut fds {
        fd.revents = 0;
    }
    for (&i, ready) in watched.iter().zip(&ready) {
        fds[i].revents = ready.bits() as u16 as i16;
    }
    ctx.mm.copy_out(addr, &fds[..])?;
    Ok(fds.iter().filter(|fd| fd.revents != 0).count() as u64)
}

/// poll(2) with its time-out made absolute.
#[derive(Clone)]
pub(crate) struct Poll {
    pub(crate) addr: u64,
    pub(crate) count: u64,
    pub(crate) deadline: Option<Instant>,
}

impl Poll {
    pub(super) fn run(self, ctx: &Ctx) -> SysResult {
        match do_poll(ctx, self.addr, self.count, self.deadline) {
            Err(Errno::ERESTARTSYS) => ctx.restart_by(RestartBlock::Poll(self)),
            other => other,
        }
    }
}

pub(super) fn poll(ctx: &mut Ctx, a: &Args) -> SysResult {
    let deadline = match a.i32(2) {
        t if t < 0 => None,
        t => Instant::now().checked_add(std::time::Duration::from_millis(t as u64)),
    };
    Poll { addr: a.u64(0), count: a.u64(1), deadline }.run(ctx)
}

/// A relative time-out in guest memory.
fn timeout(ctx: &Ctx, addr: u64) -> Result<Option<Instant>, Errno> {
    if addr == 0 {
        return Ok(None);
    }
    Ok(ctx.patience.deadline_after(ctx.mm.copy_in::<Timespec>(addr)?.to_duration()?))
}

/// Stores what is left of a time-out; that it cannot be stored is no error (select(2)).
fn store_left(ctx: &Ctx, addr: u64, deadline: Option<Instant>, micros: bool) {
    let Some(deadline) = deadline.filter(|_| addr != 0) else { return };
    if ctx.task.has_personality(STICKY_TIMEOUTS) {
        return;
    }
    let left = deadline.saturating_duration_since(Instant::now());
    let _ = if micros {
        ctx.mm.copy_out(addr, &Timeval::from_duration(left))
    } else {
        ctx.mm.copy_out(addr, &Timespec::from_duration(left))
    };
}

/// Replaces the mask for a call, if it gives one.
pub(super) fn mask_for_call(ctx: &Ctx, addr: u64, size: u64) -> Result<(), Errno> {
    if addr == 0 {
        return Ok(());
    }
    if size != 8 {
        return Err(Errno::EINVAL);
    }
    let mask: SigSet = ctx.mm.copy_in(addr)?;
    ctx.task.set_mask_for_call(mask);
    Ok(())
}

/// A call that took a mask of its own is not restarted once a handler ran.
fn no_restart(result: SysResult) -> SysResult {
    match result {
        Err(Errno::ERESTARTSYS) => Err(Errno::ERESTARTNOHAND),
        other => other,
    }
}

/// The end of a call with a mask of its own: unless it was interrupted, the old mask is back before any signal is
/// looked at.
pub(super) fn end_masked(ctx: &Ctx, result: SysResult) -> SysResult {
    if !matches!(result, Err(Errno::ERESTARTSYS | Errno::EINTR)) {
        ctx.task.restore_mask();
    }
    no_restart(result)
}

pub(super) fn ppoll(ctx: &mut Ctx, a: &Args) -> SysResult {
    let deadline = timeout(ctx, a.u64(2))?;
    mask_for_call(ctx, a.u64(3), a.u64(4))?;
    let result = do_poll(ctx, a.u64(0), a.u64(1), deadline);
    let result = end_masked(ctx, result);
    store_left(ctx, a.u64(2), deadline, false);
    result
}

/// Bits of fd_set at most (`FD_SETSIZE` does not bind the kernel; the table's size does).
const MAX_SELECT: i32 = 1 << 16;

/// What poll(2) calls the three sets of select(2).
const SETS: [Readiness; 3] = [
    Readiness::IN
        .union(Readiness::RDNORM)
        .union(Readiness::RDBAND)
        .union(Readiness::HUP)
        .union(Readiness::ERR),
    Readiness::OUT.union(Readiness::WRNORM).union(Readiness::WRBAND).union(Readiness::ERR),
    Readiness::PRI,
];

fn do_select(ctx: &Ctx, n: i32, sets: [u64; 3], deadline: Option<Instant>) -> SysResult {
    if n < 0 {
        return Err(Errno::EINVAL);
    }
    let n = n.min(MAX_SELECT).min(i32::try_from(ctx.files.size()).unwrap_or(i32::MAX)) as usize;
    let bytes = n.div_ceil(64) * 8;
    let mut given: [Vec<u8>; 3] = Default::default();
    for (set, addr) in given.iter_mut().zip(sets) {
        set.resize(bytes, 0);
        if addr != 0 {
            ctx.mm.read_exact(addr, set)?;
        }
    }
    let has = |set: &[u8], fd: usize| set[fd / 8] & (1 << (fd % 8)) != 0;
    let mut watches = Vec::new();
    let mut which = Vec::new();
    for fd in 0..n {
        let mut wanted = Readiness::empty();
        for (set, mask) in given.iter().zip(SETS) {
            if has(set, fd) {
                wanted |= mask;
            }
        }
        if !wanted.is_empty() {
            watches.push(Watch { file: Some(ctx.files.get_open(fd as i32)?), wanted });
            which.push(fd);
        }
    }
    // ERR and HUP count only where a set asks for them, so a file ready for nothing else must not end the wait.
    let ready = wait_for_any(ctx, &watches, deadline)?;
    let mut result: [Vec<u8>; 3] = [vec![0; bytes], vec![0; bytes], vec![0; bytes]];
    let mut count = 0;
    for (&fd, ready) in which.iter().zip(&ready) {
        for i in 0..3 {
            if has(&given[i], fd) && ready.intersects(SETS[i]) {
                result[i][fd / 8] |= 1 << (fd % 8);
                count += 1;
            }
        }
    }
    for (set, addr) in result.iter().zip(sets) {
        if addr != 0 {
            ctx.mm.write_exact(addr, set)?;
        }
    }
    Ok(count)
}

pub(super) fn select(ctx: &mut Ctx, a: &Args) -> SysResult {
    let deadline = match a.u64(4) {
        0 => None,
        addr => {
            let t: Timeval = ctx.mm.copy_in(addr)?;
            if t.sec < 0 || t.usec < 0 {
                return Err(Errno::EINVAL);
            }
            let t = Timeval { sec: t.sec.saturating_add(t.usec / 1_000_000), usec: t.usec % 1_000_000 };
            ctx.patience.deadline_after(t.to_duration()?)
        }
    };
    let result = no_restart(do_select(ctx, a.i32(0), [a.u64(1), a.u64(2), a.u64(3)], deadline));
    store_left(ctx, a.u64(4), deadline, true);
    result
}

pub(super) fn pselect6(ctx: &mut Ctx, a: &Args) -> SysResult {
    let deadline = timeout(ctx, a.u64(4))?;
    if a.u64(5) != 0 {
        let [mask, size]: [u64; 2] = ctx.mm.copy_in(a.u64(5))?;
        mask_for_call(ctx, mask, size)?;
    }
    let result = do_select(ctx, a.i32(0), [a.u64(1), a.u64(2), a.u64(3)], deadline);
    let result = end_masked(ctx, result);
    store_left(ctx, a.u64(4), deadline, false);
    result
}
