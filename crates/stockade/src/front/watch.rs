//! The loop of the front.

use super::ending::Ending;
use super::protocol::{Event, Forwarded, Outcome};
use super::signals::Signals;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Signal, getpid, kill_process};
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

/// A running sandbox, as the front sees it.
pub trait Sandbox {
    /// Readable when [`next_event`](Self::next_event) will not block: the line to the sentry, and its life (a pidfd).
    fn descriptors(&self) -> [BorrowedFd<'_>; 2];

    /// The next event, with its descriptors; `None` when the sentry is gone without having told of an end.
    ///
    /// # Errors
    /// What the host says; the sandbox is given up then.
    fn next_event(&mut self) -> io::Result<Option<(Event, Vec<OwnedFd>)>>;

    /// Passes a signal on, without waiting.
    ///
    /// # Errors
    /// `WouldBlock` while the sentry has not read what it was sent before; the first of
    /// [`descriptors`](Self::descriptors) becomes writable when it has. Else only if the sentry is gone, of which
    /// [`next_event`](Self::next_event) tells.
    fn signal(&self, signal: Forwarded) -> io::Result<()>;

    /// Asks the sentry to end all of it, without waiting.
    ///
    /// # Errors
    /// As [`signal`](Self::signal).
    fn kill(&self) -> io::Result<()>;
}

/// Who hears of a sandbox's life.
pub trait Audience {
    /// The first program runs.
    ///
    /// # Errors
    /// When nobody wants it to any more: it is ended.
    fn started(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Something that the owner should know, one line.
    fn notice(&mut self, text: &str);

    /// The image that the sandbox was restored from was found to be right.
    fn checked(&mut self) {}

    /// Job control stopped the first program.
    ///
    /// # Errors
    /// What kill(2) says.
    fn stopped(&mut self) -> io::Result<()> {
        // The shell that started the front sees it stop, and continues it later; SIGCONT is forwarded like any signal.
        Ok(kill_process(getpid(), Signal::STOP)?)
    }
}

impl<F: FnMut(&str)> Audience for F {
    fn notice(&mut self, text: &str) {
        self(text);
    }
}

/// Why the front does not just wait any longer.
#[derive(Debug)]
pub enum Turn {
    /// The sandbox has ended.
    Ended(Ending),
    /// It is to be another's from now on ([`Event::Successor`]); these came with that.
    Successor(Vec<OwnedFd>),
}

/// Time between SIGTERM and SIGKILL when `--timeout` has passed, and then between SIGKILL and the end of a sentry that has
/// not told that it took effect.
pub const GRACE: Duration = Duration::from_secs(5);

/// How long a sandbox has lived when its front lets go of the memory that only its start needed.
const SETTLED: Duration = Duration::from_millis(250);

/// How a program ends whose sentry is killed.
const KILLED: Outcome = Outcome::Signaled(9);

/// Where the clock of `--timeout` stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Clock {
    Unlimited,
    Until(Instant),
    TermSent(Instant),
    KillSent(Instant),
}

/// Waits for the end of the sandbox, or until it is to be another's: forwards signals, shows notices, ends the program after
/// `timeout`. A sentry that does not answer delays none of it; the caller ends it.
///
/// # Errors
/// What the host says to poll(2) or to reading from the sentry.
pub fn watch(
    sandbox: &mut impl Sandbox,
    signals: &Signals,
    timeout: Option<Duration>,
    audience: &mut impl Audience,
) -> io::Result<Turn> {
    // A deadline beyond the end of the clock is none.
    let mut clock =
        timeout.and_then(|t| Instant::now().checked_add(t)).map_or(Clock::Unlimited, Clock::Until);
    // A signal that the sentry could not take yet; others wait behind it, where the host queues them.
    let mut held = None;
    let mut settled = Some(Instant::now() + SETTLED);
    loop {
        clock = clock.tick(sandbox, Instant::now());
        if clock.ran_out(Instant::now()) {
            return Ok(Turn::Ended(Ending::TimedOut(KILLED)));
        }
        if settled.is_some_and(|moment| Instant::now() >= moment) {
            settled = None;
            stockade_confine::settle();
        }
        let rest = [
            clock.rest(Instant::now()),
            settled.map(|moment| moment.saturating_duration_since(Instant::now())),
        ];
        let rest = rest.into_iter().flatten().min();
        let ready = Ready::wait(sandbox.descriptors(), signals, held.is_some(), rest)?;
        // Signals first: one that arrived before the end is not lost, and does not delay it.
        if ready.signal {
            held = forward_all(sandbox, signals, held)?;
        }
        if !ready.event {
            continue;
        }
        let Some((event, files)) = sandbox.next_event()? else { return Ok(Turn::Ended(Ending::Lost)) };
        match event {
            Event::Started => {
                if audience.started().is_err() {
                    // If the sentry is gone, the next event says so.
                    drop(sandbox.kill());
                }
            }
            Event::Notice(text) => audience.notice(&one_line(&text)),
            Event::Checked => audience.checked(),
            Event::Stopped(_) => audience.stopped()?,
            Event::Successor => return Ok(Turn::Successor(files)),
            Event::Ended(outcome) if clock.passed() => return Ok(Turn::Ended(Ending::TimedOut(outcome))),
            Event::Ended(outcome) => return Ok(Turn::Ended(Ending::Ended(outcome))),
            Event::Failed(reason) => return Ok(Turn::Ended(Ending::Failed(one_line(&reason)))),
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
                Self::KillSent(now + GRACE)
            }
            same => same,
        }
    }

    fn rest(self, now: Instant) -> Option<Duration> {
        match self {
            Self::Until(end) | Self::TermSent(end) | Self::KillSent(end) => {
                Some(end.saturating_duration_since(now))
            }
            Self::Unlimited => None,
        }
    }

    fn passed(self) -> bool {
        matches!(self, Self::TermSent(_) | Self::KillSent(_))
    }

    /// Whether not even SIGKILL was answered in time.
    fn ran_out(self, now: Instant) -> bool {
        matches!(self, Self::KillSent(end) if now >= end)
    }
}

fn from_front(signal: Signal) -> Forwarded {
    Forwarded { signal: u8::try_from(signal.as_raw()).unwrap_or(0), from_terminal: false }
}

/// A sentry that is gone is noticed as an event, and one that does not listen is killed later.
fn forward(sandbox: &impl Sandbox, signal: Forwarded) {
    drop(sandbox.signal(signal));
}

/// Forwards `held` and all that arrived; gives back the one that the sentry has no room for.
fn forward_all(
    sandbox: &impl Sandbox,
    signals: &Signals,
    held: Option<Forwarded>,
) -> io::Result<Option<Forwarded>> {
    let mut next = held;
    loop {
        let Some(signal) = next.take().map_or_else(|| signals.next(), |s| Ok(Some(s)))? else {
            return Ok(None);
        };
        match sandbox.signal(signal) {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(Some(signal)),
            // A sentry that is gone is noticed as an event.
            Ok(()) | Err(_) => {}
        }
    }
}

/// Text in which a guest may have a word, fit for a terminal: control characters are written out.
pub(crate) fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() { line.extend(c.escape_default()) } else { line.push(c) }
    }
    line
}

/// What there is to do; nothing when the time is up.
#[derive(Clone, Copy, Debug, Default)]
struct Ready {
    /// The sandbox has an event.
    event: bool,
    /// A signal can be forwarded.
    signal: bool,
}

impl Ready {
    /// `held`: a signal waits for room on the line, instead of one for its arrival.
    fn wait(
        sandbox: [BorrowedFd<'_>; 2],
        signals: &Signals,
        held: bool,
        rest: Option<Duration>,
    ) -> io::Result<Self> {
        let [line, life] = sandbox;
        let (line_events, signal_events) = if held {
            (PollFlags::IN | PollFlags::OUT, PollFlags::empty())
        } else {
            (PollFlags::IN, PollFlags::IN)
        };
        let mut fds = [
            PollFd::from_borrowed_fd(line, line_events),
            PollFd::from_borrowed_fd(life, PollFlags::IN),
            PollFd::new(signals, signal_events),
        ];
        let rest = rest.and_then(|d| Timespec::try_from(d).ok());
        match poll(&mut fds, rest.as_ref()) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => return Ok(Self::default()),
            Err(e) => return Err(e.into()),
        }
        let [line, life, signals] = fds.map(|fd| fd.revents());
        Ok(Self {
            event: !(line - PollFlags::OUT).is_empty() || !life.is_empty(),
            signal: line.contains(PollFlags::OUT) || !signals.is_empty(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notices_cannot_steer_a_terminal() {
        assert_eq!(one_line("a\u{1b}[2J\nb\u{9b}é"), "a\\u{1b}[2J\\nb\\u{9b}é");
    }
}
