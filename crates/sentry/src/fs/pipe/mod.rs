//! Pipes and FIFOs (pipe(7), fifo(7)).

mod budget;
mod persist;
mod ring;
mod splice;

use std::sync::Arc;

use stockade_abi::Errno;
use stockade_abi::general as c;
use stockade_abi::ioctl as io;
use stockade_platform::sync::Mutex;

pub use self::persist::{PipeEndState, PipeState};
pub use self::splice::Blocked;

use self::budget::Buffer;
use self::ring::Ring;
use crate::io::{Sink, Source};
use crate::mm::{MemoryManager, UserMemory};
use crate::persist::{Saver, Unsavable};
use crate::vfs::anon::ReopenState;
use crate::vfs::persist::FileOpsState;
use crate::vfs::{File, FileOps, anon};
use crate::wait::{Readiness, WaitQueue};

/// Writes up to this size are not torn apart.
pub const PIPE_BUF: usize = 4096;
/// Bytes that a new pipe holds.
const DEFAULT_SIZE: usize = 65536;
/// Bytes that F_SETPIPE_SZ gives without privilege (`fs.pipe-max-size`).
pub const MAX_SIZE: usize = 1 << 20;
/// Bytes that it gives at all.
const MAX_ANY_SIZE: usize = MAX_SIZE * 16;

#[derive(Default)]
struct State {
    ring: Ring,
    size: usize,
    readers: usize,
    writers: usize,
    /// How often each end was opened, for those who wait for the other side of a FIFO.
    reader_opens: u64,
    writer_opens: u64,
}

/// What of a copy counts that a fault cut off: whole pages, as each is a buffer of its own on Linux.
fn whole(done: usize, wanted: usize) -> usize {
    if done < wanted { done / PIPE_BUF * PIPE_BUF } else { done }
}

/// A pipe that is made when memory for pipes is short has two pages.
const SMALL_SIZE: usize = 2 * 4096;

impl State {
    /// Makes the buffer for what the size is.
    fn make_buffer(&mut self) {
        if self.ring.capacity() == self.size {
            return;
        }
        if self.ring.capacity() == 0 && !budget::allows(self.size) {
            self.size = self.size.min(SMALL_SIZE);
        }
        self.ring.set_buffer(Buffer::new(self.size));
    }
}

/// A pipe.
pub struct Pipe {
    state: Mutex<State>,
    queue: Arc<WaitQueue>,
    anonymous: bool,
}

impl Pipe {
    /// The pipe behind a FIFO, without ends.
    #[must_use]
    pub fn of_fifo() -> Arc<Self> {
        Self::new(false)
    }

    fn new(anonymous: bool) -> Arc<Self> {
        let state = State { size: DEFAULT_SIZE, ..State::default() };
        Arc::new(Self { state: Mutex::new(state), queue: Arc::new(WaitQueue::new()), anonymous })
    }

    fn open_end(self: &Arc<Self>, reads: bool, writes: bool) -> Arc<End> {
        let mut state = self.state.lock();
        state.readers += usize::from(reads);
        state.writers += usize::from(writes);
        state.reader_opens += u64::from(reads);
        state.writer_opens += u64::from(writes);
        drop(state);
        self.queue.notify(Readiness::all());
        Arc::new(End { pipe: Arc::clone(self), reads, writes })
    }

    fn read(&self, dst: &mut dyn Sink) -> Result<usize, Errno> {
        if dst.remaining() == 0 {
            return Ok(0);
        }
        let mut state = self.state.lock();
        if state.ring.len() == 0 {
            return if state.writers == 0 { Ok(0) } else { Err(Errno::EAGAIN) };
        }
        let was_full = !state.has_room();
        let mut done = 0;
        // A piece at a time, until a packet or the end.
        while state.ring.len() > 0 && dst.remaining() > 0 {
            let (piece, _) = state.ring.data();
            let want = piece.len().min(dst.remaining());
            match dst.put(&piece[..want]) {
                Ok(n) => {
                    let n = whole(n, want);
                    if n == 0 && done == 0 {
                        return Err(Errno::EFAULT);
                    }
                    done += n;
                    if n == 0 || state.ring.consume(n) || n < want {
                        break;
                    }
                }
                // What has been taken is taken, whatever happens to the rest.
                Err(_) if done > 0 => break,
                Err(e) => return Err(e),
            }
        }
        let has_room = state.has_room();
        drop(state);
        if was_full && has_room {
            self.queue.notify(Readiness::WRITABLE);
        }
        Ok(done)
    }

    /// With `packets` each write is read apart from others (O_DIRECT), in pieces of at most [`PIPE_BUF`] bytes.
    fn write(&self, src: &mut dyn Source, packets: bool) -> Result<usize, Errno> {
        let want = src.remaining();
        if want == 0 {
            return Ok(0);
        }
        let mut state = self.state.lock();
        if state.readers == 0 {
            return Err(Errno::EPIPE);
        }
        state.make_buffer();
        let room = state.size - state.ring.len();
        if room == 0 || (want <= PIPE_BUF && room < want) {
            return Err(Errno::EAGAIN);
        }
        // Each takes a page on Linux.
        if packets && state.ring.packets() >= state.size / PIPE_BUF {
            return Err(Errno::EAGAIN);
        }
        let want = if packets { want.min(PIPE_BUF) } else { want };
        let (a, b) = state.ring.room();
        let first = a.len().min(want);
        let mut n = src.take(&mut a[..first])?;
        if n == first && n < want && !b.is_empty() {
            let second = b.len().min(want - n);
            n += src.take(&mut b[..second]).unwrap_or(0);
        }
        n = whole(n, want.min(room));
        if n == 0 {
            return Err(Errno::EFAULT);
        }
        state.ring.filled(n, packets);
        drop(state);
        // Also if it was not empty, for those who watch edges.
        self.queue.notify(Readiness::READABLE);
        Ok(n)
    }

    /// F_SETPIPE_SZ
    ///
    /// # Errors
    /// EINVAL, EBUSY if it holds more, EPERM beyond the limits, ENOMEM for more than there is for anybody.
    pub fn set_size(&self, size: u64, privileged: bool) -> Result<usize, Errno> {
        if size > 1 << 31 {
            return Err(Errno::EINVAL);
        }
        let size = (size as usize).max(PIPE_BUF).next_power_of_two();
        if size > MAX_SIZE && !privileged {
            return Err(Errno::EPERM);
        }
        if size > MAX_ANY_SIZE {
            return Err(Errno::ENOMEM);
        }
        let mut state = self.state.lock();
        if size < state.ring.len() || size / PIPE_BUF < state.ring.packets() {
            return Err(Errno::EBUSY);
        }
        if size > state.size && !budget::allows(size) {
            return Err(Errno::EPERM);
        }
        state.size = size;
        if state.ring.capacity() > 0 {
            state.make_buffer();
        }
        drop(state);
        self.queue.notify(Readiness::WRITABLE);
        Ok(size)
    }

    /// F_GETPIPE_SZ
    #[must_use]
    pub fn size(&self) -> usize {
        self.state.lock().size
    }
}

/// An open end.
pub struct End {
    pipe: Arc<Pipe>,
    reads: bool,
    writes: bool,
}

impl End {
    /// The pipe.
    #[must_use]
    pub fn pipe(&self) -> &Arc<Pipe> {
        &self.pipe
    }
}

impl FileOps for End {
    fn read(&self, _file: &File, dst: &mut dyn Sink, _offset: u64) -> Result<usize, Errno> {
        self.pipe.read(dst)
    }

    fn write(&self, file: &File, src: &mut dyn Source, _offset: u64) -> Result<usize, Errno> {
        self.pipe.write(src, file.flags() & c::O_DIRECT != 0)
    }

    fn poll(&self) -> Readiness {
        let state = self.pipe.state.lock();
        let mut ready = Readiness::empty();
        if self.reads {
            if state.ring.len() > 0 {
                ready |= Readiness::READABLE;
            }
            if state.writers == 0 && state.writer_opens > 0 {
                ready |= Readiness::HUP;
            }
        }
        if self.writes {
            if state.has_room() {
                ready |= Readiness::WRITABLE;
            }
            if state.readers == 0 {
                ready |= Readiness::ERR;
            }
        }
        ready
    }

    fn wait_queue(&self) -> Option<&Arc<WaitQueue>> {
        Some(&self.pipe.queue)
    }

    fn ioctl(&self, _file: &File, mem: &MemoryManager, request: u32, arg: u64) -> Result<u64, Errno> {
        match request {
            io::FIONREAD => {
                let len = self.pipe.state.lock().ring.len();
                mem.copy_out(arg, &(len as i32))?;
                Ok(0)
            }
            _ => Err(Errno::ENOTTY),
        }
    }

    fn save(&self, saver: &mut Saver) -> Result<FileOpsState, Unsavable> {
        Ok(FileOpsState::PipeEnd(PipeEndState::save(self, saver)))
    }
}

impl Drop for End {
    fn drop(&mut self) {
        let mut state = self.pipe.state.lock();
        state.readers -= usize::from(self.reads);
        state.writers -= usize::from(self.writes);
        if state.readers + state.writers == 0 {
            // What is left in a FIFO that nobody has open is gone.
            (state.ring, state.size) = (Ring::default(), DEFAULT_SIZE);
        }
        drop(state);
        self.pipe.queue.notify(Readiness::all());
    }
}

/// A pipe without a name, as `/proc/PID/fd` leads to it: opening an end waits for nobody.
struct Anonymous(Arc<Pipe>);

impl anon::Reopen for Anonymous {
    fn open(&self, flags: u32) -> Result<Arc<dyn FileOps>, Errno> {
        let (reads, writes) = sides(flags);
        Ok(self.0.open_end(reads, writes))
    }

    fn save(&self, saver: &mut Saver) -> ReopenState {
        ReopenState::Pipe(saver.id(&self.0))
    }
}

/// The same, of a restored pipe.
pub(crate) fn opener(pipe: Arc<Pipe>) -> Box<dyn anon::Reopen> {
    Box::new(Anonymous(pipe))
}

/// Whether it is opened to read, and to write.
fn sides(flags: u32) -> (bool, bool) {
    match flags & c::O_ACCMODE {
        c::O_RDONLY => (true, false),
        c::O_WRONLY => (false, true),
        _ => (true, true),
    }
}

/// Opens an end of a FIFO. It may still have to wait for the other side: see [`wait_for_peer`].
///
/// # Errors
/// ENXIO to write without blocking where nobody reads.
pub fn open_fifo(pipe: &Arc<Pipe>, flags: u32) -> Result<Arc<dyn FileOps>, Errno> {
    let (reads, writes) = sides(flags);
    if writes && !reads && flags & c::O_NONBLOCK != 0 && pipe.state.lock().readers == 0 {
        return Err(Errno::ENXIO);
    }
    Ok(pipe.open_end(reads, writes))
}

/// Waits until the other side of a FIFO has been opened, as open(2) of one does.
///
/// # Errors
/// ERESTARTSYS
pub fn wait_for_peer(task: &crate::task::Task, end: &End, flags: u32) -> Result<(), Errno> {
    if end.pipe.anonymous || flags & c::O_NONBLOCK != 0 || (end.reads && end.writes) {
        return Ok(());
    }
    let opens = |s: &State| if end.reads { s.writer_opens } else { s.reader_opens };
    let (before, there) = {
        let state = end.pipe.state.lock();
        (opens(&state), if end.reads { state.writers } else { state.readers } > 0)
    };
    if there {
        return Ok(());
    }
    let _registration = end.pipe.queue.register(Readiness::all(), task.waiter.clone());
    task.block_on(None, || {
        let state = end.pipe.state.lock();
        if opens(&state) != before { Ok(()) } else { Err(Errno::EAGAIN) }
    })
}

/// A new pipe: its read end and its write end. `flags` may hold O_NONBLOCK and O_DIRECT.
#[must_use]
pub fn pair(flags: u32, uid: u32, gid: u32) -> (Arc<File>, Arc<File>) {
    let pipe = Pipe::new(true);
    let opener = opener(Arc::clone(&pipe));
    let path = anon::path_with_opener("pipe:[{}]", c::S_IFIFO | 0o600, uid, gid, opener);
    let reader = pipe.open_end(true, false);
    let writer = pipe.open_end(false, true);
    (File::new(path.clone(), reader, c::O_RDONLY | flags), File::new(path, writer, c::O_WRONLY | flags))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::{BufSink, BufSource};

    fn write(file: &File, bytes: &[u8]) -> Result<usize, Errno> {
        file.write(&mut BufSource::new(bytes))
    }

    fn read(file: &File, n: usize) -> Result<Vec<u8>, Errno> {
        let mut buf = vec![0; n];
        let n = file.read(&mut BufSink::new(&mut buf))?;
        buf.truncate(n);
        Ok(buf)
    }

    #[test]
    fn bytes_come_out_in_order_around_the_end() {
        let (r, w) = pair(0, 0, 0);
        let mut sent = 0u8;
        let mut seen = 0u8;
        for round in 1..200 {
            let chunk: Vec<u8> = (0..round * 37 % 5000)
                .map(|_| {
                    sent = sent.wrapping_add(1);
                    sent
                })
                .collect();
            assert_eq!(write(&w, &chunk), Ok(chunk.len()));
            for b in read(&r, 70000).unwrap_or_default() {
                seen = seen.wrapping_add(1);
                assert_eq!(b, seen);
            }
        }
        assert_eq!(read(&r, 1), Err(Errno::EAGAIN));
    }

    #[test]
    fn small_writes_are_whole_and_ends_are_noticed() {
        let (r, w) = pair(0, 0, 0);
        assert_eq!(write(&w, &[1; 65000]), Ok(65000));
        assert_eq!(write(&w, &[2; 1000]), Err(Errno::EAGAIN));
        assert_eq!(write(&w, &[3; 5000]), Ok(536));
        assert_eq!(w.ops().poll(), Readiness::empty());
        assert_eq!(r.ops().poll(), Readiness::READABLE);
        drop(w);
        assert_eq!(r.ops().poll(), Readiness::READABLE | Readiness::HUP);
        assert_eq!(read(&r, 70000).map(|b| b.len()), Ok(65536));
        assert_eq!(read(&r, 1), Ok(vec![]));
        let (r, w) = pair(0, 0, 0);
        drop(r);
        assert_eq!(write(&w, &[1]), Err(Errno::EPIPE));
        assert!(w.ops().poll().contains(Readiness::ERR));
    }
}
