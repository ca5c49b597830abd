//! Seccomp user notification (seccomp_unotify(2)), tried with real notifications.

#![expect(unsafe_code, reason = "calls that rustix lacks")]

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::time::Duration;

use rustix::event::PollFlags;

use super::Probe;
use super::child::{Child, PATIENCE, Report};
use super::listener::{Listener, op, receive};

const NOTIFY: (&str, &str) = ("seccomp user notification", "guest system calls are received through it");
const KILLABLE: (&str, &str) =
    ("WAIT_KILLABLE_RECV", "a guest's signal must not take back a system call that is being served");
const SYNC: (&str, &str) = ("SYNC_WAKE_UP", "hands the CPU over at once: a system call costs a tenth");
const DEATH: (&str, &str) =
    ("a listener that wakes when its threads die", "the sentry learns from it that a guest thread is gone");

const UPGRADE: &str = "install Linux 6.12 or later";

/// The answer that the child has to see.
const ANSWER: i64 = 4242;

/// Whether the kernel says that it has user notification.
pub(super) fn announced() -> bool {
    let action: u32 = libc::SECCOMP_RET_USER_NOTIF;
    // SAFETY: reads the four bytes of `action`.
    unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_GET_ACTION_AVAIL, 0, &raw const action) == 0 }
}

pub(super) fn all() -> Vec<Probe> {
    let flags = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER;
    let killable = flags | libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
    let (listener, has_killable) = match start(killable) {
        Ok(listener) => (listener, true),
        Err(first) => match start(flags) {
            Ok(listener) => (listener, false),
            Err(_) => {
                let fix = "use a kernel with CONFIG_SECCOMP_FILTER, in a container with a seccomp profile that allows seccomp";
                return vec![Probe::missing(NOTIFY.0, NOTIFY.1, format!("no listener: {first}"), fix)];
            }
        },
    };
    let sync = listener.set_sync();
    let mut probes = Vec::new();
    probes.push(match serve(&listener) {
        Ok(()) => Probe::present(NOTIFY.0, NOTIFY.1, "a call was received and answered"),
        Err(error) => {
            Probe::missing(NOTIFY.0, NOTIFY.1, format!("a call was not answered: {error}"), UPGRADE)
        }
    });
    probes.push(match has_killable {
        true => Probe::present(KILLABLE.0, KILLABLE.1, "a listener was made with it"),
        false => {
            Probe::missing(KILLABLE.0, KILLABLE.1, "the kernel refuses it", "install Linux 6.12 or later")
        }
    });
    probes.push(match sync {
        Ok(()) => Probe::present(SYNC.0, SYNC.1, "a listener was set to it"),
        Err(error) => Probe::missing(SYNC.0, SYNC.1, format!("the kernel refuses it: {error}"), UPGRADE),
    });
    probes.push(match wakes_on_death(&listener) {
        Ok(true) => Probe::present(DEATH.0, DEATH.1, "it does"),
        Ok(false) => Probe::missing(DEATH.0, DEATH.1, "it sleeps on", UPGRADE),
        Err(error) => Probe::missing(DEATH.0, DEATH.1, format!("could not be tried: {error}"), ""),
    });
    probes
}

/// A child that notifies on getppid, whose answer it checks. A second call is never answered.
fn start(flags: u64) -> io::Result<Listener> {
    let program = [
        op(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        op(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, libc::SYS_getppid as u32),
        op(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_USER_NOTIF),
        op(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    Listener::start(&program, flags, |report: Report| {
        // SAFETY: neither call takes arguments.
        unsafe {
            report.say(i32::from(libc::syscall(libc::SYS_getppid) == ANSWER));
            libc::pause();
        }
    })
}

/// Receives one call, answers it, and hears from the child that the answer arrived.
fn serve(listener: &Listener) -> io::Result<()> {
    listener.wait(PATIENCE).ok_or(io::ErrorKind::TimedOut)?;
    let (id, _) = listener.receive()?;
    listener.answer(id, ANSWER, 0)?;
    match listener.child.next() {
        Some(1) => Ok(()),
        Some(_) => Err(io::Error::other("it got another answer")),
        None => Err(io::ErrorKind::TimedOut.into()),
    }
}

/// Whether somebody who sleeps on the listener wakes when the last thread under the filter dies.
fn wakes_on_death(listener: &Listener) -> io::Result<bool> {
    let fd: BorrowedFd<'_> = listener.as_fd();
    let sleeper = Child::start(libc::CLONE_FILES, |report| {
        report.say(0);
        report.say(i32::from(receive(fd).is_err()));
    })?;
    sleeper.next().ok_or(io::ErrorKind::TimedOut)?;
    // Time to fall asleep. Should it not have, the listener is dead before it asks, and it does not sleep at all.
    std::thread::sleep(Duration::from_millis(2));
    listener.child.kill();
    let woke = sleeper.next_within(Duration::from_millis(300)) == Some(1);
    let hung_up = listener.wait(Duration::ZERO).is_some_and(|events| events.contains(PollFlags::HUP));
    Ok(woke && hung_up)
}
