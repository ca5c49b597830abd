//! The loop of the front.

use super::ending::Ending;
use super::protocol::{Event, Forwarded};
use super::signals::Signals;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Signal, getpid, kill_process};
use std::io;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

/// A running sandbox, as the front sees it.
pub trait Sandbox {
    /// Readable when [`next_event`](Self::next_event) will not block: the line to the sentry, and its life (a pidfd).
    fn descriptors(&self) -> [BorrowedFd<'_>; 2];

    /// The next event; `None` when the sentry is gone without having told of an end.
    ///
    /// # Errors
    /// What the host says; the sandbox is given up then.
    fn next_event(&mut self) -> io::Result<Option<Event>>;

    /// Passes a signal on.
    ///
    /// # Errors
    /// Only if the sentry is gone, of which [`next_event`](Self::next_event) tells.
    fn signal(&self, signal: Forwarded) -> io::Result<()>;

    /// Ends all of it.
    ///
    /// # Errors
    /// As [`signal`](Self::signal).
    fn kill(&self) -> io::Result<()>;
}

/// Time between SIGTERM and SIGKILL when `--timeout` has passed.
pub const GRACE: Duration = Duration::from_secs(5);

/// Where the clock of `--timeout` stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Clock {
    Unlimited,
    Until(Instant),
    TermSent(Instant),
    KillSent,
}

/// Waits for the end of the sandbox: forwards signals, shows notices, ends the program after `timeout`.
///
/// # Errors
/// What the host says to poll(2) or to reading from the sentry.
pub fn watch(
    sandbox: &mut impl Sandbox,
    signals: &Signals,
    timeout: Option<Duration>,
    mut notice: impl FnMut(&str),
) -> io::Result<Ending> {
    // A deadline beyond the end of the clock is none.
    let mut clock =
        timeout.and_then(|t| Instant::now().checked_add(t)).map_or(Clock::Unlimited, Clock::Until);
    loop {
        clock = clock.tick(sandbox, Instant::now());
        let (woken, signaled) = wait(sandbox.descriptors(), signals, clock.rest(Instant::now()))?;
        // Signals first: one that arrived before the end is not lost, and does not delay it.
        if signaled {
            while let Some(signal) = signals.next()? {
                forward(sandbox, signal);
            }
        }
        if !woken {
            continue;
        }
        match sandbox.next_event()? {
            Some(Event::Started) => {}
            Some(Event::Notice(text)) => notice(&one_line(&text)),
            // The shell that started the front sees it stop, and continues it later; SIGCONT is forwarded like any signal.
            Some(Event::Stopped(_)) => kill_process(getpid(), Signal::STOP)?,
            Some(Event::Ended(outcome)) if clock.passed() => return Ok(Ending::TimedOut(outcome)),
            Some(Event::Ended(outcome)) => return Ok(Ending::Ended(outcome)),
            None => return Ok(Ending::Lost),
        }
    }
}

impl Clock {
    /// Sends what is due.
    fn tick(self, sandbox: &impl Sandbox, now: Instant) -> Self {
        match self {
            Self::Until(end) if now >= end => {
                forward(sandbox, from_front(Signal::TERM));
                // For a stopped program to see it, as timeout(1) does.
                forward(sandbox, from_front(Signal::CONT));
                Self::TermSent(now + GRACE)
            }
            Self::TermSent(end) if now >= end => {
                // If the sentry is gone, the next event says so.
                drop(sandbox.kill());
                Self::KillSent
            }
            same => same,
        }
    }

    fn rest(self, now: Instant) -> Option<Duration> {
        match self {
            Self::Until(end) | Self::TermSent(end) => Some(end.saturating_duration_since(now)),
            Self::Unlimited | Self::KillSent => None,
        }
    }

    fn passed(self) -> bool {
        matches!(self, Self::TermSent(_) | Self::KillSent)
    }
}

fn from_front(signal: Signal) -> Forwarded {
    Forwarded { signal: u8::try_from(signal.as_raw()).unwrap_or(0), from_terminal: false }
}

/// A sentry that is gone is noticed as an event.
fn forward(sandbox: &impl Sandbox, signal: Forwarded) {
    drop(sandbox.signal(signal));
}

/// Text in which a guest may have a word, fit for a terminal: control characters are written out.
fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() { line.extend(c.escape_default()) } else { line.push(c) }
    }
    line
}

/// Whether the sandbox has an event, and whether there are signals; neither when the time is up.
fn wait(sandbox: [BorrowedFd<'_>; 2], signals: &Signals, rest: Option<Duration>) -> io::Result<(bool, bool)> {
    let [line, life] = sandbox;
    let mut fds =
        [line, life].map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).into_iter().collect::<Vec<_>>();
    fds.push(PollFd::new(signals, PollFlags::IN));
    let rest = rest.and_then(|d| Timespec::try_from(d).ok());
    match poll(&mut fds, rest.as_ref()) {
        Ok(_) => {}
        Err(rustix::io::Errno::INTR) => return Ok((false, false)),
        Err(e) => return Err(e.into()),
    }
    let ready = |i: usize| !fds[i].revents().is_empty();
    Ok((ready(0) || ready(1), ready(2)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notices_cannot_steer_a_terminal() {
        assert_eq!(one_line("a\u{1b}[2J\nb\u{9b}é"), "a\\u{1b}[2J\\nb\\u{9b}é");
    }
}
