//! A front over a child process.

use crate::ROLE;
use nix::sys::signal::SigSet;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, pidfd_open, pidfd_send_signal, waitid,
};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitCode};
use std::time::Duration;
use stockade::front::{Event, Forwarded, Outcome, Sandbox, Signals, Terminal, Turn, watch};

struct Process {
    child: Child,
    fd: OwnedFd,
}

impl Sandbox for Process {
    fn descriptors(&self) -> [BorrowedFd<'_>; 2] {
        [self.fd.as_fd(); 2]
    }

    fn next_event(&mut self) -> io::Result<Option<(Event, Vec<OwnedFd>)>> {
        let end = waitid(WaitId::PidFd(self.fd.as_fd()), WaitIdOptions::EXITED)?.unwrap();
        let outcome = match (end.exit_status(), end.terminating_signal()) {
            (Some(status), _) => Outcome::Exited(status as u8),
            (None, signal) => Outcome::Signaled(signal.unwrap() as u8),
        };
        Ok(Some((Event::Ended(outcome), Vec::new())))
    }

    fn signal(&self, signal: Forwarded) -> io::Result<()> {
        // Real-time signals have no safe name; kill(1) has.
        match Signal::from_named_raw(signal.signal.into()) {
            Some(signal) => Ok(pidfd_send_signal(&self.fd, signal)?),
            None => {
                let number = format!("-{}", signal.signal);
                Command::new("kill").args([&number, &self.child.id().to_string()]).status().map(drop)
            }
        }
    }

    fn kill(&self) -> io::Result<()> {
        Ok(pidfd_send_signal(&self.fd, Signal::KILL)?)
    }
}

/// Runs `command`; the exit status is the front's.
pub(crate) fn front(timeout: &str, command: &[&str]) -> ExitCode {
    let timeout = timeout.parse().ok().map(Duration::from_millis);
    let terminal = Terminal::save();
    let signals = Signals::block().unwrap();
    let child =
        Command::new(std::env::current_exe().unwrap()).args([ROLE, "exec"]).args(command).spawn().unwrap();
    let fd = pidfd_open(Pid::from_child(&child), PidfdFlags::empty()).unwrap();
    let turn = watch(&mut Process { child, fd }, &signals, timeout, &mut |_: &str| {}).unwrap();
    drop(terminal);
    match turn {
        Turn::Ended(ending) => ExitCode::from(ending.status()),
        Turn::Successor(_) => ExitCode::FAILURE,
    }
}

/// Becomes `command`, with no signal blocked, as a sentry gives its guests what the caller had.
pub(crate) fn exec(command: &[&str]) -> ExitCode {
    SigSet::empty().thread_set_mask().unwrap();
    let error = Command::new(command[0]).args(&command[1..]).exec();
    panic!("{}: {error}", command[0]);
}
