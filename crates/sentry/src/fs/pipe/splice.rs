//! Moving bytes into and out of pipes without a guest's buffer (splice(2), tee(2)).

use std::sync::Arc;

use stockade_abi::Errno;

use super::{PIPE_BUF, Pipe, State};
use crate::wait::Readiness;

impl Pipe {
    /// Hands what is in it to `take`, which says how much it took. At most `max` bytes; 0 at the end.
    ///
    /// # Errors
    /// EAGAIN if it is empty, and those of `take`. Nothing is lost then.
    pub fn give(&self, max: usize, take: impl FnOnce(&[u8]) -> Result<usize, Errno>) -> Result<usize, Errno> {
        let mut state = self.state.lock();
        if state.ring.len() == 0 {
            return if state.writers == 0 { Ok(0) } else { Err(Errno::EAGAIN) };
        }
        let was_full = !state.has_room();
        let (piece, _) = state.ring.data();
        let n = take(&piece[..piece.len().min(max)])?;
        state.ring.consume(n);
        let has_room = state.has_room();
        drop(state);
        if was_full && has_room {
            self.queue.notify(Readiness::WRITABLE);
        }
        Ok(n)
    }

    /// Has `fill` put something into it, which says how much. At most `max` bytes.
    ///
    /// # Errors
    /// EPIPE if nobody reads, EAGAIN if it is full, and those of `fill`.
    pub fn receive(
        &self,
        max: usize,
        fill: impl FnOnce(&mut [u8]) -> Result<usize, Errno>,
    ) -> Result<usize, Errno> {
        let mut state = self.state.lock();
        state.prepare_room()?;
        let was_empty = state.ring.len() == 0;
        let (piece, _) = state.ring.room();
        let len = piece.len().min(max);
        let n = fill(&mut piece[..len])?;
        if n > 0 {
            state.ring.filled(n, false);
        }
        drop(state);
        if was_empty && n > 0 {
            self.queue.notify(Readiness::READABLE);
        }
        Ok(n)
    }

    /// Copies (tee(2)), or with `consume` moves, at most `max` bytes from one pipe to another.
    ///
    /// # Errors
    /// EPIPE if nobody reads the other; [`Blocked`] says which side has to be waited for.
    pub fn pass(self: &Arc<Self>, to: &Arc<Self>, max: usize, consume: bool) -> Result<usize, Blocked> {
        // Both are locked in an order that is the same for all.
        let (mut from_state, mut to_state);
        if Arc::as_ptr(self) < Arc::as_ptr(to) {
            from_state = self.state.lock();
            to_state = to.state.lock();
        } else {
            to_state = to.state.lock();
            from_state = self.state.lock();
        }
        if to_state.readers == 0 {
            return Err(Blocked::No(Errno::EPIPE));
        }
        if from_state.ring.len() == 0 {
            return if from_state.writers == 0 { Ok(0) } else { Err(Blocked::Source) };
        }
        to_state.prepare_room().map_err(|_| Blocked::Destination)?;
        let was_full = !from_state.has_room();
        let was_empty = to_state.ring.len() == 0;
        let (a, b) = from_state.ring.data();
        let mut done = 0;
        for piece in [a, b] {
            let mut rest = &piece[..piece.len().min(max - done)];
            while !rest.is_empty() {
                let (room, _) = to_state.ring.room();
                let n = room.len().min(rest.len());
                if n == 0 {
                    break;
                }
                room[..n].copy_from_slice(&rest[..n]);
                to_state.ring.filled(n, false);
                rest = &rest[n..];
                done += n;
            }
        }
        if consume {
            from_state.ring.consume(done);
        }
        let has_room = from_state.has_room();
        drop((from_state, to_state));
        if was_empty && done > 0 {
            to.queue.notify(Readiness::READABLE);
        }
        if was_full && has_room {
            self.queue.notify(Readiness::WRITABLE);
        }
        Ok(done)
    }
}

/// Why nothing can be passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blocked {
    /// The source is empty.
    Source,
    /// The destination is full.
    Destination,
    /// Waiting would not help.
    No(Errno),
}

impl State {
    /// Whether a small write finds room.
    pub(super) fn has_room(&self) -> bool {
        self.size - self.ring.len() >= PIPE_BUF
    }

    /// Makes the buffer; there is room then.
    ///
    /// # Errors
    /// EPIPE if nobody reads, EAGAIN if it is full.
    fn prepare_room(&mut self) -> Result<(), Errno> {
        if self.readers == 0 {
            return Err(Errno::EPIPE);
        }
        self.make_buffer();
        if self.ring.len() >= self.size { Err(Errno::EAGAIN) } else { Ok(()) }
    }
}
