//! A sentry as the front's [`Sandbox`], and what is said when it is lost.

use super::protocol::{Event, Forwarded, Request};
use super::watch::{GRACE, Sandbox};
use crate::failure::{Failure, reason};
use crate::state::StateDir;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{SendFlags, send};
use rustix::process::Signal;
use serde::de::DeserializeOwned;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::time::Duration;
use stockade_confine::{End, Link, SentryHandle};

/// The longest message between front and sentry.
const LONGEST: usize = 16 << 10;

impl Sandbox for SentryHandle {
    fn descriptors(&self) -> [BorrowedFd<'_>; 2] {
        [self.link().as_fd(), self.pidfd()]
    }

    fn next_event(&mut self) -> io::Result<Option<(Event, Vec<OwnedFd>)>> {
        // What the sentry said before it ended comes first.
        if readable(self.link())? { receive(self.link()) } else { Ok(None) }
    }

    fn signal(&self, signal: Forwarded) -> io::Result<()> {
        ask(self.link(), &Request::Signal(signal))
    }

    fn kill(&self) -> io::Result<()> {
        ask(self.link(), &Request::Kill)
    }
}

/// The sentry's end of the line to the front.
pub trait FrontLine {
    /// Tells the front.
    ///
    /// # Errors
    /// EPIPE when the front is gone: the host ends the sentry then.
    fn tell(&self, event: &Event) -> io::Result<()> {
        self.tell_with(event, &[])
    }

    /// The same, with descriptors.
    ///
    /// # Errors
    /// As [`tell`](Self::tell).
    fn tell_with(&self, event: &Event, files: &[BorrowedFd<'_>]) -> io::Result<()>;

    /// Waits for what the front asks; `None` when it is gone.
    ///
    /// # Errors
    /// What recvmsg(2) says.
    fn asked(&self) -> io::Result<Option<Request>>;
}

impl FrontLine for Link {
    fn tell_with(&self, event: &Event, files: &[BorrowedFd<'_>]) -> io::Result<()> {
        let text = serde_json::to_vec(event)?;
        if text.len() > LONGEST {
            return Err(rustix::io::Errno::MSGSIZE.into());
        }
        self.send(&text, files)
    }

    fn asked(&self) -> io::Result<Option<Request>> {
        Ok(receive(self)?.map(|(request, _)| request))
    }
}

/// Without waiting: a sentry that does not read must not hold the front up.
pub(crate) fn ask(link: &Link, request: &Request) -> io::Result<()> {
    let text = serde_json::to_vec(request)?;
    send(link, &text, SendFlags::NOSIGNAL | SendFlags::DONTWAIT)?;
    Ok(())
}

fn receive<T: DeserializeOwned>(link: &Link) -> io::Result<Option<(T, Vec<OwnedFd>)>> {
    let mut buffer = [0; LONGEST];
    match link.receive(&mut buffer)? {
        Some(message) => Ok(Some((serde_json::from_slice(&buffer[..message.len])?, message.fds))),
        None => Ok(None),
    }
}

fn readable(link: &Link) -> io::Result<bool> {
    let mut fds = [PollFd::new(link, PollFlags::IN)];
    poll(&mut fds, Some(&Timespec::default()))?;
    Ok(!fds[0].revents().is_empty())
}

/// What to say of a sentry that is gone without a word; its report, if it left one, is kept in the state directory.
pub fn lost(id: &str, handle: &mut SentryHandle, state: &StateDir) -> Failure {
    // One that only hung up would be waited for in vain; one that is ending is not hurt.
    if !ended(handle, GRACE) {
        drop(handle.signal(Signal::KILL));
    }
    let end = match handle.wait() {
        Ok(End::Crashed) => "crashed".to_owned(),
        Ok(End::Killed(signal)) => format!("was killed by {}", name(signal)),
        Ok(End::Exited(status)) => format!("ended (status {status}) without saying how the program did"),
        Err(e) => format!("is gone ({})", reason(&e)),
    };
    let cause = format!("sandbox {id}: the sentry {end}; the program is gone with it");
    match handle.crash_report().and_then(|text| text.map(|text| state.keep_crash(id, &text)).transpose()) {
        Ok(Some(path)) => {
            Failure::new(cause, format!("a report without data of the program is in {}", path.display()))
        }
        Ok(None) => Failure::new(
            cause,
            "somebody killed it, or the host ran out of memory (dmesg tells): bound the sandbox with --memory",
        ),
        Err(e) => Failure::new(cause, format!("its report could not be kept: {}", reason(&e))),
    }
}

/// Whether the sentry ends within that time.
pub(crate) fn ended(handle: &SentryHandle, within: Duration) -> bool {
    let life = handle.pidfd();
    let mut fds = [PollFd::from_borrowed_fd(life, PollFlags::IN)];
    let within = Timespec::try_from(within).unwrap_or_default();
    poll(&mut fds, Some(&within)).is_ok_and(|ready| ready > 0)
}

fn name(signal: i32) -> String {
    nix::sys::signal::Signal::try_from(signal).map_or_else(|_| format!("signal {signal}"), |s| s.to_string())
}
