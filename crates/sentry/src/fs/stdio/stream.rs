//! A descriptor of the host as a stream.

use std::io::{IoSlice, IoSliceMut};
use std::sync::Arc;

use rustix::event::epoll::EventFlags;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::SeekFrom;
use rustix::io::{Errno as HostErrno, ReadWriteFlags};
use stockade_abi::Errno;
use stockade_abi::ioctl as io;

use super::descriptor::Descriptor;
use super::host;
use super::persist::{HostStreamState, StreamKind};
use super::reopened::mappable;
use super::terminal::HostTerminal;
use super::watch::Watched;
use crate::fs::host::file::with_buffer;
use crate::io::{Sink, Source};
use crate::mm::{Mappable, MemoryManager, UserMemory};
use crate::persist::{Saver, Unsavable};
use crate::tty::{Terminal, Tty};
use crate::vfs::persist::FileOpsState;
use crate::vfs::{Attrs, File, FileOps, FileType, OWN_POSITION, Seek};
use crate::wait::{Readiness, WaitQueue};

/// A descriptor of the host.
pub(super) struct HostStream {
    of: Arc<Descriptor>,
    fd: Arc<Watched>,
    attrs: Attrs,
    terminal: Option<Arc<HostTerminal>>,
}

impl HostStream {
    pub(super) fn new(of: &Arc<Descriptor>, fd: Arc<Watched>, terminal: Option<Arc<HostTerminal>>) -> Self {
        Self { of: Arc::clone(of), fd, attrs: of.attrs, terminal }
    }

    fn is_regular(&self) -> bool {
        self.attrs.file_type() == FileType::Regular
    }

    fn ready_now(&self, flags: PollFlags) -> PollFlags {
        ready_now(&self.fd, flags)
    }

    pub(super) fn write_some(&self, bytes: &[u8]) -> Result<usize, Errno> {
        if self.is_regular() {
            return rustix::io::write(&*self.fd, bytes).map_err(host);
        }
        match rustix::io::pwritev2(&*self.fd, &[IoSlice::new(bytes)], u64::MAX, ReadWriteFlags::NOWAIT) {
            Err(HostErrno::OPNOTSUPP | HostErrno::SPIPE) => {}
            Err(HostErrno::AGAIN) => {
                self.fd.want(EventFlags::OUT);
                return Err(Errno::EAGAIN);
            }
            other => return other.map_err(host),
        }
        if !self.ready_now(PollFlags::OUT).intersects(PollFlags::OUT | PollFlags::ERR | PollFlags::HUP) {
            self.fd.want(EventFlags::OUT);
            return Err(Errno::EAGAIN);
        }
        // A page fits wherever there is room at all.
        rustix::io::write(&*self.fd, &bytes[..bytes.len().min(4096)]).map_err(host)
    }

    /// Of a regular file, at an offset.
    fn read_some_at(&self, buf: &mut [u8], offset: u64) -> Result<usize, Errno> {
        match offset {
            OWN_POSITION => self.read_some(buf),
            offset => rustix::io::pread(&*self.fd, buf, offset).map_err(host),
        }
    }

    fn write_some_at(&self, bytes: &[u8], offset: u64, done: usize) -> Result<usize, Errno> {
        match offset {
            OWN_POSITION => self.write_some(bytes),
            offset => rustix::io::pwrite(&*self.fd, bytes, offset.saturating_add(done as u64)).map_err(host),
        }
    }

    pub(super) fn read_some(&self, buf: &mut [u8]) -> Result<usize, Errno> {
        if self.is_regular() {
            return rustix::io::read(&*self.fd, buf).map_err(host);
        }
        match rustix::io::preadv2(&*self.fd, &mut [IoSliceMut::new(buf)], u64::MAX, ReadWriteFlags::NOWAIT) {
            Err(HostErrno::OPNOTSUPP | HostErrno::SPIPE) => {}
            Err(HostErrno::AGAIN) => {
                self.fd.want(EventFlags::IN);
                return Err(Errno::EAGAIN);
            }
            other => return other.map_err(host),
        }
        if self.ready_now(PollFlags::IN).is_empty() {
            self.fd.want(EventFlags::IN);
            return Err(Errno::EAGAIN);
        }
        rustix::io::read(&*self.fd, buf).map_err(host)
    }
}

fn ready_now(fd: &Watched, flags: PollFlags) -> PollFlags {
    let mut fds = [PollFd::new(fd, flags)];
    match poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })) {
        Ok(_) => fds[0].revents(),
        Err(_) => PollFlags::empty(),
    }
}

/// What of `sides` a descriptor is ready for; what it is not ready for is watched for.
pub(super) fn readiness(fd: &Arc<Watched>, sides: EventFlags) -> Readiness {
    // The same bits by two names.
    let ready = ready_now(fd, PollFlags::from_bits_truncate(sides.bits() as u16));
    let missing = sides - EventFlags::from_bits_truncate(ready.bits().into());
    if !missing.is_empty() {
        fd.want(missing);
    }
    let mut out = Readiness::from_bits_truncate(u32::from(ready.bits()));
    if out.contains(Readiness::IN) {
        out |= Readiness::RDNORM;
    }
    if out.contains(Readiness::OUT) {
        out |= Readiness::WRNORM;
    }
    out
}

impl FileOps for HostStream {
    fn read(&self, _file: &File, dst: &mut dyn Sink, offset: u64) -> Result<usize, Errno> {
        if dst.remaining() == 0 {
            return Ok(0);
        }
        if let Some(terminal) = &self.terminal {
            terminal.check_read()?;
        }
        with_buffer(dst.remaining(), |buf| {
            let n = self.read_some_at(buf, offset)?;
            if n == 0 { Ok(0) } else { dst.put(&buf[..n]) }
        })
    }

    fn write(&self, _file: &File, src: &mut dyn Source, offset: u64) -> Result<usize, Errno> {
        if let Some(terminal) = &self.terminal {
            terminal.check_write()?;
        }
        let limit = if self.is_regular() { usize::MAX } else { 65536 };
        with_buffer(src.remaining().min(limit), |buf| {
            let n = src.peek(buf)?;
            let mut done = 0;
            while done < n {
                match self.write_some_at(&buf[done..n], offset, done) {
                    Ok(w) => done += w,
                    Err(_) if done > 0 => break,
                    Err(e) => return Err(e),
                }
            }
            Ok(src.skip(done))
        })
    }

    fn append(&self, file: &File, src: &mut dyn Source) -> Result<(usize, u64), Errno> {
        let n = self.write(file, src, OWN_POSITION)?;
        Ok((n, 0))
    }

    fn keeps_position(&self) -> bool {
        self.is_regular()
    }

    fn seek(&self, _file: &File, whence: Seek, offset: i64) -> Result<u64, Errno> {
        let at = |e: Errno| u64::try_from(offset).map_err(|_| e);
        let to = match whence {
            Seek::Set => SeekFrom::Start(at(Errno::EINVAL)?),
            Seek::Current => SeekFrom::Current(offset),
            Seek::End => SeekFrom::End(offset),
            Seek::Data => SeekFrom::Data(at(Errno::ENXIO)?),
            Seek::Hole => SeekFrom::Hole(at(Errno::ENXIO)?),
        };
        rustix::fs::seek(&*self.fd, to).map_err(host)
    }

    fn mappable(&self) -> Result<Arc<dyn Mappable>, Errno> {
        if self.is_regular() { mappable(&self.of, &self.fd) } else { Err(Errno::ENODEV) }
    }

    fn poll(&self) -> Readiness {
        if self.is_regular() {
            return Readiness::READABLE | Readiness::WRITABLE;
        }
        readiness(&self.fd, EventFlags::IN | EventFlags::OUT)
    }

    fn wait_queue(&self) -> Option<&Arc<WaitQueue>> {
        if self.is_regular() { None } else { Some(&self.fd.queue) }
    }

    fn terminal(&self) -> Option<&Arc<Tty>> {
        self.terminal.as_ref().map(|t| t.tty())
    }

    fn ioctl(&self, file: &File, mem: &MemoryManager, request: u32, arg: u64) -> Result<u64, Errno> {
        match (&self.terminal, request) {
            (Some(terminal), _) => terminal.ioctl(file, mem, request, arg),
            (None, io::FIONREAD) => {
                let n = rustix::io::ioctl_fionread(&*self.fd).map_err(host)?;
                mem.copy_out(arg, &(n as i32))?;
                Ok(0)
            }
            _ => Err(Errno::ENOTTY),
        }
    }

    fn attrs(&self) -> Option<Result<Attrs, Errno>> {
        // A terminal is what its name in the sandbox says.
        if self.terminal.is_some() {
            return None;
        }
        let mut attrs = self.attrs;
        if self.is_regular()
            && let Ok(s) = rustix::fs::fstat(&*self.fd)
        {
            attrs.size = s.st_size as u64;
        }
        Some(Ok(attrs))
    }

    fn save(&self, saver: &mut Saver) -> Result<FileOpsState, Unsavable> {
        let kind = match self.terminal.clone() {
            Some(terminal) => {
                let terminal: Arc<dyn Terminal> = terminal;
                StreamKind::Terminal(saver.id(&terminal))
            }
            None => StreamKind::Stream,
        };
        Ok(FileOpsState::HostStream(HostStreamState { of: saver.id(&self.of), kind }))
    }

    fn sync(&self, _data_only: bool) -> Result<(), Errno> {
        if self.is_regular() { rustix::fs::fsync(&*self.fd).map_err(host) } else { Err(Errno::EINVAL) }
    }
}
