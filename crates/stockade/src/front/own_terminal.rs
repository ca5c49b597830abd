//! The caller's terminal while the sandbox has one of its own (`do -t`).

use super::protocol::Forwarded;
use super::watch::Sandbox;
use crate::front::Event;
use crate::terminal::{Raw, Relay, follow_window};
use rustix::event::poll;
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::process::Signal;
use std::io;
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;

/// The caller's terminal is raw, and a thread moves what is typed and shown.
#[derive(Debug)]
pub(crate) struct OwnTerminal {
    raw: Option<Raw>,
    master: Weak<OwnedFd>,
    relay: JoinHandle<()>,
}

impl OwnTerminal {
    /// On the side that is the caller's, for after the sentry has inherited the other.
    pub(crate) fn start(master: OwnedFd) -> io::Result<Self> {
        let master = Arc::new(master);
        let raw = Raw::enter()?;
        let weak = Arc::downgrade(&master);
        let relay = Relay::new(master, true);
        let builder = std::thread::Builder::new().name("terminal".into()).stack_size(256 << 10);
        let relay = builder.spawn(move || run(relay))?;
        Ok(Self { raw, master: weak, relay })
    }

    fn noticed(&self, signal: Forwarded) {
        match Signal::from_named_raw(i32::from(signal.signal)) {
            Some(Signal::WINCH) => self.master.upgrade().iter().for_each(follow_window),
            // Whoever continues this process may have used the terminal.
            Some(Signal::CONT) => drop(self.raw.as_ref().map(Raw::again)),
            _ => {}
        }
    }

    /// Waits until all is shown, once the sentry is gone; the terminal is as it was then.
    pub(crate) fn finish(self) {
        // A relay that panicked has nothing more to show.
        drop(self.relay.join());
        drop(self.raw);
    }
}

/// Until one side is gone; that the caller's is hangs the other up.
fn run(mut relay: Relay) {
    while relay.turn().is_ok() {
        // What it says of descriptors is found out by using them.
        let _ = poll(&mut relay.watch(), None);
    }
}

/// A sandbox whose caller's terminal has a part in it.
pub(crate) struct OnTerminal<'a, S> {
    pub(crate) sandbox: &'a mut S,
    pub(crate) terminal: Option<&'a OwnTerminal>,
}

impl<S: Sandbox> Sandbox for OnTerminal<'_, S> {
    fn descriptors(&self) -> [BorrowedFd<'_>; 2] {
        self.sandbox.descriptors()
    }

    fn next_event(&mut self) -> io::Result<Option<(Event, Vec<OwnedFd>)>> {
        self.sandbox.next_event()
    }

    fn signal(&self, signal: Forwarded) -> io::Result<()> {
        self.terminal.inspect(|terminal| terminal.noticed(signal));
        self.sandbox.signal(signal)
    }

    fn kill(&self) -> io::Result<()> {
        self.sandbox.kill()
    }
}
