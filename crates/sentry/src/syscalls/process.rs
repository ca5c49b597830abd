//! Processes (clone(2), execve(2), exit(2), wait4(2), setpgid(2), prctl(2)).

use std::sync::Arc;
use std::sync::atomic::Ordering;

use stockade_abi::Errno;
use stockade_abi::general as c;
use stockade_abi::misc::PAGE_SIZE;
use stockade_abi::sched::{CLONE_ARGS_SIZE_VER0, CloneArgs as RawCloneArgs};
use stockade_abi::signal::{SIGCHLD, SigInfo, is_valid};

use super::open::copy_in_extensible;
use super::time::rusage;
use super::{Args, Ctx, Flow, SysResult};
use crate::fs::pidfd::{self, PidFd};
use crate::mm::UserMemory;
use crate::task::clone::{self, CloneArgs};
use crate::task::exec::{self, ByDescriptor};
use crate::task::exit::status_of_exit;
use crate::task::wait::Which;

pub(super) fn clone(ctx: &mut Ctx, a: &Args) -> SysResult {
    let flags = a.u64(0);
    let pidfd = flags & u64::from(c::CLONE_PIDFD) != 0;
    if pidfd && flags & u64::from(c::CLONE_PARENT_SETTID | c::CLONE_DETACHED) != 0 {
        return Err(Errno::EINVAL);
    }
    let args = CloneArgs {
        flags: flags & 0xffff_ff00,
        pidfd: if pidfd { a.u64(2) } else { 0 },
        child_tid: a.u64(3),
        parent_tid: a.u64(2),
        exit_signal: (flags & 0xff) as i32,
        stack: a.u64(1),
        tls: a.u64(4),
        set_tid: Vec::new(),
    };
    clone::clone(ctx, &args)
}

pub(super) fn clone3(ctx: &mut Ctx, a: &Args) -> SysResult {
    if a.u64(1) < CLONE_ARGS_SIZE_VER0 {
        return Err(Errno::EINVAL);
    }
    let raw: RawCloneArgs = copy_in_extensible(ctx, a.u64(0), a.u64(1))?;
    if raw.flags & !0x3_ffff_ffff != 0
        || raw.flags & u64::from(c::CLONE_DETACHED) != 0
        || raw.flags & (u64::from(c::CSIGNAL) & !u64::from(c::CLONE_NEWTIME)) != 0
        || (raw.flags & u64::from(c::CLONE_THREAD | c::CLONE_PARENT) != 0 && raw.exit_signal != 0)
        || (raw.stack == 0) != (raw.stack_size == 0)
        || (raw.set_tid == 0) != (raw.set_tid_size == 0)
        || raw.set_tid_size > 32
    {
        return Err(Errno::EINVAL);
    }
    let exit_signal = i32::try_from(raw.exit_signal).map_err(|_| Errno::EINVAL)?;
    if exit_signal != 0 && !is_valid(exit_signal) {
        return Err(Errno::EINVAL);
    }
    let stack = raw.stack.checked_add(raw.stack_size).ok_or(Errno::EINVAL)?;
    let args = CloneArgs {
        flags: raw.flags,
        pidfd: raw.pidfd,
        child_tid: raw.child_tid,
        parent_tid: raw.parent_tid,
        exit_signal,
        stack,
        tls: raw.tls,
        set_tid: ctx.mm.copy_in_vec(raw.set_tid, raw.set_tid_size as usize)?,
    };
    clone::clone(ctx, &args)
}

pub(super) fn fork(ctx: &mut Ctx, _a: &Args) -> SysResult {
    clone::fork(ctx)
}

pub(super) fn vfork(ctx: &mut Ctx, _a: &Args) -> SysResult {
    clone::vfork(ctx)
}

/// Bytes of arguments and environment together at most, whatever the stack's limit.
const MAX_STRINGS: usize = 6 << 20;
/// Bytes of one string with its zero.
const MAX_STRING: usize = 32 * PAGE_SIZE as usize;

/// What has been copied in of a page of the guest's: strings of arguments and environment mostly lie beside each other.
#[derive(Default)]
struct Window {
    start: u64,
    bytes: Vec<u8>,
}

impl Window {
    fn string(&mut self, ctx: &Ctx, addr: u64) -> Result<Vec<u8>, Errno> {
        if let Some(string) = self.find(addr) {
            return Ok(string.to_vec());
        }
        let len = (PAGE_SIZE - addr % PAGE_SIZE) as usize;
        self.bytes.resize(len, 0);
        self.start = addr;
        let got = ctx.mm.read(addr, &mut self.bytes)?;
        self.bytes.truncate(got);
        match self.find(addr) {
            Some(string) => Ok(string.to_vec()),
            None => ctx.mm.copy_in_c_string(addr, MAX_STRING).map_err(|e| match e {
                Errno::ENAMETOOLONG => Errno::E2BIG,
                e => e,
            }),
        }
    }

    fn find(&self, addr: u64) -> Option<&[u8]> {
        let rest = self.bytes.get(usize::try_from(addr.checked_sub(self.start)?).ok()?..)?;
        rest.iter().position(|&b| b == 0).map(|end| &rest[..end])
    }
}

fn strings(ctx: &Ctx, mut addr: u64, total: &mut usize) -> Result<Vec<Vec<u8>>, Errno> {
    let mut window = Window::default();
    let mut list = Vec::new();
    // Linux takes a null pointer for an empty list.
    if addr == 0 {
        return Ok(list);
    }
    let mut page = [0u64; 64];
    loop {
        let mut bytes = [0; 512];
        let got = ctx.mm.read(addr, &mut bytes)? / 8;
        if got == 0 {
            return Err(Errno::EFAULT);
        }
        for (word, b) in page.iter_mut().zip(bytes.chunks_exact(8)).take(got) {
            *word = b.try_into().map_or(0, u64::from_ne_bytes);
        }
        for &string in &page[..got] {
            if string == 0 {
                return Ok(list);
            }
            let s = window.string(ctx, string)?;
            *total += s.len() + 9;
            if *total > MAX_STRINGS {
                return Err(Errno::E2BIG);
            }
            list.push(s);
        }
        addr += got as u64 * 8;
    }
}

pub(super) fn execve(ctx: &mut Ctx, a: &Args) -> SysResult {
    let path = ctx.path(a.u64(0))?;
    // As on Linux, what is not there is found out before anything else is looked at.
    super::stat::place_at(ctx, c::AT_FDCWD, &path, 0)?;
    let mut total = 0;
    let argv = strings(ctx, a.u64(1), &mut total)?;
    let envp = strings(ctx, a.u64(2), &mut total)?;
    exec::exec(ctx, &path, argv, envp, ByDescriptor::default())
}

pub(super) fn execveat(ctx: &mut Ctx, a: &Args) -> SysResult {
    let (dirfd, flags) = (a.i32(0), a.u32(4));
    if flags & !(c::AT_EMPTY_PATH | c::AT_SYMLINK_NOFOLLOW) != 0 {
        return Err(Errno::EINVAL);
    }
    let path = ctx.path(a.u64(1))?;
    let mut total = 0;
    let argv = strings(ctx, a.u64(2), &mut total)?;
    let envp = strings(ctx, a.u64(3), &mut total)?;
    let no_follow = flags & c::AT_SYMLINK_NOFOLLOW != 0;
    if path.is_empty() {
        if flags & c::AT_EMPTY_PATH == 0 {
            return Err(Errno::ENOENT);
        }
        if dirfd == c::AT_FDCWD {
            // A directory is no program.
            return Err(Errno::EACCES);
        }
        let file = ctx.files.get(dirfd)?;
        let by = ByDescriptor { file: Some(file), closes_file: ctx.files.cloexec(dirfd)?, no_follow };
        return exec::exec(ctx, format!("/dev/fd/{dirfd}").as_bytes(), argv, envp, by);
    }
    if path.first() == Some(&b'/') || dirfd == c::AT_FDCWD {
        return exec::exec(ctx, &path, argv, envp, ByDescriptor { no_follow, ..ByDescriptor::default() });
    }
    let how = if no_follow { c::AT_SYMLINK_NOFOLLOW } else { 0 };
    let place = super::stat::place_at(ctx, dirfd, &path, how)?;
    let file = crate::vfs::File::new(place, Arc::clone(ctx.files.get(dirfd)?.ops()), c::O_PATH);
    let name = [format!("/dev/fd/{dirfd}/").as_bytes(), &path].concat();
    let by = ByDescriptor { file: Some(file), closes_file: ctx.files.cloexec(dirfd)?, no_follow };
    exec::exec(ctx, &name, argv, envp, by)
}

pub(super) fn exit(ctx: &mut Ctx, a: &Args) -> SysResult {
    ctx.flow = Flow::Exit(a.i32(0));
    Ok(0)
}

pub(super) fn exit_group(ctx: &mut Ctx, a: &Args) -> SysResult {
    ctx.task.exit_group(status_of_exit(a.i32(0)));
    ctx.flow = Flow::Exit(a.i32(0));
    Ok(0)
}

pub(super) fn wait4(ctx: &mut Ctx, a: &Args) -> SysResult {
    let (pid, options) = (a.i32(0), a.u32(2));
    let known = c::WNOHANG | c::WUNTRACED | c::WCONTINUED | c::__WNOTHREAD | c::__WCLONE | c::__WALL;
    if options & !known != 0 {
        return Err(Errno::EINVAL);
    }
    let pidns = &ctx.task.tg.pidns;
    let which = match pid {
        -1 => Which::Any,
        0 => Which::Group(ctx.task.kernel.tree.lock().group(ctx.task.tg.tgid)?.pgid),
        i32::MIN => return Err(Errno::ESRCH),
        pid if pid < 0 => Which::Group(pidns.root_of(-pid).ok_or(Errno::ECHILD)?),
        pid => Which::Pid(pidns.root_of(pid).ok_or(Errno::ECHILD)?),
    };
    let Some(event) = ctx.task.wait_for_child(which, options | c::WEXITED)? else { return Ok(0) };
    if a.u64(1) != 0 {
        ctx.mm.copy_out(a.u64(1), &event.wait_status)?;
    }
    if a.u64(3) != 0 {
        ctx.mm.copy_out(a.u64(3), &rusage(&event.times, event.max_rss))?;
    }
    Ok(event.pid as u64)
}

pub(super) fn waitid(ctx: &mut Ctx, a: &Args) -> SysResult {
    let (kind, id, options) = (a.u32(0), a.i32(1), a.u32(3));
    let events = c::WEXITED | c::WSTOPPED | c::WCONTINUED;
    let known = events | c::WNOHANG | c::WNOWAIT | c::__WNOTHREAD | c::__WCLONE | c::__WALL;
    if options & !known != 0 || options & events == 0 {
        return Err(Errno::EINVAL);
    }
    let pidns = &ctx.task.tg.pidns;
    let mut options = options;
    let which = match kind {
        c::P_ALL => Which::Any,
        c::P_PID if id > 0 => Which::Pid(pidns.root_of(id).ok_or(Errno::ECHILD)?),
        c::P_PGID if id == 0 => Which::Group(ctx.task.kernel.tree.lock().group(ctx.task.tg.tgid)?.pgid),
        c::P_PGID if id > 0 => Which::Group(pidns.root_of(id).ok_or(Errno::ECHILD)?),
        c::P_PIDFD if id >= 0 => {
            let file = ctx.files.get(id)?;
            let pidfd = file.ops().downcast_ref::<PidFd>().ok_or(Errno::EBADF)?;
            if file.is_nonblocking() {
                options |= c::WNOHANG;
            }
            Which::Pid(pidfd.number())
        }
        _ => return Err(Errno::EINVAL),
    };
    let event = ctx.task.wait_for_child(which, options)?;
    if event.is_none() && options != a.u32(3) {
        return Err(Errno::EAGAIN);
    }
    if a.u64(4) != 0
        && let Some(event) = &event
    {
        ctx.mm.copy_out(a.u64(4), &rusage(&event.times, event.max_rss))?;
    }
    if a.u64(2) != 0 {
        let mut info = match &event {
            Some(e) => SigInfo::child(SIGCHLD, e.code, e.pid, e.uid, e.status, 0, 0),
            None => SigInfo::default(),
        };
        info.errno = 0;
        // Linux writes only these fields.
        ctx.mm.copy_out(a.u64(2), &[info.signo, info.errno, info.code])?;
        ctx.mm.copy_out(a.u64(2) + 16, &[info.pid(), info.uid() as i32, info.status()])?;
    }
    Ok(0)
}

pub(super) fn getpid(ctx: &mut Ctx, _a: &Args) -> SysResult {
    Ok(ctx.task.local_pid() as u64)
}

pub(super) fn gettid(ctx: &mut Ctx, _a: &Args) -> SysResult {
    Ok(ctx.task.local_tid() as u64)
}

pub(super) fn getppid(ctx: &mut Ctx, _a: &Args) -> SysResult {
    let tree = ctx.task.kernel.tree.lock();
    let parent = tree.group(ctx.task.tg.tgid)?.parent;
    Ok(ctx.task.tg.pidns.local(parent) as u64)
}

/// A process by the number that the caller gave, 0 for itself; its number in the root namespace.
pub(super) fn process_by_number(ctx: &Ctx, pid: i32) -> Result<i32, Errno> {
    match pid {
        0 => Ok(ctx.task.tg.tgid),
        pid if pid < 0 => Err(Errno::ESRCH),
        pid => ctx.task.tg.pidns.root_of(pid).ok_or(Errno::ESRCH),
    }
}

pub(super) fn getpgid(ctx: &mut Ctx, a: &Args) -> SysResult {
    let tgid = process_by_number(ctx, a.i32(0))?;
    let tree = ctx.task.kernel.tree.lock();
    let tgid = tree.tasks.get(&tgid).map_or(tgid, |t| t.tg.tgid);
    Ok(ctx.task.tg.pidns.local(tree.group(tgid)?.pgid) as u64)
}

pub(super) fn getpgrp(ctx: &mut Ctx, _a: &Args) -> SysResult {
    getpgid(ctx, &Args::default())
}

pub(super) fn getsid(ctx: &mut Ctx, a: &Args) -> SysResult {
    let tgid = process_by_number(ctx, a.i32(0))?;
    let tree = ctx.task.kernel.tree.lock();
    let tgid = tree.tasks.get(&tgid).map_or(tgid, |t| t.tg.tgid);
    Ok(ctx.task.tg.pidns.local(tree.group(tgid)?.sid) as u64)
}

pub(super) fn setpgid(ctx: &mut Ctx, a: &Args) -> SysResult {
    let (pid, pgid) = (a.i32(0), a.i32(1));
    if pgid < 0 || (pgid == 0 && pid < 0) {
        return Err(Errno::EINVAL);
    }
    let me = ctx.task.tg.tgid;
    let target = process_by_number(ctx, pid)?;
    let pgid = if pgid == 0 { target } else { ctx.task.tg.pidns.root_of(pgid).ok_or(Errno::EPERM)? };
    let mut tree = ctx.task.kernel.tree.lock();
    let my_sid = tree.group(me)?.sid;
    let group = tree.group(target)?;
    if target != me {
        if group.parent != me {
            return Err(Errno::ESRCH);
        }
        if group.sid != my_sid {
            return Err(Errno::EPERM);
        }
        if group.tg.has_execed.load(Ordering::Relaxed) {
            return Err(Errno::EACCES);
        }
    }
    if group.sid == target {
        return Err(Errno::EPERM);
    }
    if pgid != target && tree.session_of_pgrp(pgid) != Some(my_sid) {
        return Err(Errno::EPERM);
    }
    tree.group_mut(target)?.pgid = pgid;
    Ok(0)
}

pub(super) fn setsid(ctx: &mut Ctx, _a: &Args) -> SysResult {
    let me = ctx.task.tg.tgid;
    let mut tree = ctx.task.kernel.tree.lock();
    if tree.group(me)?.sid == me || tree.members(me).next().is_some() {
        return Err(Errno::EPERM);
    }
    let group = tree.group_mut(me)?;
    (group.sid, group.pgid) = (me, me);
    group.tty = None;
    Ok(ctx.task.tg.pidns.local(me) as u64)
}

pub(super) fn pidfd_getfd(ctx: &mut Ctx, a: &Args) -> SysResult {
    if a.u32(2) != 0 {
        return Err(Errno::EINVAL);
    }
    let file = ctx.files.get(a.i32(0))?;
    let pidfd = file.ops().downcast_ref::<PidFd>().ok_or(Errno::EBADF)?;
    let target = pidfd.task(&ctx.task.kernel.tree.lock()).ok_or(Errno::ESRCH)?;
    if !ctx.task.may_look_into(&target) {
        return Err(Errno::EPERM);
    }
    let theirs = target.files().get(a.i32(1))?;
    Ok(ctx.files.add(theirs, true, ctx.task.fd_limit())? as u64)
}

pub(super) fn set_tid_address(ctx: &mut Ctx, a: &Args) -> SysResult {
    ctx.task.clear_child_tid.store(a.u64(0), Ordering::Relaxed);
    Ok(ctx.task.local_tid() as u64)
}

pub(super) fn arch_prctl(ctx: &mut Ctx, a: &Args) -> SysResult {
    const ARCH_SET_GS: u32 = 0x1001;
    const ARCH_SET_FS: u32 = 0x1002;
    const ARCH_GET_FS: u32 = 0x1003;
    const ARCH_GET_GS: u32 = 0x1004;
    const ARCH_GET_CPUID: u32 = 0x1011;
    let addr = a.u64(1);
    let in_range = addr < ctx.mm.layout().usable.end;
    match a.u32(0) {
        ARCH_SET_FS if in_range => ctx.thread().context_mut().fs_base = addr,
        ARCH_SET_GS if in_range => ctx.thread().context_mut().gs_base = addr,
        ARCH_SET_FS | ARCH_SET_GS => return Err(Errno::EPERM),
        ARCH_GET_FS => {
            let base = ctx.thread().context().fs_base;
            ctx.mm.copy_out(addr, &base)?;
        }
        ARCH_GET_GS => {
            let base = ctx.thread().context().gs_base;
            ctx.mm.copy_out(addr, &base)?;
        }
        ARCH_GET_CPUID => return Ok(1),
        _ => return Err(Errno::EINVAL),
    }
    Ok(0)
}

pub(super) fn pidfd_open(ctx: &mut Ctx, a: &Args) -> SysResult {
    let flags = a.u32(1);
    if a.i32(0) <= 0 || flags & !(c::O_NONBLOCK | pidfd::THREAD) != 0 {
        return Err(Errno::EINVAL);
    }
    let of_thread = flags & pidfd::THREAD != 0;
    let number = process_by_number(ctx, a.i32(0))?;
    let kernel = &ctx.task.kernel;
    let found = {
        let tree = kernel.tree.lock();
        match tree.group(number) {
            Ok(group) if of_thread => PidFd::of_leader(kernel, &group.tg),
            Ok(group) => PidFd::of_process(kernel, &group.tg),
            Err(_) if of_thread => PidFd::of_thread(tree.task(number)?),
            Err(_) if tree.tasks.contains_key(&number) => return Err(Errno::ENOENT),
            Err(e) => return Err(e),
        }
    };
    Ok(pidfd::install(&ctx.task, found, flags & c::O_NONBLOCK)? as u64)
}
