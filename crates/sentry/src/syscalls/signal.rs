//! Signals (rt_sigaction(2), kill(2), sigtimedwait(2), sigsuspend(2), sigaltstack(2)).

use std::sync::Arc;

use stockade_abi::Errno;
use stockade_abi::general as c;
use stockade_abi::signal::*;
use stockade_abi::time::Timespec;

use super::{Args, Ctx, SysResult};
use crate::creds::Credentials;
use crate::mm::UserMemory;
use crate::signal::frame;
use crate::task::{Group, Task, Tree};

/// `sizeof(sigset_t)` as the kernel counts it.
fn check_set_size(size: u64) -> Result<(), Errno> {
    if size == 8 { Ok(()) } else { Err(Errno::EINVAL) }
}

pub(super) fn rt_sigaction(ctx: &mut Ctx, a: &Args) -> SysResult {
    check_set_size(a.u64(3))?;
    let signo = a.i32(0);
    let new: Option<SigAction> = if a.u64(1) == 0 { None } else { Some(ctx.mm.copy_in(a.u64(1))?) };
    if !is_valid(signo) || (new.is_some() && SigSet::UNBLOCKABLE.contains(signo)) {
        return Err(Errno::EINVAL);
    }
    let actions = ctx.task.tg.actions();
    let old = match new {
        None => actions.get(signo),
        Some(mut action) => {
            let known = SaFlags::all().bits() & !SaFlags::UNSUPPORTED.bits();
            action.flags &= known;
            action.mask = action.mask.minus(SigSet::UNBLOCKABLE);
            let old = actions.set(signo, action);
            if actions.ignores(signo) {
                discard(&ctx.task, signo);
            } else if old.handler == SIG_IGN || old.handler == SIG_DFL {
                ctx.task.tg.timers.on_unignored(&ctx.task.kernel, signo);
            }
            old
        }
    };
    if a.u64(2) != 0 {
        ctx.mm.copy_out(a.u64(2), &old)?;
    }
    Ok(0)
}

/// A signal that is ignored from now on is no longer pending.
fn discard(task: &Task, signo: i32) {
    let tree = task.kernel.tree.lock();
    let Ok(group) = tree.group(task.tg.tgid) else { return };
    task.tg.signals.lock().pending.discard(SigSet::of(signo));
    for thread in &group.threads {
        thread.signals.lock().pending.discard(SigSet::of(signo));
    }
}

pub(super) fn rt_sigprocmask(ctx: &mut Ctx, a: &Args) -> SysResult {
    check_set_size(a.u64(3))?;
    let old = ctx.task.signals.lock().mask;
    if a.u64(1) != 0 {
        let set: SigSet = ctx.mm.copy_in(a.u64(1))?;
        let new = match a.i32(0) {
            SIG_BLOCK => old | set,
            SIG_UNBLOCK => old.minus(set),
            SIG_SETMASK => set,
            _ => return Err(Errno::EINVAL),
        };
        ctx.task.set_mask(new);
    }
    if a.u64(2) != 0 {
        ctx.mm.copy_out(a.u64(2), &old)?;
    }
    Ok(0)
}

pub(super) fn rt_sigpending(ctx: &mut Ctx, a: &Args) -> SysResult {
    if a.u64(1) > 8 {
        return Err(Errno::EINVAL);
    }
    let pending = ctx.task.pending_signals() & ctx.task.signals.lock().mask;
    ctx.mm.write_exact(a.u64(0), &pending.0.to_ne_bytes()[..a.u64(1) as usize])?;
    Ok(0)
}

pub(super) fn rt_sigsuspend(ctx: &mut Ctx, a: &Args) -> SysResult {
    check_set_size(a.u64(1))?;
    let mask: SigSet = ctx.mm.copy_in(a.u64(0))?;
    ctx.task.set_mask_for_call(mask);
    wait_for_signal(ctx)
}

pub(super) fn pause(ctx: &mut Ctx, _a: &Args) -> SysResult {
    wait_for_signal(ctx)
}

fn wait_for_signal(ctx: &Ctx) -> SysResult {
    match ctx.task.block_on::<u64>(None, || Err(Errno::EAGAIN)) {
        Err(Errno::ERESTARTSYS) => Err(Errno::ERESTARTNOHAND),
        other => other,
    }
}

pub(super) fn rt_sigtimedwait(ctx: &mut Ctx, a: &Args) -> SysResult {
    check_set_size(a.u64(3))?;
    let set: SigSet = ctx.mm.copy_in(a.u64(0))?;
    let set = set.minus(SigSet::UNBLOCKABLE);
    let deadline = match a.u64(2) {
        0 => None,
        addr => {
            let timeout = ctx.mm.copy_in::<Timespec>(addr)?.to_duration()?;
            ctx.patience.deadline_after(timeout)
        }
    };
    let task = Arc::clone(&ctx.task);
    task.signals.lock().waiting_for = set;
    let found = crate::wait::block_on(
        &task.waiter,
        deadline,
        || task.is_interrupted() && task.has_other_work(set),
        || task.take_signal_of(set).ok_or(Errno::EAGAIN),
    );
    task.signals.lock().waiting_for = SigSet::EMPTY;
    task.retarget_signals(set);
    let info = match found {
        Ok(info) => info,
        Err(Errno::ETIMEDOUT) => return Err(Errno::EAGAIN),
        Err(Errno::ERESTARTSYS) => return Err(Errno::EINTR),
        Err(e) => return Err(e),
    };
    if a.u64(1) != 0 {
        ctx.mm.copy_out(a.u64(1), &info)?;
    }
    Ok(info.signo as u64)
}

pub(super) fn rt_sigreturn(ctx: &mut Ctx, _a: &Args) -> SysResult {
    ctx.return_from_handler();
    Ok(0)
}

pub(super) fn sigaltstack(ctx: &mut Ctx, a: &Args) -> SysResult {
    let sp = ctx.thread().context().regs.rsp;
    let mut old = ctx.task.signals.lock().altstack;
    old.flags &= SS_AUTODISARM;
    if old.size == 0 {
        old.flags |= SS_DISABLE;
    } else if frame::is_using(&old, sp) {
        old.flags |= SS_ONSTACK;
    }
    if a.u64(0) != 0 {
        let new: StackT = ctx.mm.copy_in(a.u64(0))?;
        ctx.task.set_altstack(&new, sp)?;
    }
    if a.u64(1) != 0 {
        ctx.mm.copy_out(a.u64(1), &old)?;
    }
    Ok(0)
}

/// Whether `creds` may signal a process of `target` (kill(2)).
fn may_signal(tree: &Tree, sender: &Task, creds: &Credentials, tgid: i32, signo: i32) -> Result<(), Errno> {
    let group = tree.group(tgid)?;
    let Some(thread) = group.threads.first() else { return Ok(()) };
    let target = thread.creds();
    let same_user = [creds.uid, creds.euid].iter().any(|id| *id == target.uid || *id == target.suid);
    if same_user || creds.has_cap(c::CAP_KILL) || Arc::ptr_eq(&sender.tg, &thread.tg) {
        return Ok(());
    }
    let my_session = tree.group(sender.tg.tgid)?.sid;
    if signo == SIGCONT && group.sid == my_session { Ok(()) } else { Err(Errno::EPERM) }
}

fn sender_info(ctx: &Ctx, signo: i32, code: i32) -> SigInfo {
    SigInfo::from_user(signo, code, ctx.task.local_pid(), ctx.task.creds().uid.0)
}

/// Checks and sends to one process; signal 0 only checks.
fn send_to(tree: &Tree, ctx: &Ctx, tgid: i32, info: &SigInfo) -> Result<(), Errno> {
    may_signal(tree, &ctx.task, &ctx.task.creds(), tgid, info.signo)?;
    if info.signo == 0 { Ok(()) } else { tree.send_from(&ctx.task, tgid, None, info) }
}

pub(super) fn kill(ctx: &mut Ctx, a: &Args) -> SysResult {
    let (pid, signo) = (a.i32(0), a.i32(1));
    if signo != 0 && !is_valid(signo) {
        return Err(Errno::EINVAL);
    }
    let info = sender_info(ctx, signo, si::SI_USER);
    let pidns = Arc::clone(&ctx.task.tg.pidns);
    let kernel = Arc::clone(&ctx.task.kernel);
    let tree = kernel.tree.lock();
    let me = ctx.task.tg.tgid;
    let result = match pid {
        pid if pid > 0 => {
            let root = pidns.root_of(pid).ok_or(Errno::ESRCH)?;
            let tgid = tree.tasks.get(&root).map_or(root, |t| t.tg.tgid);
            send_to(&tree, ctx, tgid, &info)
        }
        i32::MIN => Err(Errno::ESRCH),
        _ => {
            let wanted = match pid {
                0 => Some(tree.group(me)?.pgid),
                -1 => None,
                pid => Some(pidns.root_of(-pid).ok_or(Errno::ESRCH)?),
            };
            let is_meant = |g: &Group| match wanted {
                Some(pgid) => g.pgid == pgid,
                // Everybody but init and the caller, as far as can be seen.
                None => g.tg.tgid != me && pidns.local(g.tg.tgid) > 1,
            };
            send_to_all(&tree, ctx, &info, is_meant, pid == -1)
        }
    };
    drop(tree);
    kernel.report_continued();
    result.map(|()| 0)
}

/// Sends to several processes, with success if one gets it; `forgives`: those that may not be sent to do not count.
fn send_to_all(
    tree: &Tree,
    ctx: &Ctx,
    info: &SigInfo,
    is_meant: impl Fn(&Group) -> bool,
    forgives: bool,
) -> Result<(), Errno> {
    let targets: Vec<i32> = tree.groups.values().filter(|g| is_meant(g)).map(|g| g.tg.tgid).collect();
    let mut outcome = Err(Errno::ESRCH);
    for tgid in targets {
        match send_to(tree, ctx, tgid, info) {
            Ok(()) => outcome = Ok(()),
            Err(e) if outcome == Err(Errno::ESRCH) && !(forgives && e == Errno::EPERM) => outcome = Err(e),
            Err(_) => {}
        }
    }
    outcome
}

/// Sends to one thread; `tgid` none for any process.
fn send_to_thread(ctx: &Ctx, tgid: Option<i32>, tid: i32, info: &SigInfo) -> SysResult {
    if tid <= 0 || tgid.is_some_and(|t| t <= 0) || (info.signo != 0 && !is_valid(info.signo)) {
        return Err(Errno::EINVAL);
    }
    let pidns = &ctx.task.tg.pidns;
    let root = pidns.root_of(tid).ok_or(Errno::ESRCH)?;
    let kernel = Arc::clone(&ctx.task.kernel);
    let tree = kernel.tree.lock();
    let task = match tree.task(root) {
        Ok(task) => Arc::clone(task),
        // A leader that has ended while others go on, or a zombie.
        Err(e) => {
            let group = tree.group(root).map_err(|_| e)?;
            may_signal(&tree, &ctx.task, &ctx.task.creds(), group.tg.tgid, info.signo)?;
            return Ok(0);
        }
    };
    if tgid.is_some_and(|t| pidns.root_of(t) != Some(task.tg.tgid)) {
        return Err(Errno::ESRCH);
    }
    may_signal(&tree, &ctx.task, &ctx.task.creds(), task.tg.tgid, info.signo)?;
    if info.signo != 0 {
        tree.send_from(&ctx.task, task.tg.tgid, Some(&task), info)?;
    }
    drop(tree);
    kernel.report_continued();
    Ok(0)
}

pub(super) fn tkill(ctx: &mut Ctx, a: &Args) -> SysResult {
    let info = sender_info(ctx, a.i32(1), si::SI_TKILL);
    send_to_thread(ctx, None, a.i32(0), &info)
}

pub(super) fn tgkill(ctx: &mut Ctx, a: &Args) -> SysResult {
    let info = sender_info(ctx, a.i32(2), si::SI_TKILL);
    send_to_thread(ctx, Some(a.i32(0)), a.i32(1), &info)
}

/// A siginfo that a guest made up: only some codes may be sent to others.
fn made_up(ctx: &Ctx, addr: u64, signo: i32, to_self: bool) -> Result<SigInfo, Errno> {
    let mut info: SigInfo = ctx.mm.copy_in(addr)?;
    info.signo = signo;
    if (info.code >= 0 || info.code == si::SI_TKILL) && !to_self {
        return Err(Errno::EPERM);
    }
    Ok(info)
}

pub(super) fn rt_sigqueueinfo(ctx: &mut Ctx, a: &Args) -> SysResult {
    let (pid, signo) = (a.i32(0), a.i32(1));
    let info = made_up(ctx, a.u64(2), signo, pid == ctx.task.local_pid())?;
    if signo != 0 && !is_valid(signo) {
        return Err(Errno::EINVAL);
    }
    let root = ctx.task.tg.pidns.root_of(pid).ok_or(Errno::ESRCH)?;
    let kernel = Arc::clone(&ctx.task.kernel);
    let tree = kernel.tree.lock();
    let tgid = tree.tasks.get(&root).map_or(root, |t| t.tg.tgid);
    let result = send_to(&tree, ctx, tgid, &info);
    drop(tree);
    kernel.report_continued();
    result.map(|()| 0)
}

pub(super) fn rt_tgsigqueueinfo(ctx: &mut Ctx, a: &Args) -> SysResult {
    let info = made_up(ctx, a.u64(3), a.i32(2), a.i32(0) == ctx.task.local_pid())?;
    send_to_thread(ctx, Some(a.i32(0)), a.i32(1), &info)
}

/// PIDFD_SIGNAL_ flags: whom a signal is for, whatever the descriptor is of.
const SIGNAL_THREAD: u32 = 1;
const SIGNAL_THREAD_GROUP: u32 = 2;
const SIGNAL_PROCESS_GROUP: u32 = 4;

pub(super) fn pidfd_send_signal(ctx: &mut Ctx, a: &Args) -> SysResult {
    let signo = a.i32(1);
    if !matches!(a.u32(3), 0 | SIGNAL_THREAD | SIGNAL_THREAD_GROUP | SIGNAL_PROCESS_GROUP)
        || (signo != 0 && !is_valid(signo))
    {
        return Err(Errno::EINVAL);
    }
    let file = ctx.files.get(a.i32(0))?;
    let pidfd = file.ops().downcast_ref::<crate::fs::pidfd::PidFd>().ok_or(Errno::EBADF)?;
    let number = pidfd.number();
    let whom = match a.u32(3) {
        0 if pidfd.is_of_thread() => SIGNAL_THREAD,
        whom => whom,
    };
    let info = match a.u64(2) {
        0 if whom == SIGNAL_THREAD => sender_info(ctx, signo, si::SI_TKILL),
        0 => sender_info(ctx, signo, si::SI_USER),
        addr => {
            let info = made_up(ctx, addr, signo, number == ctx.task.tg.tgid)?;
            if ctx.mm.copy_in::<SigInfo>(addr)?.signo != signo {
                return Err(Errno::EINVAL);
            }
            info
        }
    };
    let kernel = Arc::clone(&ctx.task.kernel);
    let tree = kernel.tree.lock();
    if !pidfd.is_there(&tree) {
        return Err(Errno::ESRCH);
    }
    let tgid = pidfd.tg.tgid;
    let result = match whom {
        SIGNAL_PROCESS_GROUP => send_to_all(&tree, ctx, &info, |g| g.pgid == number, false),
        SIGNAL_THREAD => may_signal(&tree, &ctx.task, &ctx.task.creds(), tgid, signo).and_then(|()| {
            // A leader that has ended while others go on, or a zombie, takes none.
            let thread = tree.task(number).ok().filter(|_| signo != 0).cloned();
            thread.map_or(Ok(()), |thread| tree.send_from(&ctx.task, tgid, Some(&thread), &info))
        }),
        _ => send_to(&tree, ctx, tgid, &info),
    };
    drop(tree);
    kernel.report_continued();
    result.map(|()| 0)
}

impl Task {
    /// Whether there is something to do beside the signals of a set that a call takes itself.
    fn has_other_work(&self, taken: SigSet) -> bool {
        use crate::task::work;
        if self.work() & (work::EXIT | work::STOP | work::SAVE) != 0 {
            return true;
        }
        let pending = self.pending_signals();
        let mask = self.signals.lock().mask;
        !pending.minus(mask).minus(taken).is_empty()
    }
}
