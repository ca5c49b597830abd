//! The two seccomp filters of a stub, as reviewed rules.
//!
//! KILL, TRAP and ERRNO outrank USER_NOTIF, whichever filter says them, and guest threads inherit the helper's filter:
//! so that one denies with TRACE, which without a tracer makes the call fail with ENOSYS. Both filters run at every call
//! of a guest; what they cost is kept low by looking at the caller's address first.

use libc::sock_filter;
use stockade_abi::nr;

use super::layout as l;
use super::stub;

/// Flags with which a guest thread installs its filter: its own listener; once the sentry has received a call, nothing
/// but death interrupts it.
pub(crate) const LISTENER_FLAGS: u64 =
    libc::SECCOMP_FILTER_FLAG_NEW_LISTENER | libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;

/// clone(2) flags of a guest thread.
pub(crate) const THREAD_FLAGS: i32 = libc::CLONE_VM
    | libc::CLONE_FS
    | libc::CLONE_FILES
    | libc::CLONE_SIGHAND
    | libc::CLONE_THREAD
    | libc::CLONE_SYSVSEM;
/// clone(2) flags with which a stub makes another: a sibling.
pub(crate) const FORK_FLAGS: i32 = libc::CLONE_PARENT | libc::SIGCHLD;
/// clone(2) flags with which the zygote, an init, makes a stub.
pub(crate) const ZYGOTE_FORK_FLAGS: i32 = libc::SIGCHLD;

/// Calls of which the kernel needs the registers, or that end or replace the thread: these trap into the handler, so
/// that the thread is stopped when the kernel learns of them.
pub(crate) const TRAPPED: &[u32] = &[
    nr::rt_sigreturn,
    nr::clone,
    nr::fork,
    nr::vfork,
    nr::execve,
    nr::exit,
    nr::sigaltstack,
    nr::arch_prctl,
    nr::exit_group,
    nr::execveat,
    nr::clone3,
];

const NR: u32 = 0;
const ARCH: u32 = 4;
const IP_LOW: u32 = 8;
const IP_HIGH: u32 = 12;
const AUDIT_ARCH_X86_64: u32 = 0xc000_003e;

/// Offset of the low half of argument `n` in `struct seccomp_data`.
const fn low(n: u32) -> u32 {
    16 + 8 * n
}

/// Offset of its high half.
const fn high(n: u32) -> u32 {
    low(n) + 4
}

fn stmt(code: u32, k: u32) -> sock_filter {
    sock_filter { code: code as u16, jt: 0, jf: 0, k }
}

fn jump(code: u32, k: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter { code: (libc::BPF_JMP | libc::BPF_K | code) as u16, jt, jf, k }
}

fn load(offset: u32) -> sock_filter {
    stmt(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, offset)
}

fn ret(action: u32) -> sock_filter {
    stmt(libc::BPF_RET | libc::BPF_K, action)
}

fn halves(value: u64) -> (u32, u32) {
    (value as u32, (value >> 32) as u32)
}

/// The filter of a guest thread: notify of everything, trap what [`TRAPPED`] and `also_trapped` list and every entry that
/// is not 64-bit, allow one rt_sigreturn and one exit by the address of their instruction.
pub(crate) fn guest(also_trapped: &[u32]) -> Vec<sock_filter> {
    let mut f =
        vec![load(ARCH), jump(libc::BPF_JEQ, AUDIT_ARCH_X86_64, 1, 0), ret(libc::SECCOMP_RET_TRAP), load(NR)];
    for (nr, address) in [(nr::rt_sigreturn, stub::sigreturn()), (nr::exit, stub::exit())] {
        let (ip_low, ip_high) = halves(address);
        f.extend([
            jump(libc::BPF_JEQ, nr, 0, 6),
            load(IP_LOW),
            jump(libc::BPF_JEQ, ip_low, 0, 3),
            load(IP_HIGH),
            jump(libc::BPF_JEQ, ip_high, 0, 1),
            ret(libc::SECCOMP_RET_ALLOW),
            ret(libc::SECCOMP_RET_TRAP),
        ]);
    }
    let mut trapped: Vec<u32> = TRAPPED.iter().chain(also_trapped).copied().collect();
    trapped.sort_unstable();
    trapped.dedup();
    for nr in trapped {
        f.extend([jump(libc::BPF_JEQ, nr, 0, 1), ret(libc::SECCOMP_RET_TRAP)]);
    }
    f.push(ret(libc::SECCOMP_RET_USER_NOTIF));
    f
}

/// A condition on one 32-bit half of an argument.
enum Check {
    /// Equal to one of these.
    OneOf(u32, &'static [u32]),
    /// No bits beyond these.
    Within(u32, u32),
}

/// Calls that the helper's code may make, and with what. A call that pins nothing beyond its number takes addresses that
/// the sentry has checked and the helper cannot judge.
fn helper_rules() -> Vec<(u32, Vec<Check>)> {
    use Check::{OneOf, Within};
    const FIXED: u32 = libc::MAP_FIXED as u32;
    const PRIVATE: u32 = libc::MAP_PRIVATE as u32;
    const SHARED: u32 = libc::MAP_SHARED as u32;
    const ANONYMOUS: u32 = libc::MAP_ANONYMOUS as u32;
    const NORESERVE: u32 = libc::MAP_NORESERVE as u32;
    const POPULATE: u32 = libc::MAP_POPULATE as u32;
    const MAP: &[u32] = &[
        FIXED | PRIVATE | ANONYMOUS,
        FIXED | PRIVATE | ANONYMOUS | NORESERVE,
        FIXED | PRIVATE | ANONYMOUS | POPULATE,
        FIXED | PRIVATE | ANONYMOUS | NORESERVE | POPULATE,
        FIXED | PRIVATE,
        FIXED | PRIVATE | NORESERVE,
        FIXED | PRIVATE | POPULATE,
        FIXED | PRIVATE | NORESERVE | POPULATE,
        FIXED | SHARED,
        FIXED | SHARED | NORESERVE,
        FIXED | SHARED | POPULATE,
        FIXED | SHARED | NORESERVE | POPULATE,
    ];
    const MOVE: &[u32] = &[
        0,
        (libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED) as u32,
        (libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED | libc::MREMAP_DONTUNMAP) as u32,
    ];
    const BARRIERS: &[u32] = &[l::BARRIER[0], l::BARRIER[1], l::BARRIER_CODE[0], l::BARRIER_CODE[1]];
    const CLONE: &[u32] = &[THREAD_FLAGS as u32, FORK_FLAGS as u32, ZYGOTE_FORK_FLAGS as u32];
    const FLAGS: &[u32] = &[LISTENER_FLAGS as u32];
    const NO_SIGNAL: &[u32] = &[libc::MSG_NOSIGNAL as u32];
    vec![
        // Waiting for a command, and answering it: on the one socket.
        (nr::recvmsg, vec![OneOf(low(0), &[0]), OneOf(low(2), &[0])]),
        (
            nr::sendto,
            vec![OneOf(low(0), &[0]), OneOf(low(3), NO_SIGNAL), OneOf(low(4), &[0]), OneOf(high(4), &[0])],
        ),
        (nr::sendmsg, vec![OneOf(low(0), &[0]), OneOf(low(2), NO_SIGNAL)]),
        // Memory: never executable-stack tricks, huge or growing mappings, or a place of the host's choice.
        (nr::mmap, vec![OneOf(low(3), MAP), OneOf(high(3), &[0]), Within(low(2), 7)]),
        (nr::munmap, vec![]),
        (nr::mprotect, vec![Within(low(2), 7), OneOf(high(2), &[0])]),
        (nr::mremap, vec![OneOf(low(3), MOVE), OneOf(high(3), &[0])]),
        (nr::madvise, vec![Within(low(2), 31)]),
        (nr::mincore, vec![]),
        (nr::membarrier, vec![OneOf(low(0), BARRIERS), OneOf(low(1), &[0])]),
        // Processes and threads.
        (nr::clone, vec![OneOf(low(0), CLONE), OneOf(high(0), &[0])]),
        (nr::waitid, vec![OneOf(low(0), &[libc::P_PIDFD])]),
        (nr::close_range, vec![OneOf(low(0), &[1])]),
        (nr::dup2, vec![OneOf(low(0), &[2]), OneOf(low(1), &[0])]),
        (nr::sched_yield, vec![]),
        (nr::exit, vec![]),
        (nr::exit_group, vec![]),
        // A new thread's filter; the program's address is checked too.
        (
            nr::seccomp,
            vec![
                OneOf(low(0), &[libc::SECCOMP_SET_MODE_FILTER]),
                OneOf(low(1), FLAGS),
                OneOf(low(2), const { &[(l::CODE + l::constants::GUEST_PROGRAM) as u32] }),
                OneOf(high(2), const { &[(l::CODE >> 32) as u32] }),
            ],
        ),
        // After a fault of its own.
        (nr::rt_sigprocmask, vec![OneOf(low(0), &[libc::SIG_SETMASK as u32])]),
    ]
}

/// The filter of zygote and helpers.
pub(crate) fn helper() -> Vec<sock_filter> {
    let deny = ret(libc::SECCOMP_RET_TRACE);
    let allow = ret(libc::SECCOMP_RET_ALLOW);
    let (begin, code_high) = halves(stub::helper());
    let (end, _) = halves(stub::helper_end());
    let mut f = vec![
        // Guests' own code: what their filter says counts, this is the cheapest answer that it outranks.
        load(IP_HIGH),
        jump(libc::BPF_JEQ, code_high, 1, 0),
        deny,
        load(ARCH),
        jump(libc::BPF_JEQ, AUDIT_ARCH_X86_64, 1, 0),
        deny,
        // The two native calls of guest threads.
        load(NR),
        jump(libc::BPF_JEQ, nr::rt_sigreturn, 0, 3),
        load(IP_LOW),
        jump(libc::BPF_JEQ, halves(stub::sigreturn()).0, 0, 1),
        allow,
        load(NR),
        jump(libc::BPF_JEQ, nr::exit, 0, 3),
        load(IP_LOW),
        jump(libc::BPF_JEQ, halves(stub::exit()).0, 0, 1),
        allow,
        // The helper's code.
        load(IP_LOW),
        jump(libc::BPF_JGE, begin, 1, 0),
        deny,
        jump(libc::BPF_JGT, end, 0, 1),
        deny,
        load(NR),
    ];
    for (nr, checks) in helper_rules() {
        let mut body = Vec::new();
        for check in checks {
            match check {
                Check::OneOf(offset, values) => {
                    body.push(load(offset));
                    for (i, &value) in values.iter().enumerate() {
                        body.push(jump(libc::BPF_JEQ, value, (values.len() - i) as u8, 0));
                    }
                    body.push(deny);
                }
                Check::Within(offset, mask) => {
                    body.extend([load(offset), jump(libc::BPF_JSET, !mask, 0, 1), deny]);
                }
            }
        }
        body.push(allow);
        f.push(jump(libc::BPF_JEQ, nr, 0, body.len() as u8));
        f.append(&mut body);
    }
    f.push(deny);
    f
}
