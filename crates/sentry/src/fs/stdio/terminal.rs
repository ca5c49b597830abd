//! Terminals of the host among the standard streams. Their line discipline is the host's; who they control inside is the
//! sandbox's.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::termios;
use stockade_abi::Errno;
use stockade_abi::ioctl as io;
use stockade_abi::signal::{SIGTTIN, SIGTTOU};

use super::descriptor::Descriptor;
use super::persist::HostTerminalState;
use super::watch::Watched;
use super::{attrs_of, check_reopening, host, modes};
use crate::mm::{MemoryManager, UserMemory};
use crate::persist::{Saver, Unsavable};
use crate::task::Kernel;
use crate::tty::persist::TerminalState;
use crate::tty::termios::{Termios, Winsize};
use crate::tty::{Terminal, Tty};
use crate::vfs::{File, FileOps, Path, anon};

/// A terminal of the host.
pub struct HostTerminal {
    tty: Arc<Tty>,
    of: Arc<Descriptor>,
    fd: Arc<Watched>,
}

impl HostTerminal {
    /// Gives a terminal of the host a name in the sandbox. A process is given it under `number`; `access` is its access mode.
    ///
    /// # Errors
    /// What fstat(2) says.
    pub fn add(kernel: &Kernel, number: i32, fd: OwnedFd, access: u32, uid: u32) -> Result<Arc<Self>, Errno> {
        let attrs = attrs_of(&fd)?;
        let fd = Watched::new(fd);
        let of = Arc::new(Descriptor::plain(number, Some(Arc::clone(&fd)), attrs, access));
        kernel.ttys.add(uid, |tty| Self::new(tty, of, fd))
    }

    pub(super) fn new(tty: Arc<Tty>, of: Arc<Descriptor>, fd: Arc<Watched>) -> Self {
        Self { tty, of, fd }
    }

    pub(super) fn of(&self) -> &Arc<Descriptor> {
        &self.of
    }

    /// What it has in common with others.
    #[must_use]
    pub fn tty(&self) -> &Arc<Tty> {
        &self.tty
    }

    /// The standard stream; `path` is its name, if there is a place for it.
    #[must_use]
    pub fn stream(self: &Arc<Self>, path: Option<Path>) -> Arc<File> {
        let Descriptor { attrs, access, .. } = &*self.of;
        let path = path.unwrap_or_else(|| anon::path(&self.tty.name(), attrs.mode, attrs.uid, attrs.gid));
        File::new(path, self.of.stream(Some(Arc::clone(self))), *access)
    }

    /// Whether a caller may read.
    pub(super) fn check_read(&self) -> Result<(), Errno> {
        self.tty.hold_background(SIGTTIN)
    }

    /// Whether a caller may write: from the background only without TOSTOP.
    pub(super) fn check_write(&self) -> Result<(), Errno> {
        if self.tty.is_background()
            && termios::tcgetattr(&*self.fd)
                .is_ok_and(|t| t.local_modes.contains(termios::LocalModes::TOSTOP))
        {
            return self.tty.hold_background(SIGTTOU);
        }
        Ok(())
    }

    fn hold_changes(&self) -> Result<(), Errno> {
        self.tty.hold_background(SIGTTOU)
    }

    pub(super) fn ioctl(
        &self,
        file: &File,
        mem: &MemoryManager,
        request: u32,
        arg: u64,
    ) -> Result<u64, Errno> {
        if let Some(done) = self.tty.control_ioctl(file, mem, (request, arg), false) {
            return done;
        }
        match request {
            io::TCGETS => {
                let t = termios::tcgetattr(&*self.fd).map_err(host)?;
                mem.copy_out(arg, &modes::of(&t))?;
            }
            io::TCSETS | io::TCSETSW | io::TCSETSF => {
                self.hold_changes()?;
                let k: Termios = mem.copy_in(arg)?;
                let mut t = termios::tcgetattr(&*self.fd).map_err(host)?;
                modes::put(&mut t, &k);
                let when = match request {
                    io::TCSETS => termios::OptionalActions::Now,
                    io::TCSETSW => termios::OptionalActions::Drain,
                    _ => termios::OptionalActions::Flush,
                };
                termios::tcsetattr(&*self.fd, when, &t).map_err(host)?;
            }
            io::TIOCGWINSZ => {
                mem.copy_out(arg, &modes::size_of(&*self.fd)?)?;
            }
            io::TIOCSWINSZ => {
                let w: Winsize = mem.copy_in(arg)?;
                let (ws_row, ws_col, ws_xpixel, ws_ypixel) = (w.row, w.col, w.xpixel, w.ypixel);
                let size = termios::Winsize { ws_row, ws_col, ws_xpixel, ws_ypixel };
                termios::tcsetwinsize(&*self.fd, size).map_err(host)?;
            }
            io::FIONREAD => {
                let n = rustix::io::ioctl_fionread(&*self.fd).map_err(host)?;
                mem.copy_out(arg, &(n as i32))?;
            }
            _ => return Err(Errno::ENOTTY),
        }
        Ok(0)
    }
}

impl Terminal for HostTerminal {
    fn tty(&self) -> &Arc<Tty> {
        &self.tty
    }

    fn open(self: Arc<Self>, flags: u32) -> Result<Arc<dyn FileOps>, Errno> {
        check_reopening(self.of.access, flags)?;
        Ok(self.of.stream(Some(Arc::clone(&self))))
    }

    fn save(&self, saver: &mut Saver) -> Result<TerminalState, Unsavable> {
        Ok(TerminalState::Host(HostTerminalState {
            tty: saver.id(&self.tty),
            of: saver.id(&self.of),
            listed: saver.kernel().ttys.has(self),
            modes: termios::tcgetattr(&*self.fd).ok().map(|modes| modes::of(&modes)),
        }))
    }
}
