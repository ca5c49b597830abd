//! Connections: one thread accepts them, and each has one that serves its calls.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{SendFlags, Shutdown, SocketFlags, accept_with, send, shutdown};
use stockade_sentry::diagnosis;

use super::{Error, Sandbox, methods, peer};
use crate::wire::{Budget, Connection, WireError};

/// Connections at once. Beyond, the one that has been idle for longest is closed; if all of them wait for answers, a new one is
/// refused.
const MAX_CONNECTIONS: usize = 512;

/// Calls whose clients went away before they were answered, and which do not end yet; beyond, they count as connections.
const MAX_ABANDONED: usize = 2048;

/// What all messages under way may take.
const MEMORY: usize = 64 << 20;

/// Of threads that serve: a method may format a lot, but nests little.
const STACK: usize = 512 << 10;

/// A control server.
pub struct Server {
    sandbox: Arc<Sandbox>,
    listener: OwnedFd,
    budget: Budget,
    connections: Mutex<Connections>,
    /// Told when a call was answered.
    answered: Condvar,
}

#[derive(Default)]
struct Connections {
    next: u64,
    open: BTreeMap<u64, Entry>,
    /// Nobody waits for the answers of these.
    abandoned: BTreeSet<u64>,
}

struct Entry {
    /// For closing it; its thread has the other handle.
    socket: OwnedFd,
    idle_since: Option<Instant>,
}

impl Entry {
    /// Whether the other side is closed.
    fn is_gone(&self) -> bool {
        let mut fds = [PollFd::new(&self.socket, PollFlags::empty())];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        poll(&mut fds, Some(&now)).is_ok() && fds[0].revents().contains(PollFlags::HUP)
    }
}

impl Connections {
    fn busy(&self) -> usize {
        self.open.values().filter(|e| e.idle_since.is_none()).count()
    }

    /// Closes the one that has been idle for longest; false if none is. Its thread sees the end.
    fn close_longest_idle(&mut self) -> bool {
        let idle = self.open.iter().filter(|(_, e)| e.idle_since.is_some());
        let longest = idle.min_by_key(|(_, e)| e.idle_since).map(|(number, _)| *number);
        let entry = longest.and_then(|number| self.open.remove(&number));
        entry.is_some_and(|e| shutdown(&e.socket, Shutdown::Both).is_ok())
    }

    /// Has those whose clients went away count no more; false if there are none.
    fn abandon(&mut self) -> bool {
        let before = self.open.len();
        let room = MAX_ABANDONED.saturating_sub(self.abandoned.len());
        let gone: Vec<u64> =
            self.open.iter().filter(|(_, e)| e.is_gone()).map(|(number, _)| *number).take(room).collect();
        self.open.retain(|number, _| !gone.contains(number));
        self.abandoned.extend(gone);
        self.open.len() < before
    }

    fn end(&mut self, number: u64) {
        self.open.remove(&number);
        self.abandoned.remove(&number);
    }
}

impl Server {
    /// Serves everybody who connects to `listener`, which does not block, on threads of its own, for as long as the process
    /// lives, or until another sentry takes over.
    ///
    /// # Errors
    /// What the host says when it has no more threads.
    pub fn start(listener: OwnedFd, sandbox: Arc<Sandbox>) -> io::Result<Arc<Self>> {
        let server = Arc::new(Self {
            sandbox,
            listener,
            budget: Budget::new(MEMORY),
            connections: Mutex::default(),
            answered: Condvar::new(),
        });
        let accepting = Arc::clone(&server);
        diagnosis::spawn("control", STACK, move || accepting.accept())?;
        Ok(server)
    }

    /// Waits until all calls under way are answered, but not for longer than this.
    pub fn finish(&self, at_most: Duration) {
        let end = Instant::now() + at_most;
        let mut connections = self.connections.lock();
        while connections.busy() > 0 {
            if self.answered.wait_until(&mut connections, end).timed_out() {
                return;
            }
        }
    }

    fn accept(self: Arc<Self>) {
        while self.sandbox.beginning.accepts() {
            let stop = self.sandbox.beginning.stop();
            let mut fds =
                [PollFd::new(&self.listener, PollFlags::IN), PollFd::from_borrowed_fd(stop, PollFlags::IN)];
            // Whatever it says, the next calls say it too.
            let _ = poll(&mut fds, None);
            if !fds[1].revents().is_empty() {
                continue;
            }
            match accept_with(&self.listener, SocketFlags::CLOEXEC) {
                Ok(socket) if peer::may_connect(&socket, self.sandbox.owner) => {
                    if let Err(e) = self.admit(socket) {
                        tracing::warn!(error = %e, "a control connection was refused");
                    }
                }
                Ok(_) => tracing::warn!("a control connection of another user was refused"),
                // Another sentry may have been faster.
                Err(Errno::INTR | Errno::CONNABORTED | Errno::AGAIN) => {}
                Err(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => {
                    // Closing an idle one gives room; without one, time does.
                    if !self.connections.lock().close_longest_idle() {
                        std::thread::sleep(Duration::from_millis(50));
                    }
                }
                Err(e) => {
                    tracing::error!(error = %e, "the control socket is lost");
                    return;
                }
            }
        }
    }

    fn admit(self: &Arc<Self>, socket: OwnedFd) -> io::Result<()> {
        let entry =
            Entry { socket: rustix::io::fcntl_dupfd_cloexec(&socket, 3)?, idle_since: Some(Instant::now()) };
        let mut connections = self.connections.lock();
        let is_full = connections.open.len() >= MAX_CONNECTIONS;
        if is_full && !connections.abandon() && !connections.close_longest_idle() {
            drop(connections);
            let why =
                Error::new(format!("{MAX_CONNECTIONS} calls are under way: too many for another connection"));
            // Into an empty buffer; whoever does not read it is not waited for.
            let _ = send(&socket, &methods::failure(&why), SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
            return Err(io::Error::other(why));
        }
        let number = connections.next;
        connections.next += 1;
        connections.open.insert(number, entry);
        drop(connections);
        let server = Arc::clone(self);
        let served = diagnosis::spawn("control call", STACK, move || {
            let mut connection = Connection::new(socket, server.budget.clone());
            if let Err(e) = server.serve(number, &mut connection) {
                tracing::debug!(error = %e, "a control connection ended");
            }
            server.connections.lock().end(number);
            server.answered.notify_all();
        });
        if served.is_err() {
            self.connections.lock().end(number);
        }
        served
    }

    fn serve(&self, number: u64, connection: &mut Connection) -> Result<(), WireError> {
        loop {
            let message = match connection.receive() {
                Ok(Some(message)) => message,
                Ok(None) => return Ok(()),
                Err(e @ (WireError::Io(_) | WireError::Truncated)) => return Err(e),
                Err(e) => {
                    // What follows cannot be made sense of; but why is said.
                    connection.send(&methods::failure(&Error::new(e.to_string())), &[])?;
                    return Err(e);
                }
            };
            self.set_idle(number, None);
            let answer = methods::call(&self.sandbox, message);
            connection.send(&answer, &[])?;
            self.set_idle(number, Some(Instant::now()));
            self.answered.notify_all();
        }
    }

    fn set_idle(&self, number: u64, since: Option<Instant>) {
        if let Some(entry) = self.connections.lock().open.get_mut(&number) {
            entry.idle_since = since;
        }
    }
}
