//! A pseudoterminal whose master is no file of a guest's: the sentry itself has that side, for somebody on the host.

use std::sync::Arc;

use stockade_abi::Errno;
use stockade_abi::signal::SIGWINCH;

use super::{Pty, Side};
use crate::io::BufSource;
use crate::task::Kernel;
use crate::tty::discipline::{Discipline, Effects};
use crate::tty::termios::{Termios, Winsize};
use crate::wait::{Observer, Readiness, WaitQueue};

impl Pty {
    /// Makes one for the user with this id, with these modes to begin with. `number` is what a restore would look for to put
    /// in the place of who has it outside, negative for nothing.
    ///
    /// # Errors
    /// ENOSPC if there are too many.
    pub fn for_outside(
        kernel: &Arc<Kernel>,
        number: i32,
        uid: u32,
        modes: Termios,
        size: Winsize,
    ) -> Result<Arc<Self>, Errno> {
        let pty = Self::make(kernel, uid, Side::Outside(number))?;
        let mut state = pty.state.lock();
        let speeds = state.line.modes();
        state.line.set_modes(modes, (speeds.ispeed, speeds.ospeed));
        state.size = size;
        state.locked = false;
        drop(state);
        Ok(pty)
    }

    /// The number of who has it outside.
    pub(crate) fn number_outside(&self) -> Option<i32> {
        match self.state.lock().master {
            Side::Outside(number) => Some(number),
            Side::File | Side::Closed => None,
        }
    }

    /// The kernel that it is in.
    pub(crate) fn kernel(&self) -> Option<Arc<Kernel>> {
        self.kernel.upgrade()
    }

    /// Types bytes; how many there was room for. What is typed when nobody has it open any more is lost.
    pub fn type_in(&self, bytes: &[u8]) -> usize {
        let mut state = self.state.lock();
        if state.slave_has_gone() {
            return bytes.len();
        }
        let mut effects = Effects::default();
        let input = |line: &mut Discipline, byte| line.input(byte, &mut effects);
        let mut source = BufSource::new(bytes);
        // Its source gives what it has.
        let done = super::feed(&mut state.line, &mut source, bytes.len(), Discipline::input_room, input);
        drop(state);
        let done = done.unwrap_or(0);
        if done > 0 {
            self.follow_up(&effects);
        }
        done
    }

    /// Takes output, `most` bytes at once, out of it.
    pub fn take_output(&self, most: usize) -> Vec<u8> {
        let mut state = self.state.lock();
        let bytes: Vec<u8> = state.line.output().iter().take(most).copied().collect();
        state.line.consume_output(bytes.len());
        drop(state);
        if !bytes.is_empty() {
            self.slave_queue.notify(Readiness::WRITABLE);
        }
        bytes
    }

    /// The window has this size now; the foreground is told of another than before.
    pub fn set_size(&self, size: Winsize) {
        let old = std::mem::replace(&mut self.state.lock().size, size);
        if old != size {
            self.follow_up(&Effects { signals: vec![SIGWINCH], packet: 0 });
        }
    }

    /// Whether it was open and is not any more.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.state.lock().slave_has_gone()
    }

    /// Told when there is output, room for input, or the end.
    #[must_use]
    pub fn outside(&self) -> &Arc<WaitQueue> {
        &self.master_queue
    }

    /// Who is told when the window may have changed.
    pub fn set_window_observer(&self, observer: Arc<dyn Observer>) {
        let _ = self.window.set(observer);
    }

    /// Nobody outside has it any more (SIGHUP).
    pub fn hang_up(&self) {
        self.master_closed();
    }
}
