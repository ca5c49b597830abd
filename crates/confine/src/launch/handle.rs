//! What the front holds of a sentry.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::process::{Signal, WaitId, WaitIdOptions, pidfd_send_signal, waitid};

use super::Maps;
use crate::crash::{self, CRASH_STATUS};
use crate::error::{Error, Step};
use crate::link::Link;

/// Bytes of a crash report that are looked at.
const MAX_REPORT: u64 = 1 << 20;

/// How a sentry ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Its function returned this.
    Exited(u8),
    /// It crashed; [`SentryHandle::crash_report`] says more.
    Crashed,
    /// A signal killed it, from outside or because the host was out of memory.
    Killed(i32),
}

/// A running sentry. Dropping it kills the sandbox.
#[derive(Debug)]
pub struct SentryHandle {
    pid: i32,
    pidfd: OwnedFd,
    link: Link,
    crash: OwnedFd,
    reaped: bool,
}

impl SentryHandle {
    pub(crate) fn new(pid: i32, pidfd: OwnedFd, link: Link, crash: OwnedFd) -> Self {
        Self { pid, pidfd, link, crash, reaped: false }
    }

    /// Writes the id maps and lets the sentry go on.
    pub(crate) fn admit(&self, maps: &Maps) -> Result<(), Error> {
        maps.write(self.pid)?;
        // A sentry that is gone already is noticed by the next step, with a reason.
        match self.link.send(&[0], &[]) {
            Err(e) if e.raw_os_error() != Some(libc::EPIPE) => Err(Error::new("letting the sentry go on", e)),
            _ => Ok(()),
        }
    }

    pub(crate) fn wait_until_ready(&self) -> Result<(), Error> {
        let mut buffer = [0; 4096];
        let message = self.link.receive(&mut buffer).step("waiting for the sentry")?;
        match message.map(|m| &buffer[..m.len]) {
            Some([0]) => Ok(()),
            Some(text) => Err(Error::Sentry(String::from_utf8_lossy(text).into_owned())),
            None => Err(Error::Sentry("the sentry died while it set itself up".into())),
        }
    }

    /// The sentry's process id for the front.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Becomes readable when the sentry has ended (pidfd_open(2)).
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// Messages from and to [`SentryHost::link`](crate::SentryHost::link).
    pub fn link(&self) -> &Link {
        &self.link
    }

    /// Sends a signal to the sentry itself. It is the init of its PID namespace: what it has no handler for is ignored,
    /// SIGKILL and SIGSTOP aside.
    ///
    /// # Errors
    /// ESRCH if it has ended.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        Ok(pidfd_send_signal(&self.pidfd, signal)?)
    }

    /// Waits for the end of the sentry, and so of everything in the sandbox.
    ///
    /// # Errors
    /// What waitid(2) says.
    pub fn wait(&mut self) -> io::Result<End> {
        let status = loop {
            match waitid(WaitId::PidFd(self.pidfd.as_fd()), WaitIdOptions::EXITED) {
                Ok(Some(status)) => break status,
                Ok(None) | Err(rustix::io::Errno::INTR) => {}
                Err(e) => return Err(e.into()),
            }
        };
        self.reaped = true;
        Ok(match (status.exit_status(), status.terminating_signal()) {
            (Some(code), _) if code == i32::from(CRASH_STATUS) && self.crash_size() > 0 => End::Crashed,
            (Some(code), _) => End::Exited(code as u8),
            (None, Some(_)) if self.crash_size() > 0 => End::Crashed,
            (None, signal) => End::Killed(signal.unwrap_or(libc::SIGKILL)),
        })
    }

    /// What a crashed sentry left, with names for addresses (see [`crash`]).
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn crash_report(&self) -> io::Result<Option<String>> {
        let mut file = File::from(self.crash.try_clone()?);
        file.rewind()?;
        let mut text = Vec::new();
        file.take(MAX_REPORT).read_to_end(&mut text)?;
        Ok((!text.is_empty()).then(|| crash::with_names(&String::from_utf8_lossy(&text))))
    }

    fn crash_size(&self) -> u64 {
        rustix::fs::fstat(&self.crash).map_or(0, |s| s.st_size as u64)
    }
}

impl Drop for SentryHandle {
    fn drop(&mut self) {
        if !self.reaped {
            // Fails only if it has ended already.
            let _ = self.signal(Signal::KILL);
            let _ = self.wait();
        }
    }
}
