//! From the start of a program to its end.

use super::{exit_status, lost, on_host, on_sandbox};
use crate::failure::Failure;
use crate::front::{Forwarded, Signals};
use crate::terminal::{Gone, Raw, Relay, follow_window};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::OwnedFd;
use rustix::process::{Signal, getpid, kill_process};
use std::io;
use std::path::Path;
use std::sync::Arc;
use stockade_control::client::{Client, Error};
use stockade_control::types::container::{SignalArgs, SignalDeliveryMode, WaitPidArgs};

/// A program that runs, and who waits for it.
pub(super) struct Session<'a> {
    pub(super) id: &'a str,
    pub(super) state_dir: Option<&'a Path>,
    /// On which its end is waited for.
    pub(super) client: Client,
    pub(super) pid: i32,
    pub(super) signals: &'a Signals,
}

/// What there is to do.
struct Ready {
    end: bool,
    signal: bool,
}

impl Session<'_> {
    /// Waits for the end; signals are the program's.
    pub(super) fn wait(mut self) -> Result<u8, Failure> {
        self.ask_for_end()?;
        let mut forwarding = Forwarding::new(&self);
        loop {
            let ready = self.ready(&[])?;
            while let Some(signal) = self.next_signal(&ready)? {
                forwarding.forward(signal, Target::of(signal));
                if i32::from(signal.signal) == Signal::TSTP.as_raw() && signal.from_terminal {
                    // The shell that started this shall see it stop; SIGCONT is forwarded like any signal.
                    let _ = kill_process(getpid(), Signal::STOP);
                }
            }
            if ready.end {
                return self.end();
            }
        }
    }

    /// Waits for the end, and moves what is typed and shown meanwhile.
    pub(super) fn wait_on_terminal(
        mut self,
        master: Arc<OwnedFd>,
        reads_input: bool,
        raw: Option<Raw>,
    ) -> Result<u8, Failure> {
        self.ask_for_end()?;
        let mut forwarding = Forwarding::new(&self);
        let mut relay = Some(Relay::new(Arc::clone(&master), reads_input));
        let mut master = Some(master);
        loop {
            let ready = self.ready(&relay.as_ref().map(Relay::watch).unwrap_or_default())?;
            while let Some(signal) = self.next_signal(&ready)? {
                match Signal::from_named_raw(i32::from(signal.signal)) {
                    Some(Signal::WINCH) => {
                        master.iter().for_each(follow_window);
                        forwarding.forward(signal, Target::Foreground);
                    }
                    // Whoever continues this process may have used the terminal.
                    Some(Signal::CONT) => drop(raw.as_ref().map(Raw::again)),
                    Some(Signal::TSTP | Signal::TTIN | Signal::TTOU) if signal.from_terminal => {}
                    // The terminal is gone: so is the one inside.
                    Some(Signal::HUP) => drop((relay.take(), master.take())),
                    _ => forwarding.forward(signal, Target::of(signal)),
                }
            }
            match relay.as_mut().map(Relay::turn) {
                Some(Err(Gone::Outside)) => drop((relay.take(), master.take())),
                // All that was written has been shown.
                Some(Err(Gone::Inside)) => drop(relay.take()),
                Some(Ok(())) | None => {}
            }
            if ready.end {
                let status = self.end();
                if let Some(relay) = relay {
                    relay.finish();
                }
                drop(raw);
                return status;
            }
        }
    }

    fn ask_for_end(&mut self) -> Result<(), Failure> {
        let args = WaitPidArgs { pid: self.pid, ..WaitPidArgs::default() };
        match self.client.begin("containerManager.WaitPID", &args, &[]) {
            // Reading tells more.
            Ok(()) | Err(Error::Ended) => Ok(()),
            Err(e) => Err(on_sandbox(self.id, &e)),
        }
    }

    fn end(&mut self) -> Result<u8, Failure> {
        match self.client.finish::<u32>() {
            Ok(status) => Ok(exit_status(status)),
            Err(Error::Ended | Error::Wire(_)) => Ok(lost(self.id)),
            Err(e) => Err(on_sandbox(self.id, &e)),
        }
    }

    fn ready(&self, more: &[PollFd<'_>]) -> Result<Ready, Failure> {
        let mut fds =
            vec![PollFd::new(&self.client, PollFlags::IN), PollFd::new(self.signals, PollFlags::IN)];
        fds.extend_from_slice(more);
        match poll(&mut fds, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(on_host(self.id, &e.into())),
        }
        Ok(Ready { end: !fds[0].revents().is_empty(), signal: !fds[1].revents().is_empty() })
    }

    fn next_signal(&self, ready: &Ready) -> Result<Option<Forwarded>, Failure> {
        if !ready.signal {
            return Ok(None);
        }
        self.signals.next().map_err(|e: io::Error| on_host(self.id, &e))
    }
}

/// Who is meant by a signal.
#[derive(Clone, Copy)]
enum Target {
    Program,
    /// The group that the program leads, as a terminal's foreground.
    Group,
    Foreground,
}

impl Target {
    fn of(signal: Forwarded) -> Self {
        if signal.from_terminal { Self::Group } else { Self::Program }
    }
}

/// The way for signals: a connection of its own, opened with the first.
struct Forwarding<'a> {
    id: &'a str,
    state_dir: Option<&'a Path>,
    pid: i32,
    client: Option<Client>,
}

impl<'a> Forwarding<'a> {
    fn new(session: &Session<'a>) -> Self {
        Self { id: session.id, state_dir: session.state_dir, pid: session.pid, client: None }
    }

    /// A program or a sandbox that has ended needs no signal.
    fn forward(&mut self, signal: Forwarded, target: Target) {
        if self.client.is_none() {
            self.client = crate::connect::connect(self.state_dir, self.id).ok();
        }
        let Some(client) = &mut self.client else { return };
        let mode = match target {
            Target::Program => SignalDeliveryMode::Process,
            Target::Group => SignalDeliveryMode::ProcessGroup,
            Target::Foreground => SignalDeliveryMode::ForegroundProcessGroup,
        };
        let args =
            SignalArgs { signo: i32::from(signal.signal), pid: self.pid, mode, ..SignalArgs::default() };
        if let Err(Error::Wire(_) | Error::Ended) = client.signal(&args) {
            self.client = None;
        }
    }
}
