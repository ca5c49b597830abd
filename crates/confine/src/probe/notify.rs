//! Seccomp user notification (seccomp_unotify(2)), tried with real notifications.

#![expect(unsafe_code, reason = "filters, and ioctls that rustix lacks")]

use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::time::Duration;

use libc::sock_filter;
use rustix::event::PollFlags;

use super::Probe;
use super::child::{Child, PATIENCE, Report, wait_readable};

const NOTIFY: (&str, &str) = ("seccomp user notification", "guest system calls are received through it");
const KILLABLE: (&str, &str) =
    ("WAIT_KILLABLE_RECV", "a guest's signal must not take back a system call that is being served");
const SYNC: (&str, &str) = ("SYNC_WAKE_UP", "hands the CPU over at once: a system call costs a tenth");
const DEATH: (&str, &str) =
    ("a listener that wakes when its threads die", "the sentry learns from it that a guest thread is gone");

const UPGRADE: &str = "install Linux 6.12 or later";

/// The answer that the child has to see.
const ANSWER: i64 = 4242;

/// `SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP`.
const SYNC_WAKE_UP: u64 = 1;

/// Whether the kernel says that it has user notification.
pub(super) fn announced() -> bool {
    let action: u32 = libc::SECCOMP_RET_USER_NOTIF;
    // SAFETY: reads the four bytes of `action`.
    unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_GET_ACTION_AVAIL, 0, &raw const action) == 0 }
}

pub(super) fn all() -> Vec<Probe> {
    let flags = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER;
    let killable = flags | libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
    let (mut listener, has_killable) = match Listener::start(killable) {
        Ok(listener) => (listener, true),
        Err(first) => match Listener::start(flags) {
            Ok(listener) => (listener, false),
            Err(_) => {
                let fix = "use a kernel with CONFIG_SECCOMP_FILTER, in a container with a seccomp profile that allows seccomp";
                return vec![Probe::missing(NOTIFY.0, NOTIFY.1, format!("no listener: {first}"), fix)];
            }
        },
    };
    let sync = listener.set_sync();
    let mut probes = Vec::new();
    probes.push(match listener.serve() {
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

/// A child that makes the same notified call again and again, and its listener.
struct Listener {
    fd: OwnedFd,
    child: Child,
}

impl Listener {
    /// The child shares this process's descriptors, which is how the listener gets here.
    fn start(flags: u64) -> io::Result<Self> {
        let child = Child::start(libc::CLONE_FILES, |report| guest(report, flags))?;
        match child.next() {
            // SAFETY: the child made it in the table that it shares with this process, and leaves it.
            Some(fd) if fd >= 0 => Ok(Self { fd: unsafe { OwnedFd::from_raw_fd(fd) }, child }),
            Some(errno) => Err(io::Error::from_raw_os_error(-errno)),
            None => Err(io::ErrorKind::TimedOut.into()),
        }
    }

    fn set_sync(&self) -> io::Result<()> {
        // SAFETY: this request takes a number.
        let r = unsafe {
            libc::ioctl(self.fd.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SET_FLAGS as _, SYNC_WAKE_UP)
        };
        if r < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// Receives one call, answers it, and hears from the child that the answer arrived.
    fn serve(&mut self) -> io::Result<()> {
        wait_readable(&self.fd, PATIENCE).ok_or(io::ErrorKind::TimedOut)?;
        let id = receive(self.fd.as_raw_fd())?;
        let answer = libc::seccomp_notif_resp { id, val: ANSWER, error: 0, flags: 0 };
        // SAFETY: the structure has the size that the request's number says.
        let r = unsafe {
            libc::ioctl(self.fd.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SEND as _, &raw const answer)
        };
        if r < 0 {
            return Err(io::Error::last_os_error());
        }
        match self.child.next() {
            Some(1) => Ok(()),
            Some(_) => Err(io::Error::other("it got another answer")),
            None => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

/// Waits for a call; its id.
fn receive(listener: i32) -> io::Result<u64> {
    // SAFETY: plain integers, which have to be zero.
    let mut call: libc::seccomp_notif = unsafe { std::mem::zeroed() };
    // SAFETY: the structure has the size that the request's number says.
    let r = unsafe { libc::ioctl(listener, libc::SECCOMP_IOCTL_NOTIF_RECV as _, &raw mut call) };
    if r < 0 { Err(io::Error::last_os_error()) } else { Ok(call.id) }
}

/// What the child does: notifies on getppid, whose answer it checks. A second call is never answered.
fn guest(report: Report, flags: u64) {
    let op = |code: u32, jt, jf, k| sock_filter { code: code as u16, jt, jf, k };
    let program = [
        op(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        op(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, libc::SYS_getppid as u32),
        op(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_USER_NOTIF),
        op(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: program.len() as u16, filter: program.as_ptr().cast_mut() };
    // SAFETY: the program lives through the call that installs it; the other calls take no pointers.
    unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        let fd = libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program);
        if fd < 0 {
            return report.say(-*libc::__errno_location());
        }
        report.say(fd as i32);
        report.say(i32::from(libc::syscall(libc::SYS_getppid) == ANSWER));
        libc::pause();
    }
}

/// Whether somebody who sleeps on the listener wakes when the last thread under the filter dies.
fn wakes_on_death(listener: &Listener) -> io::Result<bool> {
    let fd = listener.fd.as_raw_fd();
    let sleeper = Child::start(libc::CLONE_FILES, |report| {
        report.say(0);
        report.say(i32::from(receive(fd).is_err()));
    })?;
    sleeper.next().ok_or(io::ErrorKind::TimedOut)?;
    // Time to fall asleep. Should it not have, the listener is dead before it asks, and it does not sleep at all.
    std::thread::sleep(Duration::from_millis(2));
    listener.child.kill();
    let woke = sleeper.next_within(Duration::from_millis(300)) == Some(1);
    let hung_up =
        wait_readable(&listener.fd, Duration::ZERO).is_some_and(|events| events.contains(PollFlags::HUP));
    Ok(woke && hung_up)
}
