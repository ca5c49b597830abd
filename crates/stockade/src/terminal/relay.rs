//! Moves what is typed and shown between the caller's streams and a pseudoterminal.

use super::outer::window;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::{Errno, read, write};
use rustix::stdio::{stdin, stdout};
use rustix::termios::{isatty, tcsetwinsize};
use std::sync::Arc;

/// Bytes moved at once: a terminal's input queue.
const CHUNK: usize = 4096;

/// Ctrl-D: where standard input is no terminal, its end is told so, as script(1) does.
const END_OF_INPUT: u8 = 4;

/// The caller's streams and a pseudoterminal's master, which does not block.
#[derive(Debug)]
pub(crate) struct Relay {
    master: Arc<OwnedFd>,
    /// Whether there is more to read.
    reads_input: bool,
    to_master: Vec<u8>,
    to_output: Vec<u8>,
}

/// One side is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gone {
    /// Nobody inside has the terminal any more.
    Inside,
    /// The caller's terminal was hung up, or nobody reads what is shown.
    Outside,
}

impl Relay {
    /// `reads_input`: whether standard input is for the program.
    pub(crate) fn new(master: Arc<OwnedFd>, reads_input: bool) -> Self {
        Self { master, reads_input, to_master: Vec::new(), to_output: Vec::new() }
    }

    /// What to wait for.
    pub(crate) fn watch(&self) -> Vec<PollFd<'_>> {
        let mut master = PollFlags::empty();
        master.set(PollFlags::IN, self.to_output.is_empty());
        master.set(PollFlags::OUT, !self.to_master.is_empty());
        let mut fds = Vec::with_capacity(3);
        if !master.is_empty() {
            fds.push(PollFd::from_borrowed_fd(self.master.as_fd(), master));
        }
        if self.wants_input() {
            fds.push(PollFd::from_borrowed_fd(stdin(), PollFlags::IN));
        }
        if !self.to_output.is_empty() {
            fds.push(PollFd::from_borrowed_fd(stdout(), PollFlags::OUT));
        }
        fds
    }

    fn wants_input(&self) -> bool {
        self.reads_input && self.to_master.is_empty()
    }

    /// Moves what can be moved.
    ///
    /// # Errors
    /// When one side is gone.
    pub(crate) fn turn(&mut self) -> Result<(), Gone> {
        self.show()?;
        if self.wants_input() && is_ready(stdin(), PollFlags::IN) {
            let mut buffer = [0; CHUNK];
            match read(stdin(), &mut buffer) {
                Ok(n) if n > 0 => self.to_master.extend_from_slice(&buffer[..n]),
                Err(Errno::INTR | Errno::AGAIN) => {}
                _ if isatty(stdin()) => return Err(Gone::Outside),
                _ => {
                    self.reads_input = false;
                    self.to_master.push(END_OF_INPUT);
                }
            }
        }
        match write(&*self.master, &self.to_master) {
            _ if self.to_master.is_empty() => {}
            Ok(n) => drop(self.to_master.drain(..n)),
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(_) => return Err(Gone::Inside),
        }
        Ok(())
    }

    /// Shows what has come.
    fn show(&mut self) -> Result<(), Gone> {
        if self.to_output.is_empty() {
            let mut buffer = [0; CHUNK];
            match read(&*self.master, &mut buffer) {
                Ok(n) if n > 0 => self.to_output.extend_from_slice(&buffer[..n]),
                Err(Errno::INTR | Errno::AGAIN) => return Ok(()),
                _ => return Err(Gone::Inside),
            }
        }
        if is_ready(stdout(), PollFlags::OUT) {
            match write(stdout(), &self.to_output) {
                Ok(n) => drop(self.to_output.drain(..n)),
                Err(Errno::INTR | Errno::AGAIN) => {}
                Err(_) => return Err(Gone::Outside),
            }
        }
        Ok(())
    }

    /// Shows all that has come, once the program has ended. What it left behind may keep the terminal open.
    pub(crate) fn finish(mut self) {
        let mut buffer = [0; CHUNK];
        loop {
            let mut rest = &self.to_output[..];
            while !rest.is_empty() {
                match write(stdout(), rest) {
                    Ok(n) => rest = &rest[n..],
                    Err(Errno::INTR) => {}
                    Err(Errno::AGAIN) => {
                        let _ = poll(&mut [PollFd::from_borrowed_fd(stdout(), PollFlags::OUT)], None);
                    }
                    Err(_) => return,
                }
            }
            self.to_output.clear();
            match read(&*self.master, &mut buffer) {
                Ok(n) if n > 0 => self.to_output.extend_from_slice(&buffer[..n]),
                Err(Errno::INTR) => {}
                // Where this was waited for, the last of it is on its way.
                Err(Errno::AGAIN) if comes_soon(&self.master) => {}
                _ => return,
            }
        }
    }
}

fn comes_soon(master: impl AsFd) -> bool {
    const SOON: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
    poll(&mut [PollFd::new(&master, PollFlags::IN)], Some(&SOON)).is_ok_and(|n| n > 0)
}

/// Gives the terminal inside the size of the caller's window.
pub(crate) fn follow_window(master: impl AsFd) {
    if let Some(size) = window() {
        // One that is gone has no window.
        let _ = tcsetwinsize(master, size);
    }
}

fn is_ready(fd: impl AsFd, flags: PollFlags) -> bool {
    let mut fds = [PollFd::new(&fd, flags)];
    poll(&mut fds, Some(&Timespec::default())).is_ok_and(|n| n > 0)
}
