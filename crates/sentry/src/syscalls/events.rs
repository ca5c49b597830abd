//! Event files (eventfd(2), epoll(7)).

use std::sync::Arc;
use std::time::{Duration, Instant};

use stockade_abi::Errno;
use stockade_abi::file::EpollEvent;
use stockade_abi::general as c;
use stockade_abi::time::Timespec;

use super::poll::{end_masked, mask_for_call};
use super::{Args, Ctx, SysResult};
use crate::fs::epoll::Epoll;
use crate::fs::eventfd::{EventFd, SEMAPHORE};
use crate::mm::UserMemory;
use crate::vfs::{File, anon};
use crate::wait::Readiness;

fn new_eventfd(ctx: &Ctx, count: u32, flags: u32) -> SysResult {
    if flags & !(c::O_CLOEXEC | c::O_NONBLOCK | SEMAPHORE) != 0 {
        return Err(Errno::EINVAL);
    }
    let ops = EventFd::new(u64::from(count), flags & SEMAPHORE != 0);
    let file = anon::file("[eventfd]", ops, c::O_RDWR | (flags & c::O_NONBLOCK));
    Ok(ctx.files.add(file, flags & c::O_CLOEXEC != 0, ctx.task.fd_limit())? as u64)
}

pub(super) fn eventfd(ctx: &mut Ctx, a: &Args) -> SysResult {
    new_eventfd(ctx, a.u32(0), 0)
}

pub(super) fn eventfd2(ctx: &mut Ctx, a: &Args) -> SysResult {
    new_eventfd(ctx, a.u32(0), a.u32(1))
}

fn new_epoll(ctx: &Ctx, flags: u32) -> SysResult {
    if flags & !c::O_CLOEXEC != 0 {
        return Err(Errno::EINVAL);
    }
    let file = anon::file("[eventpoll]", Epoll::new(), c::O_RDWR);
    Ok(ctx.files.add(file, flags != 0, ctx.task.fd_limit())? as u64)
}

pub(super) fn epoll_create(ctx: &mut Ctx, a: &Args) -> SysResult {
    if a.i32(0) <= 0 { Err(Errno::EINVAL) } else { new_epoll(ctx, 0) }
}

pub(super) fn epoll_create1(ctx: &mut Ctx, a: &Args) -> SysResult {
    new_epoll(ctx, a.u32(0))
}

pub(super) fn epoll_ctl(ctx: &mut Ctx, a: &Args) -> SysResult {
    let (op, fd) = (a.u32(1), a.i32(2));
    let event: EpollEvent =
        if op == c::EPOLL_CTL_DEL { EpollEvent::default() } else { ctx.mm.copy_in(a.u64(3))? };
    let holder = ctx.file(a.i32(0))?;
    let file = ctx.file(fd)?;
    if file.ops().wait_queue().is_none() {
        return Err(Errno::EPERM);
    }
    let epoll =
        holder.ops().downcast_ref::<Epoll>().filter(|_| !Arc::ptr_eq(&holder, &file)).ok_or(Errno::EINVAL)?;
    let exclusive_ok = c::EPOLLIN
        | c::EPOLLOUT
        | c::EPOLLERR
        | c::EPOLLHUP
        | c::EPOLLWAKEUP
        | c::EPOLLET
        | c::EPOLLEXCLUSIVE;
    if event.events & c::EPOLLEXCLUSIVE != 0 && event.events & !exclusive_ok != 0 {
        return Err(Errno::EINVAL);
    }
    match op {
        c::EPOLL_CTL_ADD => epoll.add(fd, &file, event),
        c::EPOLL_CTL_MOD => epoll.modify(fd, &file, event),
        c::EPOLL_CTL_DEL => epoll.remove(fd, &file),
        _ => Err(Errno::EINVAL),
    }?;
    Ok(0)
}

/// Events of one wait at most (`EP_MAX_EVENTS` is larger; more than this nobody asks for).
const MAX_EVENTS: i32 = i32::MAX / 12;

fn wait(ctx: &Ctx, a: &Args, deadline: Option<Instant>) -> SysResult {
    let max = a.i32(2);
    if max <= 0 || max > MAX_EVENTS {
        return Err(Errno::EINVAL);
    }
    let holder: Arc<File> = ctx.file(a.i32(0))?;
    let epoll = holder.ops().downcast_ref::<Epoll>().ok_or(Errno::EINVAL)?;
    let max = (max as usize).min(4096);
    let mut events = epoll.collect(max);
    if events.is_empty() && deadline.is_none_or(|d| d > Instant::now()) {
        let queue = holder.ops().wait_queue().ok_or(Errno::EINVAL)?;
        let _registration = queue.register(Readiness::READABLE, ctx.task.waiter.clone());
        let attempt = || {
            let events = epoll.collect(max);
            if events.is_empty() { Err(Errno::EAGAIN) } else { Ok(events) }
        };
        events = match ctx.task.block_on(deadline, attempt) {
            Err(Errno::ETIMEDOUT) => Vec::new(),
            // epoll_wait(2) is never restarted.
            Err(Errno::ERESTARTSYS) => return Err(Errno::EINTR),
            other => other?,
        };
    }
    ctx.mm.copy_out(a.u64(1), &events[..])?;
    Ok(events.len() as u64)
}

fn deadline_in_ms(ctx: &Ctx, ms: i32) -> Option<Instant> {
    u64::try_from(ms).ok().and_then(|ms| ctx.patience.deadline_after(Duration::from_millis(ms)))
}

pub(super) fn epoll_wait(ctx: &mut Ctx, a: &Args) -> SysResult {
    wait(ctx, a, deadline_in_ms(ctx, a.i32(3)))
}

pub(super) fn epoll_pwait(ctx: &mut Ctx, a: &Args) -> SysResult {
    mask_for_call(ctx, a.u64(4), a.u64(5))?;
    end_masked(ctx, wait(ctx, a, deadline_in_ms(ctx, a.i32(3))))
}

pub(super) fn epoll_pwait2(ctx: &mut Ctx, a: &Args) -> SysResult {
    let deadline = match a.u64(3) {
        0 => None,
        addr => ctx.patience.deadline_after(ctx.mm.copy_in::<Timespec>(addr)?.to_duration()?),
    };
    mask_for_call(ctx, a.u64(4), a.u64(5))?;
    end_masked(ctx, wait(ctx, a, deadline))
}
