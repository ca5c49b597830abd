//! The two seccomp filters of a stub, as reviewed rules.
//!
//! KILL, TRAP and ERRNO outrank USER_NOTIF, whichever filter says them, and guest threads inherit the helper's filter:
//! so that one denies with TRACE, which without a tracer makes the call fail with ENOSYS; and what is to be trapped of
//! guests' calls, it traps, so that their own filter can be short. Both run at every call of a guest.

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

/// The filter of a guest thread: notify of everything but what comes from the two instructions that may make a native call;
/// the [`helper`]'s filter sees to it that each of them makes the one it is there for.
///
/// The host translates it for each new thread, which takes about a microsecond an instruction: it is as short as it can be.
pub(crate) fn guest() -> Vec<sock_filter> {
    let ((sigreturn, high), (exit, _)) = (halves(stub::sigreturn()), halves(stub::exit()));
    vec![
        load(IP_HIGH),
        jump(libc::BPF_JEQ, high, 0, 3),
        load(IP_LOW),
        jump(libc::BPF_JEQ, sigreturn, 2, 0),
        jump(libc::BPF_JEQ, exit, 1, 0),
        ret(libc::SECCOMP_RET_USER_NOTIF),
        ret(libc::SECCOMP_RET_ALLOW),
    ]
}

/// What the helpers' filter, which guest threads inherit, says of calls that do not come from the helper's code: trap what
/// [`TRAPPED`] and `also_trapped` list and every entry that is not 64-bit, which outranks the guest threads' own filter;
/// allow one rt_sigreturn and one exit by the address of their instruction. It has nothing to say of the rest.
fn outside_helper(also_trapped: &[u32]) -> Vec<sock_filter> {
    let (trap, allow) = (ret(libc::SECCOMP_RET_TRAP), ret(libc::SECCOMP_RET_ALLOW));
    let ((sigreturn, high), (exit, _)) = (halves(stub::sigreturn()), halves(stub::exit()));
    let mut f = vec![
        load(ARCH),
        jump(libc::BPF_JEQ, AUDIT_ARCH_X86_64, 1, 0),
        trap,
        load(IP_HIGH),
        // Past the two addresses.
        jump(libc::BPF_JEQ, high, 0, 11),
        load(IP_LOW),
    ];
    for (address, nr) in [(sigreturn, nr::rt_sigreturn), (exit, nr::exit)] {
        f.extend([jump(libc::BPF_JEQ, address, 0, 4), load(NR), jump(libc::BPF_JEQ, nr, 0, 1), allow, trap]);
    }
    f.push(load(NR));
    for &nr in also_trapped {
        f.extend([jump(libc::BPF_JEQ, nr, 0, 1), trap]);
    }
    let mut trapped = TRAPPED.to_vec();
    trapped.sort_unstable();
    for run in trapped.chunk_by(|a, b| a + 1 == *b) {
        match run {
            [] => {}
            [nr] => f.extend([jump(libc::BPF_JEQ, *nr, 0, 1), trap]),
            [first, .., last] => {
                f.extend([jump(libc::BPF_JGE, *first, 0, 2), jump(libc::BPF_JGT, *last, 1, 0), trap]);
            }
        }
    }
    // A guest thread's own filter outranks this.
    f.push(ret(libc::SECCOMP_RET_TRACE));
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

/// The filter of zygote and helpers, and with it of all guest threads.
pub(crate) fn helper(also_trapped: &[u32]) -> Vec<sock_filter> {
    let deny = ret(libc::SECCOMP_RET_TRACE);
    let (begin, code_high) = halves(stub::helper());
    let (end, _) = halves(stub::helper_end());
    let outside = outside_helper(also_trapped);
    let mut f = vec![
        load(IP_HIGH),
        jump(libc::BPF_JEQ, code_high, 0, 4),
        load(IP_LOW),
        jump(libc::BPF_JGE, begin, 0, 2),
        jump(libc::BPF_JGT, end, 1, 0),
        stmt(libc::BPF_JMP | libc::BPF_JA, outside.len() as u32),
    ];
    f.extend(outside);
    f.extend([
        load(ARCH),
        jump(libc::BPF_JEQ, AUDIT_ARCH_X86_64, 1, 0),
        // It makes none such; a guest that has jumped here does.
        ret(libc::SECCOMP_RET_TRAP),
        load(NR),
    ]);
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
        body.push(ret(libc::SECCOMP_RET_ALLOW));
        f.push(jump(libc::BPF_JEQ, nr, 0, body.len() as u8));
        f.append(&mut body);
    }
    f.push(deny);
    f
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a filter says of a call with arguments of zero, by Linux's rules for the few instructions that are used here.
    fn verdict(filter: &[sock_filter], arch: u32, nr: u32, ip: u64) -> u32 {
        let (mut at, mut a) = (0, 0);
        loop {
            let i = &filter[at];
            at += 1;
            let code = u32::from(i.code);
            let taken = match code & 0x07 {
                libc::BPF_LD => {
                    a = match i.k {
                        NR => nr,
                        ARCH => arch,
                        IP_LOW => halves(ip).0,
                        IP_HIGH => halves(ip).1,
                        _ => 0,
                    };
                    continue;
                }
                libc::BPF_RET => return i.k,
                _ => match code & 0xf0 {
                    libc::BPF_JA => {
                        at += i.k as usize;
                        continue;
                    }
                    libc::BPF_JEQ => a == i.k,
                    libc::BPF_JGE => a >= i.k,
                    libc::BPF_JGT => a > i.k,
                    libc::BPF_JSET => a & i.k != 0,
                    other => panic!("jumps by {other}"),
                },
            };
            at += usize::from(if taken { i.jt } else { i.jf });
        }
    }

    /// What both say together: the lower counts.
    fn both(filters: &[Vec<sock_filter>; 2], arch: u32, nr: u32, ip: u64) -> u32 {
        verdict(&filters[0], arch, nr, ip).min(verdict(&filters[1], arch, nr, ip))
    }

    fn numbers() -> impl Iterator<Item = u32> {
        (0..2048).chain([0x4000_0000, 0x4000_000f, u32::MAX, l::STOP_CALL as u32])
    }

    #[test]
    fn guests_make_two_calls_from_one_place_each_and_no_other() {
        for also_trapped in [&[][..], &[0, 15, 39, 60, 61, 435, 471]] {
            let filters = [guest(), helper(also_trapped)];
            let elsewhere =
                [0x40_1000, stub::stopped(), stub::exit() & 0xffff_ffff, stub::sigreturn() ^ 1 << 40];
            for nr in numbers() {
                for ip in elsewhere {
                    let trapped = TRAPPED.contains(&nr) || also_trapped.contains(&nr);
                    let expected =
                        if trapped { libc::SECCOMP_RET_TRAP } else { libc::SECCOMP_RET_USER_NOTIF };
                    assert_eq!(both(&filters, AUDIT_ARCH_X86_64, nr, ip), expected, "{nr} at {ip:#x}");
                }
                for (ip, native) in [(stub::sigreturn(), nr::rt_sigreturn), (stub::exit(), nr::exit)] {
                    let expected =
                        if nr == native { libc::SECCOMP_RET_ALLOW } else { libc::SECCOMP_RET_TRAP };
                    assert_eq!(both(&filters, AUDIT_ARCH_X86_64, nr, ip), expected, "{nr} at {ip:#x}");
                }
                // Jumps into the helper's code.
                let told = [libc::SECCOMP_RET_USER_NOTIF, libc::SECCOMP_RET_TRAP];
                for ip in [stub::helper(), stub::helper() + 100, stub::helper_end()] {
                    assert!(told.contains(&both(&filters, AUDIT_ARCH_X86_64, nr, ip)), "{nr} at {ip:#x}");
                }
                let all = elsewhere.into_iter().chain([stub::sigreturn(), stub::exit(), stub::helper()]);
                for ip in all {
                    assert_eq!(both(&filters, 0x4000_0003, nr, ip), libc::SECCOMP_RET_TRAP);
                }
            }
        }
    }

    #[test]
    fn helpers_call_nothing_else_and_nothing_from_elsewhere() {
        let filter = helper(&[]);
        let rules = helper_rules();
        for nr in numbers() {
            let listed = rules.iter().any(|(other, _)| *other == nr);
            let inside = verdict(&filter, AUDIT_ARCH_X86_64, nr, stub::helper() + 50);
            assert!(
                inside == libc::SECCOMP_RET_TRACE || (listed && inside == libc::SECCOMP_RET_ALLOW),
                "{nr}"
            );
            for ip in [0x40_1000, stub::helper() - 1, stub::helper_end() + 1] {
                assert_ne!(verdict(&filter, AUDIT_ARCH_X86_64, nr, ip), libc::SECCOMP_RET_ALLOW, "{nr}");
            }
        }
    }
}
