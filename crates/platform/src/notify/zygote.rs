//! The zygote: the process that stubs are forked from. It holds nothing but the stub's code, and is itself a helper that
//! waits for commands; what it gives up on the way there, it gives up by commands too, so that each step's failure is
//! known.
#![expect(unsafe_code, reason = "making a process without the C library's knowledge")]

use std::arch::global_asm;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Arc;

use stockade_abi::Errno;
use stockade_abi::signal::{SIG_DFL, SaFlags, SigAction, SigSet, StackT};
use zerocopy::IntoBytes;

use super::channel::{Channel, Op, pair};
use super::control::ControlMemory;
use super::error::{StartError, Step, last_errno};
use super::host_vdso::{HostVdso, host_vdso};
use super::layout as l;
use super::options::Options;
use super::{KICK_SIGNAL, filter, image, procfs, stub};
use crate::VdsoFunctions;

global_asm!(
    include_str!("launch.s"),
    share_flags = const libc::CLONE_VM | libc::CLONE_VFORK,
    code = const l::CODE,
    code_size = const l::CODE_SIZE,
    control = const l::CONTROL,
    scratch = const l::SCRATCH,
    scratch_size = const l::SCRATCH_SIZE,
    nr_clone = const libc::SYS_clone,
    nr_mmap = const libc::SYS_mmap,
    nr_dup2 = const libc::SYS_dup2,
    nr_close_range = const libc::SYS_close_range,
    nr_exit = const libc::SYS_exit,
    nr_exit_group = const libc::SYS_exit_group,
);

unsafe extern "C" {
    fn stockade_stub_launch(flags: u64, code: i32, control: i32, socket: i32, zygote: *mut i64) -> i64;
}

/// The zygote at work, and what was learned on the way.
pub(crate) struct Zygote {
    pub(crate) channel: Channel,
    pub(crate) pid: i32,
    /// Ranges that could not be freed for guests.
    pub(crate) reserved: Vec<std::ops::Range<u64>>,
    pub(crate) host_vdso: VdsoFunctions,
}

/// Signals that stop a guest thread.
const HANDLED: [i32; 7] =
    [libc::SIGSYS, libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGTRAP, KICK_SIGNAL];

/// Makes the zygote and brings it to where stubs can be forked from it.
pub(crate) fn start(
    options: &Options,
    memory: &Arc<ControlMemory>,
    image: &OwnedFd,
) -> Result<Zygote, StartError> {
    let vdso = host_vdso(&options.proc).step("reading the memory map of this process from /proc")?;
    let page = memory.page().step("taking a control page")?;
    let (ours, theirs) = pair().step("making a socket pair")?;
    let mut flags = libc::CLONE_NEWUSER
        | libc::CLONE_NEWPID
        | libc::CLONE_NEWNS
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWUTS;
    if !options.share_network {
        flags |= libc::CLONE_NEWNET;
    }
    let pid =
        launch(flags, image, memory, &theirs).step("making the stubs' namespaces (user_namespaces(7))")?;
    drop(theirs);
    let mut channel = Channel::new(ours, page, pid);
    // First of all, nothing of ours may be left in it: then others may look at it.
    let (reserved, host_vdso) = clear_memory(&mut channel, &vdso)?;
    run(&mut channel, "making the stubs' memory accessible", &[dumpable()])?;
    if let Some((uid, gid)) = options.stub_ids {
        map_ids(&options.proc, pid, uid, gid).step("mapping the stubs' user and group id")?;
    }
    give_up_privileges(&mut channel, options)?;
    set_signals(&mut channel)?;
    let program = l::CODE + l::constants::HELPER_PROGRAM;
    let set_filter = u64::from(libc::SECCOMP_SET_MODE_FILTER);
    run(
        &mut channel,
        "installing the stubs' seccomp filter",
        &[call(libc::SYS_seccomp, &[set_filter, 0, program])],
    )?;
    Ok(Zygote { channel, pid, reserved, host_vdso })
}

/// Forks by way of a child that shares our memory; see `launch.s`.
fn launch(flags: i32, image: &OwnedFd, memory: &ControlMemory, socket: &OwnedFd) -> Result<i32, Errno> {
    let flags = flags | libc::CLONE_PARENT | libc::SIGCHLD;
    let mut zygote = 0i64;
    let mut old = 0u64;
    let block = |how: i32, set: &u64, old: *mut u64| {
        // SAFETY: both sets are 8 bytes, as the call is told.
        unsafe { libc::syscall(libc::SYS_rt_sigprocmask, how, set, old, 8usize) }
    };
    block(libc::SIG_SETMASK, &u64::MAX, &raw mut old);
    // SAFETY: the first child runs only code that touches nothing of ours but `zygote`, while this thread is suspended;
    // the second has a copy of everything. Signals are blocked, so no handler runs in either.
    let middle = unsafe {
        stockade_stub_launch(
            flags as u64,
            image.as_raw_fd(),
            memory.descriptor().as_raw_fd(),
            socket.as_raw_fd(),
            &raw mut zygote,
        )
    };
    block(libc::SIG_SETMASK, &old, std::ptr::null_mut());
    if middle < 0 {
        return Err(Errno::from_raw(-middle as i32));
    }
    reap(middle as i32)?;
    if zygote < 0 { Err(Errno::from_raw(-zygote as i32)) } else { Ok(zygote as i32) }
}

/// Waits for the end of a child made here. These send no SIGCHLD, and are not found without `__WALL`.
pub(crate) fn reap(pid: i32) -> Result<(), Errno> {
    // SAFETY: the status is not asked for.
    let r = unsafe { libc::waitpid(pid, std::ptr::null_mut(), libc::__WALL) };
    if r < 0 { Err(last_errno()) } else { Ok(()) }
}

fn map_ids(proc: &OwnedFd, pid: i32, uid: u32, gid: u32) -> Result<(), Errno> {
    procfs::write(proc, &format!("{pid}/uid_map"), &format!("0 {uid} 1"))?;
    procfs::write(proc, &format!("{pid}/gid_map"), &format!("0 {gid} 1"))
}

/// A call of the zygote's, with missing arguments 0.
fn call(nr: libc::c_long, args: &[u64]) -> Op {
    let mut all = [0; 6];
    all[..args.len()].copy_from_slice(args);
    Op::call(nr, all)
}

fn run(channel: &mut Channel, step: &'static str, ops: &[Op]) -> Result<(), StartError> {
    for batch in ops.chunks(l::MAX_OPS) {
        channel.run(batch, &[]).map_err(|(_, errno)| StartError { step, errno })?;
    }
    Ok(())
}

/// Without this not even we could read a stub's memory, nor write its id maps.
fn dumpable() -> Op {
    call(libc::SYS_prctl, &[libc::PR_SET_DUMPABLE as u64, 1])
}

fn give_up_privileges(channel: &mut Channel, options: &Options) -> Result<(), StartError> {
    let prctl = |option: i32, args: &[u64]| {
        let mut all = vec![option as u64];
        all.extend_from_slice(args);
        call(libc::SYS_prctl, &all)
    };
    if let Some(root) = &options.root {
        let here = channel.put(0, b".\0").step("writing to a control page")?;
        let ops = [call(libc::SYS_fchdir, &[1]), call(libc::SYS_chroot, &[here])];
        let step = "entering the stubs' root directory";
        channel.run(&ops, &[root.as_fd()]).map_err(|(_, errno)| StartError { step, errno })?;
    }
    if options.stub_ids.is_some() {
        let ops = [
            call(libc::SYS_setgroups, &[0, 0]),
            call(libc::SYS_setresgid, &[0, 0, 0]),
            call(libc::SYS_setresuid, &[0, 0, 0]),
        ];
        run(channel, "taking the stubs' user and group id", &ops)?;
    }
    // SAFETY: no pointers.
    let bounded = (0..64).take_while(|&cap| unsafe { libc::prctl(libc::PR_CAPBSET_READ, cap, 0, 0, 0) } >= 0);
    let mut ops: Vec<Op> = bounded.map(|cap| prctl(libc::PR_CAPBSET_DROP, &[cap])).collect();
    ops.push(prctl(libc::PR_CAP_AMBIENT, &[libc::PR_CAP_AMBIENT_CLEAR_ALL as u64]));
    run(channel, "dropping the capability bounding set", &ops)?;

    let mut core = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the call fills the structure.
    unsafe { libc::getrlimit(libc::RLIMIT_CORE, &raw mut core) };
    // 1, not 0: a core_pattern that is a pipe ignores 0.
    let limit = core.rlim_max.min(1);
    let write = "writing to a control page";
    let limits = channel.put(0, [limit, limit].as_bytes()).step(write)?;
    let header = channel.put(32, [0x2008_0522u32, 0].as_bytes()).step(write)?;
    let none = channel.put(64, &[0; 24]).step(write)?;
    let name = channel.put(96, b"stockade-stub\0").step(write)?;
    let ops = [
        prctl(libc::PR_SET_NAME, &[name]),
        call(libc::SYS_prlimit64, &[0, u64::from(libc::RLIMIT_CORE), limits, 0]),
        call(libc::SYS_capset, &[header, none]),
        prctl(libc::PR_SET_NO_NEW_PRIVS, &[1]),
        // Again: the change of ids has cleared it.
        dumpable(),
    ];
    run(channel, "dropping the stubs' privileges", &ops)
}

fn set_signals(channel: &mut Channel) -> Result<(), StartError> {
    let write = "writing to a control page";
    let flags = SaFlags::SIGINFO | SaFlags::ONSTACK | SaFlags::RESTART | SaFlags::RESTORER;
    let handled = SigAction {
        handler: stub::handler(),
        flags: flags.bits(),
        restorer: stub::restorer(),
        mask: SigSet::FULL,
    };
    let default = SigAction { handler: SIG_DFL, ..SigAction::default() };
    let handled = channel.put(0, handled.as_bytes()).step(write)?;
    let default = channel.put(64, default.as_bytes()).step(write)?;
    let mask = channel.put(128, image::HELPER_MASK.as_bytes()).step(write)?;
    let actions = (1..=64).filter(|s| ![libc::SIGKILL, libc::SIGSTOP].contains(s)).map(|signo| {
        let action = if HANDLED.contains(&signo) { handled } else { default };
        call(libc::SYS_rt_sigaction, &[signo as u64, action, 0, 8])
    });
    let mut ops: Vec<Op> = actions.collect();
    ops.push(call(libc::SYS_rt_sigprocmask, &[libc::SIG_SETMASK as u64, mask, 0, 8]));
    run(channel, "setting the stubs' signal handlers", &ops)
}

/// Moves the host's vDSO aside, unmaps all that was the sentry's, and maps what stubs need.
fn clear_memory(
    channel: &mut Channel,
    vdso: &HostVdso,
) -> Result<(Vec<std::ops::Range<u64>>, VdsoFunctions), StartError> {
    let (mut kept, mut moved) = (Vec::new(), 0);
    if let Some(first) = vdso.pieces.first().map(|p| p.start) {
        for piece in &vdso.pieces {
            let len = piece.end - piece.start;
            let to = l::VDSO + (piece.start - first);
            let flags = (libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED) as u64;
            match channel.run(&[call(libc::SYS_mremap, &[piece.start, len, len, flags, to])], &[]) {
                Ok(()) => {
                    moved += 1;
                    kept.push(to..to + len);
                }
                // Sealed, on some hosts: then it stays, and guests work around it.
                Err((_, Errno::EPERM)) if moved == 0 => kept.push(piece.clone()),
                Err((_, errno)) => return Err(StartError { step: "moving the host's vDSO", errno }),
            }
        }
    }
    let reserved = if moved == 0 { kept.clone() } else { Vec::new() };
    let functions = match vdso.pieces.first() {
        Some(first) if moved > 0 => vdso.functions.moved(l::VDSO.wrapping_sub(first.start) as i64),
        _ => vdso.functions,
    };
    kept.extend([
        l::CODE..l::CODE + l::CODE_SIZE,
        l::CONTROL..l::CONTROL + l::PAGE,
        l::SCRATCH..l::SCRATCH + l::SCRATCH_SIZE,
    ]);
    kept.sort_by_key(|r| r.start);
    let mut ops = Vec::new();
    let mut at = 0;
    for range in kept.iter().chain(std::iter::once(&(l::USER_END..l::USER_END))) {
        if range.start > at {
            ops.push(call(libc::SYS_munmap, &[at, range.start - at]));
        }
        at = range.end;
    }
    let flags = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED | libc::MAP_NORESERVE) as u64;
    for (begin, len) in [(l::HELPER_STACK, l::SLOT_SIZE), (l::SLOTS, l::SLOTS_END - l::SLOTS)] {
        ops.push(call(libc::SYS_mmap, &[begin, len, 3, flags, u64::MAX, 0]));
    }
    // Nothing on these survives a fork: children start with pages of zeros instead of copies.
    for (begin, len) in [(l::SCRATCH, l::SCRATCH_SIZE), (l::SLOTS, l::SLOTS_END - l::SLOTS)] {
        ops.push(call(libc::SYS_madvise, &[begin, len, libc::MADV_WIPEONFORK as u64]));
    }
    let stack = StackT { sp: l::HELPER_STACK, flags: 0, pad: 0, size: l::SLOT_SIZE };
    let stack = channel.put(0, stack.as_bytes()).step("writing to a control page")?;
    ops.push(call(libc::SYS_sigaltstack, &[stack, 0]));
    run(channel, "clearing the stubs' memory", &ops)?;
    // A touched slot must cost one page, not a huge one. A host without huge pages refuses.
    let small = call(libc::SYS_madvise, &[l::SLOTS, l::SLOTS_END - l::SLOTS, libc::MADV_NOHUGEPAGE as u64]);
    let _ = channel.run(&[small], &[]);
    Ok((reserved, functions))
}

/// The operation by which the zygote or a stub makes a stub whose control page is at this offset. That goes into a
/// register which clone(2) does not look at: the child must not read its parent's page.
pub(crate) fn fork_op(flags: i32, page: u64) -> Op {
    Op { nr: libc::SYS_clone as u64, args: [flags as u64, 0, 0, 0, 0, page], kind: l::KIND_FORK }
}

/// The operation by which a stub makes a guest thread whose stack pointer is `frame`.
pub(crate) fn thread_op(frame: u64) -> Op {
    let args = [filter::THREAD_FLAGS as u64, frame, 0, 0, 0, 0];
    Op { nr: libc::SYS_clone as u64, args, kind: l::KIND_THREAD }
}
