//! A seccomp filter that somebody else put this process under (a container's), and what it refuses.

#![expect(unsafe_code, reason = "calls with arguments that do nothing")]

use std::time::Duration;

use rustix::event::PollFlags;
use stockade_abi::nr;

use super::Probe;
use super::child::{Child, PATIENCE, Report};
use super::listener::{Listener, op};
use super::needed::{LANDLOCK, NEEDED};
use crate::seccomp;

const NAME: &str = "host calls that no inherited filter refuses";
const WHY: &str = "the sentry needs them, and guests' calls have to reach it";
const FIX: &str =
    "give the container a seccomp profile that allows them (docker: --security-opt seccomp=PROFILE)";

/// A call with arguments that make it fail before it does anything, in the way it does on a host that has it.
struct Trial(u32, [libc::c_long; 6]);

/// Calls that filters judge by their arguments, and those that are needed to try the others. Those that make namespaces and
/// mounts are tried for real elsewhere.
static TRIALS: [Trial; 14] = [
    Trial(nr::seccomp, [libc::SECCOMP_GET_NOTIF_SIZES as _, 0, 0, 0, 0, 0]),
    Trial(nr::process_vm_readv, [0, 0, 0, 0, 0, 1]),
    Trial(nr::process_vm_writev, [0, 0, 0, 0, 0, 1]),
    Trial(nr::pidfd_open, [-1, 0, 0, 0, 0, 0]),
    Trial(nr::pidfd_getfd, [-1, -1, 0, 0, 0, 0]),
    Trial(nr::pidfd_send_signal, [-1, 0, 0, 0, 0, 0]),
    Trial(nr::openat2, [-1, 0, 0, 0, 0, 0]),
    Trial(nr::close_range, [1, 0, 0, 0, 0, 0]),
    Trial(nr::memfd_create, [0, 0, 0, 0, 0, 0]),
    Trial(nr::statx, [-1, 0, 0, 0, 0, 0]),
    Trial(nr::prctl, [libc::PR_GET_DUMPABLE as _, 0, 0, 0, 0, 0]),
    Trial(nr::sigaltstack, [0, 0, 0, 0, 0, 0]),
    Trial(nr::clone, [libc::CLONE_THREAD as _, 0, 0, 0, 0, 0]),
    Trial(nr::unshare, [0, 0, 0, 0, 0, 0]),
];

/// Whether this process is under a filter (prctl(2), PR_GET_SECCOMP). Under one that kills for the question, it is gone.
pub(super) fn is_inherited() -> bool {
    // One that refuses to tell is one.
    // SAFETY: no pointers.
    unsafe { libc::prctl(libc::PR_GET_SECCOMP, 0, 0, 0, 0) != 0 }
}

pub(super) fn inherited() -> Probe {
    if !is_inherited() {
        return Probe::present(NAME, WHY, "no filter is inherited");
    }
    let refused = tried().and_then(|mut refused| {
        match unseen() {
            Ok(unseen) => refused.extend(unseen),
            Err(_) if !refused.is_empty() => {}
            Err(error) => return Err(error),
        }
        refused.sort_unstable();
        refused.dedup();
        Ok(refused)
    });
    match refused {
        Ok(refused) => judge(&refused),
        Err(error) => Probe::missing(NAME, WHY, error, FIX),
    }
}

/// What a filter that refuses these calls means.
fn judge(refused: &[u32]) -> Probe {
    let is_needed = |nr: &u32| {
        NEEDED.contains(nr) || LANDLOCK.contains(nr) && !refused.contains(&nr::landlock_create_ruleset)
    };
    let (missing, missed): (Vec<u32>, Vec<u32>) = refused.iter().partition(|nr| is_needed(nr));
    let refuses = |calls: &[u32]| {
        let names: Vec<_> = calls.iter().filter_map(|&nr| nr::name(nr.into())).collect();
        format!("the inherited seccomp filter refuses {}", names.join(", "))
    };
    if !missing.is_empty() {
        Probe::missing(NAME, WHY, refuses(&missing), FIX)
    } else if !missed.is_empty() {
        let detail = format!("{}: programs inside meet errors where these are needed", refuses(&missed));
        Probe::degraded(NAME, WHY, detail, FIX)
    } else {
        Probe::present(NAME, WHY, "a filter is inherited, and allows what is needed")
    }
}

/// Makes the calls of [`TRIALS`], in a child: a filter may kill for a call. Those that were refused.
fn tried() -> Result<Vec<u32>, String> {
    let child = Child::start(0, |report| {
        for (index, Trial(nr, args)) in TRIALS.iter().enumerate() {
            let [a, b, c, d, e, f] = *args;
            report.say(index as i32);
            // SAFETY: the arguments are invalid for these calls or change nothing.
            let r = unsafe { libc::syscall(libc::c_long::from(*nr), a, b, c, d, e, f) };
            // SAFETY: the C library's errno of this thread.
            let errno = unsafe { *libc::__errno_location() };
            report.say(if r == -1 && matches!(errno, libc::EPERM | libc::ENOSYS | libc::EACCES) {
                REFUSED
            } else {
                DONE
            });
        }
    });
    let child = child.map_err(|error| format!("fork failed: {error}"))?;
    let (mut refused, mut last) = (Vec::new(), None);
    while let Some(said) = child.next() {
        match (usize::try_from(said).ok().and_then(|index| TRIALS.get(index)), last) {
            (Some(&Trial(nr, _)), _) => last = Some(nr),
            (None, Some(nr)) if said == REFUSED => refused.push(nr),
            _ => {}
        }
        if said < 0 {
            last = None;
        }
    }
    // Killed for it.
    refused.extend(last);
    Ok(refused)
}

/// Said of a trial.
const REFUSED: i32 = -1;
const DONE: i32 = -2;

/// Makes every call that Stockade makes, under a filter of its own that lets this process answer in the host's place. A
/// filter that was there before and refuses a call outranks that: those that do not get here. In their order.
fn unseen() -> Result<Vec<u32>, String> {
    let mut calls: Vec<u32> = NEEDED.iter().chain(LANDLOCK).copied().chain(seccomp::allowed()).collect();
    calls.sort_unstable();
    calls.dedup();
    // The child reports by the one and ends by the other.
    calls.retain(|&nr| nr != nr::write && nr != nr::exit_group);
    let jump = |nr: u32, over| op(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, over, 0, nr);
    let program = [
        op(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        jump(nr::write, 2),
        jump(nr::exit_group, 1),
        op(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_USER_NOTIF),
        op(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let mut unseen = Vec::new();
    let mut rest = &calls[..];
    while !rest.is_empty() {
        let reached = round(&program, rest, &mut unseen)?;
        rest = rest.get(reached..).unwrap_or_default();
        if let [deadly, others @ ..] = rest {
            unseen.push(*deadly);
            rest = others;
        }
    }
    unseen.sort_unstable();
    Ok(unseen)
}

/// One child that makes these calls: adds to `unseen` those that were answered by others. How many calls it survived.
fn round(program: &[libc::sock_filter], calls: &[u32], unseen: &mut Vec<u32>) -> Result<usize, String> {
    let failed = |error: std::io::Error| format!("calls could not be tried: {error}");
    let body = |report: Report| {
        for (index, &nr) in calls.iter().enumerate() {
            report.say(index as i32);
            let trial = TRIALS.iter().find(|trial| trial.0 == nr);
            let [a, b, c, d, e, f] = trial.map_or([-1; 6], |trial| trial.1);
            // SAFETY: no filter of this process's lets it through to the host.
            unsafe { libc::syscall(libc::c_long::from(nr), a, b, c, d, e, f) };
        }
        report.say(calls.len() as i32);
    };
    let flags = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER;
    let listener = Listener::start(program, flags, body).map_err(failed)?;
    let mut seen = Vec::new();
    while let Some(events) = listener.wait(PATIENCE) {
        if !events.contains(PollFlags::IN) {
            break;
        }
        let Ok((id, nr)) = listener.receive() else { break };
        seen.push(nr);
        listener.answer(id, 0, libc::EDOM).map_err(failed)?;
    }
    let mut reached = 0;
    while let Some(index) = listener.child.next_within(Duration::from_millis(100)) {
        reached = usize::try_from(index).unwrap_or(0);
    }
    unseen.extend(calls.iter().take(reached).filter(|nr| !seen.contains(nr)));
    Ok(reached)
}
