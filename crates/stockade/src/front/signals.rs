//! All signals of the front, taken from a descriptor (signalfd(2)) instead of by handlers.

use super::protocol::Forwarded;
use nix::sys::signal::SigSet;
use nix::sys::signalfd::{SfdFlags, SignalFd};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

/// All catchable signals, blocked and waiting to be read.
#[derive(Debug)]
pub struct Signals {
    fd: SignalFd,
    old: SigSet,
}

/// si_code of what the kernel itself sends: a terminal's signals among them.
const SI_KERNEL: i32 = 0x80;

impl Signals {
    /// Blocks them for this thread, which has to be the only one. A child that is forked inherits that.
    ///
    /// # Errors
    /// What signalfd(2) says.
    pub fn block() -> io::Result<Self> {
        let all = SigSet::all();
        let fd = SignalFd::with_flags(&all, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
        let old = all.thread_swap_mask(nix::sys::signal::SigmaskHow::SIG_SETMASK)?;
        Ok(Self { fd, old })
    }

    /// The next signal that is meant for the program.
    ///
    /// # Errors
    /// What read(2) says.
    pub fn next(&self) -> io::Result<Option<Forwarded>> {
        while let Some(info) = self.fd.read_signal()? {
            // SIGCHLD of a child of the front, and SIGPIPE for what the front itself wrote, are its own affair.
            let own_child = info.ssi_signo == CHLD && info.ssi_code > 0;
            let own_write = info.ssi_signo == PIPE && info.ssi_pid == std::process::id();
            match u8::try_from(info.ssi_signo) {
                Ok(signal) if !own_child && !own_write => {
                    return Ok(Some(Forwarded { signal, from_terminal: info.ssi_code == SI_KERNEL }));
                }
                _ => {}
            }
        }
        Ok(None)
    }
}

const CHLD: u32 = nix::libc::SIGCHLD.unsigned_abs();
const PIPE: u32 = nix::libc::SIGPIPE.unsigned_abs();

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        // What arrived after the end has nobody to go to any more, and must not take the exit status's place.
        while matches!(self.fd.read_signal(), Ok(Some(_))) {}
        // Fails for no valid mask.
        let _ = self.old.thread_set_mask();
    }
}
