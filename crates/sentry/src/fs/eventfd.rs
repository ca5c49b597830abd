//! Event counters (eventfd(2)).

mod persist;

use std::fmt::Write;
use std::sync::Arc;

use stockade_abi::Errno;
use stockade_platform::sync::Mutex;

pub use self::persist::EventFdState;

use crate::io::{Sink, Source};
use crate::persist::{Counter, Saver, Unsavable};
use crate::vfs::persist::FileOpsState;
use crate::vfs::{File, FileOps};
use crate::wait::{Readiness, WaitQueue};

static IDS: Counter = Counter::from(0);

/// EFD_SEMAPHORE
pub const SEMAPHORE: u32 = 1;

/// A counter.
pub struct EventFd {
    count: Mutex<u64>,
    semaphore: bool,
    /// For `/proc/PID/fdinfo`.
    id: u32,
    queue: Arc<WaitQueue>,
}

impl EventFd {
    /// A counter that begins with `count`.
    #[must_use]
    pub fn new(count: u64, semaphore: bool) -> Arc<Self> {
        Self::with_id(IDS.take() as u32 & i32::MAX as u32, count, semaphore)
    }

    fn with_id(id: u32, count: u64, semaphore: bool) -> Arc<Self> {
        Arc::new(Self { count: Mutex::new(count), semaphore, id, queue: Arc::new(WaitQueue::new()) })
    }
}

impl FileOps for EventFd {
    fn read(&self, _file: &File, dst: &mut dyn Sink, _offset: u64) -> Result<usize, Errno> {
        if dst.remaining() < 8 {
            return Err(Errno::EINVAL);
        }
        let mut count = self.count.lock();
        if *count == 0 {
            return Err(Errno::EAGAIN);
        }
        let taken = if self.semaphore { 1 } else { *count };
        *count -= taken;
        drop(count);
        self.queue.notify(Readiness::WRITABLE);
        dst.put(&taken.to_ne_bytes())
    }

    fn write(&self, _file: &File, src: &mut dyn Source, _offset: u64) -> Result<usize, Errno> {
        if src.remaining() < 8 {
            return Err(Errno::EINVAL);
        }
        // Room is looked for before the value is fetched, which can be done only once; a larger value waits.
        let mut count = self.count.lock();
        if *count == u64::MAX - 1 {
            return Err(Errno::EAGAIN);
        }
        let mut bytes = [0; 8];
        if src.take(&mut bytes)? < 8 {
            return Err(Errno::EFAULT);
        }
        let add = u64::from_ne_bytes(bytes);
        if add == u64::MAX {
            return Err(Errno::EINVAL);
        }
        *count = count.checked_add(add).filter(|&sum| sum < u64::MAX).ok_or(Errno::EAGAIN)?;
        drop(count);
        self.queue.notify(Readiness::READABLE);
        Ok(8)
    }

    fn poll(&self) -> Readiness {
        let count = *self.count.lock();
        let mut ready = Readiness::empty();
        ready.set(Readiness::READABLE, count > 0);
        ready.set(Readiness::WRITABLE, count < u64::MAX - 1);
        ready
    }

    fn info(&self, out: &mut String) {
        let count = *self.count.lock();
        let semaphore = u32::from(self.semaphore);
        let _ = write!(
            out,
            "eventfd-count: {count:16x}\neventfd-id: {}\neventfd-semaphore: {semaphore}\n",
            self.id
        );
    }

    fn ignores_seeks(&self) -> bool {
        true
    }

    fn wait_queue(&self) -> Option<&Arc<WaitQueue>> {
        Some(&self.queue)
    }

    fn save(&self, _saver: &mut Saver) -> Result<FileOpsState, Unsavable> {
        let (count, semaphore, id) = (*self.count.lock(), self.semaphore, self.id);
        Ok(FileOpsState::EventFd(EventFdState { count, semaphore, id }))
    }
}

#[cfg(test)]
mod tests {
    use stockade_abi::general as c;

    use super::*;
    use crate::io::{BufSink, BufSource};
    use crate::vfs::anon;

    fn read(file: &File) -> Result<u64, Errno> {
        let mut buf = [0; 8];
        file.read(&mut BufSink::new(&mut buf))?;
        Ok(u64::from_ne_bytes(buf))
    }

    #[test]
    fn counts_and_semaphores() {
        let file = anon::file("[eventfd]", EventFd::new(3, false), c::O_RDWR);
        assert_eq!(file.write(&mut BufSource::new(&4u64.to_ne_bytes())), Ok(8));
        assert_eq!((read(&file), read(&file)), (Ok(7), Err(Errno::EAGAIN)));
        assert_eq!(file.write(&mut BufSource::new(&u64::MAX.to_ne_bytes())), Err(Errno::EINVAL));
        let file = anon::file("[eventfd]", EventFd::new(2, true), c::O_RDWR);
        assert_eq!((read(&file), read(&file), read(&file)), (Ok(1), Ok(1), Err(Errno::EAGAIN)));
    }
}
