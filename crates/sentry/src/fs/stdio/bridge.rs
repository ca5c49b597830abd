//! A terminal of the sandbox's own, behind which is one of the host: who types there types here.
//!
//! Line discipline, sessions and job control are all inside, so that they need nobody's help on the host, whose terminal
//! only carries bytes (raw mode) and has a window. A thread moves what is typed and shown, for as long as both sides live.

use std::os::fd::OwnedFd;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use rustix::termios::{self, OptionalActions};
use stockade_abi::Errno;
use stockade_abi::general as c;

use super::descriptor::Descriptor;
use super::stream::HostStream;
use super::watch::Watched;
use super::{host, modes};
use crate::diagnosis;
use crate::task::Kernel;
use crate::task::ThreadGroup;
use crate::tty::pty::Pty;
use crate::tty::{Terminal, Tty};
use crate::vfs::{Attrs, File, LookupFlags, anon, ops};
use crate::wait::{Readiness, Registration, Waiter};

/// Bytes of output moved at once: what the host's terminal surely has room for when it has any.
const CHUNK: usize = 1024;

/// Bytes of input moved at once.
const INPUT: usize = 4096;

/// How often the window is looked at when nobody says that it has changed: the host tells only sessions of its own.
const LOOKS: Duration = Duration::from_millis(500);

/// The two terminals, and what moves between them.
pub struct Bridge {
    pty: Arc<Pty>,
    fd: Arc<Watched>,
    stream: HostStream,
    /// The host terminal's modes, as they were.
    saved: termios::Termios,
    waiter: Arc<Waiter>,
    leader: OnceLock<Arc<ThreadGroup>>,
    flushed: Mutex<bool>,
    told: Condvar,
}

/// The host's terminal is gone.
struct Gone;

impl Bridge {
    /// Makes a terminal inside, for a user, with modes and size of the host's; that is raw from now on, until the end.
    ///
    /// # Errors
    /// What the host says; ENOSPC if there are too many terminals.
    pub(super) fn new(
        kernel: &Arc<Kernel>,
        number: i32,
        fd: OwnedFd,
        attrs: Attrs,
        uid: u32,
    ) -> Result<Arc<Self>, Errno> {
        let modes = modes::of(&termios::tcgetattr(&fd).map_err(host)?);
        let pty = Pty::for_outside(kernel, number, uid, modes, modes::size_of(&fd)?)?;
        Self::over(pty, fd, attrs)
    }

    /// Puts one of the host behind a terminal that is there.
    ///
    /// # Errors
    /// What the host says.
    pub(super) fn over(pty: Arc<Pty>, fd: OwnedFd, attrs: Attrs) -> Result<Arc<Self>, Errno> {
        let saved = termios::tcgetattr(&fd).map_err(host)?;
        let mut raw = saved.clone();
        raw.make_raw();
        termios::tcsetattr(&fd, OptionalActions::Now, &raw).map_err(host)?;
        let fd = Watched::new(fd);
        let of = Descriptor::plain(-1, Some(Arc::clone(&fd)), attrs, c::O_RDWR);
        let stream = HostStream::new(&Arc::new(of), Arc::clone(&fd), None);
        let waiter = Waiter::new();
        pty.set_window_observer(waiter.clone());
        Ok(Arc::new(Self {
            pty,
            fd,
            stream,
            saved,
            waiter,
            leader: OnceLock::new(),
            flushed: Mutex::new(false),
            told: Condvar::new(),
        }))
    }

    /// The terminal inside.
    #[must_use]
    pub fn tty(&self) -> &Arc<Tty> {
        self.pty.tty()
    }

    /// The same, to be opened by name.
    #[must_use]
    pub fn terminal(&self) -> Arc<dyn Terminal> {
        Arc::clone(&self.pty) as Arc<dyn Terminal>
    }

    /// Its slave, open; a root without a place for it has none by that name.
    pub(super) fn stream(&self, request: &ops::Request<'_>) -> Result<Arc<File>, Errno> {
        let ops = Arc::clone(&self.pty).open(c::O_RDWR)?;
        let tty = self.tty();
        let place = request.walk(LookupFlags::empty()).resolve(tty.name().as_bytes());
        let path = place.unwrap_or_else(|_| {
            let node = tty.node();
            anon::path(&tty.name(), c::S_IFCHR | node.mode, node.uid, node.gid)
        });
        Ok(File::new(path, ops, c::O_RDWR))
    }

    /// Moves bytes from now on; `leader` is the process that was started on it.
    ///
    /// # Errors
    /// EAGAIN if the host has no more threads.
    pub fn start(self: &Arc<Self>, leader: &Arc<ThreadGroup>) -> Result<(), Errno> {
        let _ = self.leader.set(Arc::clone(leader));
        let bridge = Arc::clone(self);
        let run = move || {
            let leader = bridge.leader.wait();
            let registrations = bridge.register(leader);
            bridge.run(leader);
            drop(registrations);
            bridge.finish();
        };
        diagnosis::spawn("terminal", 128 << 10, run).map_err(|_| Errno::EAGAIN)
    }

    /// Waits until all that its leader wrote before its end has gone outside, or nobody is there; but not for longer than
    /// this.
    pub fn flush(&self, at_most: Option<Duration>) {
        let end = at_most.and_then(|time| Instant::now().checked_add(time));
        let mut flushed = self.flushed.lock();
        while !*flushed {
            match end {
                None => self.told.wait(&mut flushed),
                Some(end) if self.told.wait_until(&mut flushed, end).timed_out() => return,
                Some(_) => {}
            }
        }
    }

    fn register(&self, leader: &ThreadGroup) -> [Registration; 3] {
        [self.pty.outside(), &self.fd.queue, &leader.exit_events]
            .map(|queue| queue.register(Readiness::all(), self.waiter.clone()))
    }

    /// Until one side is gone.
    fn run(&self, leader: &ThreadGroup) {
        let (mut input, mut output) = (Vec::new(), Vec::new());
        loop {
            let kernel = self.pty.kernel();
            let changing = kernel.as_ref().map(|kernel| kernel.changing());
            let has_ended = leader.exit_status().is_some();
            let moved = self.move_input(&mut input).and_then(|i| Ok(i | self.move_output(&mut output)?));
            match moved {
                Err(Gone) => return,
                Ok(true) => continue,
                Ok(false) => {}
            }
            if has_ended && output.is_empty() {
                self.tell_flushed();
                if self.pty.is_closed() {
                    return;
                }
            }
            if let Ok(size) = modes::size_of(&*self.fd) {
                self.pty.set_size(size);
            }
            drop(changing);
            drop(kernel);
            self.waiter.park(Instant::now().checked_add(LOOKS));
        }
    }

    /// Whether anything was moved.
    fn move_input(&self, input: &mut Vec<u8>) -> Result<bool, Gone> {
        let mut moved = false;
        if input.is_empty() {
            let mut buffer = [0; INPUT];
            match self.stream.read_some(&mut buffer) {
                Err(Errno::EAGAIN) => return Ok(false),
                Ok(0) | Err(_) => return Err(Gone),
                Ok(n) => input.extend_from_slice(&buffer[..n]),
            }
            moved = true;
        }
        let n = self.pty.type_in(input);
        input.drain(..n);
        Ok(moved | (n > 0))
    }

    fn move_output(&self, output: &mut Vec<u8>) -> Result<bool, Gone> {
        if output.is_empty() {
            *output = self.pty.take_output(CHUNK);
        }
        if output.is_empty() {
            return Ok(false);
        }
        match self.stream.write_some(output) {
            Err(Errno::EAGAIN) => Ok(false),
            Ok(0) | Err(_) => Err(Gone),
            Ok(n) => {
                output.drain(..n);
                Ok(true)
            }
        }
    }

    fn tell_flushed(&self) {
        *self.flushed.lock() = true;
        self.told.notify_all();
    }

    fn finish(&self) {
        if let Some(kernel) = self.pty.kernel() {
            let _changing = kernel.changing();
            self.pty.hang_up();
        }
        self.tell_flushed();
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        // One that was never started has a terminal that nobody will type into.
        self.pty.hang_up();
        // A terminal that was hung up needs no modes.
        let _ = termios::tcsetattr(&*self.fd, OptionalActions::Now, &self.saved);
    }
}
