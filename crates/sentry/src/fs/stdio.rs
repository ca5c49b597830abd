//! Descriptors of the host that the first process starts with: files, pipes, sockets, terminals.
//!
//! Their descriptions are shared with others on the host: offsets are theirs, and O_NONBLOCK is not set on them. What
//! would block is asked for beforehand, and waited for by a thread of its own.

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::thread;

use parking_lot::{Condvar, Mutex};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno as HostErrno, ReadWriteFlags};
use rustix::termios;
use stockade_abi::Errno;
use stockade_abi::general as c;
use stockade_abi::ioctl as io;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::host::file::with_buffer;
use crate::io::{Sink, Source};
use crate::mm::{MemoryManager, UserMemory};
use crate::time::clock::now;
use crate::vfs::{Attrs, File, FileOps, FileType, Seek, anon};
use crate::wait::{Readiness, WaitQueue};

fn host(e: HostErrno) -> Errno {
    Errno::from_raw(e.raw_os_error())
}

/// What the three standard streams share of their terminal.
#[derive(Debug, Default)]
pub struct Terminal {
    /// The process group that the guest put into the foreground, as numbered in the root namespace; 0 for the first one.
    pub foreground: AtomicI32,
}

struct Watch {
    wanted: Mutex<PollFlags>,
    changed: Condvar,
    started: AtomicBool,
}

/// A descriptor of the host.
pub struct HostStream {
    fd: Arc<OwnedFd>,
    attrs: Attrs,
    terminal: Option<Arc<Terminal>>,
    queue: Arc<WaitQueue>,
    watch: Arc<Watch>,
}

/// `struct termios` as TCGETS has it.
#[repr(C)]
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
struct KernelTermios {
    iflag: u32,
    oflag: u32,
    cflag: u32,
    lflag: u32,
    line: u8,
    cc: [u8; 19],
}

/// Makes a file of a descriptor of the host. `access` is its access mode.
///
/// # Errors
/// What fstat(2) says.
pub fn open(fd: OwnedFd, access: u32, terminal: &Arc<Terminal>) -> Result<Arc<File>, Errno> {
    let s = rustix::fs::fstat(&fd).map_err(host)?;
    let is_tty = termios::isatty(&fd);
    let attrs = Attrs {
        dev: s.st_dev,
        ino: s.st_ino,
        mode: s.st_mode,
        nlink: s.st_nlink as u32,
        uid: s.st_uid,
        gid: s.st_gid,
        rdev: s.st_rdev,
        size: s.st_size as u64,
        blksize: s.st_blksize as u32,
        blocks: s.st_blocks as u64,
        atime: now(),
        mtime: now(),
        ctime: now(),
        btime: None,
    };
    let name = match attrs.file_type() {
        FileType::Fifo => "pipe:[{}]",
        FileType::Socket => "socket:[{}]",
        FileType::CharDevice if is_tty => "/dev/tty",
        FileType::CharDevice => "/dev/null",
        _ => "/dev/host/{}",
    };
    let (fd, terminal) = (Arc::new(fd), is_tty.then(|| Arc::clone(terminal)));
    let stream = HostStream::new(Arc::clone(&fd), attrs, terminal.clone());
    let opener = Box::new(Inherited { fd, attrs, terminal, access });
    let path = anon::path_with_opener(name, attrs.mode, attrs.uid, attrs.gid, opener);
    Ok(File::new(path, Arc::new(stream), access))
}

/// An inherited stream, as `/proc/PID/fd` leads to it.
struct Inherited {
    fd: Arc<OwnedFd>,
    attrs: Attrs,
    terminal: Option<Arc<Terminal>>,
    access: u32,
}

impl anon::Reopen for Inherited {
    /// It is opened no wider than it was inherited.
    fn open(&self, flags: u32) -> Result<Arc<dyn FileOps>, Errno> {
        let has = self.access & c::O_ACCMODE;
        if has != c::O_RDWR && has != flags & c::O_ACCMODE {
            return Err(Errno::EACCES);
        }
        let (fd, attrs) = (Arc::clone(&self.fd), self.attrs);
        if attrs.file_type() == FileType::Regular {
            return Ok(Arc::new(Reopened { fd, attrs }));
        }
        Ok(Arc::new(HostStream::new(fd, attrs, self.terminal.clone())))
    }

    fn set_size(&self, size: u64) -> Result<(), Errno> {
        match self.attrs.file_type() {
            FileType::Regular => rustix::fs::ftruncate(&*self.fd, size).map_err(host),
            _ => Ok(()),
        }
    }
}

/// An inherited regular file that was opened anew: it has an offset of its own.
struct Reopened {
    fd: Arc<OwnedFd>,
    attrs: Attrs,
}

impl Reopened {
    fn size(&self) -> Result<u64, Errno> {
        Ok(rustix::fs::fstat(&*self.fd).map_err(host)?.st_size as u64)
    }
}

impl FileOps for Reopened {
    fn read(&self, _file: &File, dst: &mut dyn Sink, offset: u64) -> Result<usize, Errno> {
        if dst.remaining() == 0 {
            return Ok(0);
        }
        with_buffer(dst.remaining(), |buf| {
            let n = rustix::io::pread(&*self.fd, &mut *buf, offset).map_err(host)?;
            if n == 0 { Ok(0) } else { dst.put(&buf[..n]) }
        })
    }

    fn write(&self, _file: &File, src: &mut dyn Source, offset: u64) -> Result<usize, Errno> {
        with_buffer(src.remaining(), |buf| {
            let n = src.take(buf)?;
            rustix::io::pwrite(&*self.fd, &buf[..n], offset).map_err(host)
        })
    }

    fn append(&self, file: &File, src: &mut dyn Source) -> Result<(usize, u64), Errno> {
        let end = self.size()?;
        let n = self.write(file, src, end)?;
        Ok((n, end + n as u64))
    }

    fn is_seekable(&self) -> bool {
        true
    }

    fn seek(&self, _file: &File, whence: Seek, offset: i64) -> Result<u64, Errno> {
        match whence {
            Seek::End => (self.size()? as i64)
                .checked_add(offset)
                .and_then(|at| u64::try_from(at).ok())
                .ok_or(Errno::EINVAL),
            _ => Err(Errno::EINVAL),
        }
    }

    fn attrs(&self) -> Option<Result<Attrs, Errno>> {
        Some(self.size().map(|size| Attrs { size, ..self.attrs }))
    }

    fn sync(&self, _data_only: bool) -> Result<(), Errno> {
        rustix::fs::fsync(&*self.fd).map_err(host)
    }
}

impl HostStream {
    fn new(fd: Arc<OwnedFd>, attrs: Attrs, terminal: Option<Arc<Terminal>>) -> Self {
        Self {
            fd,
            attrs,
            terminal,
            queue: Arc::new(WaitQueue::new()),
            watch: Arc::new(Watch {
                wanted: Mutex::new(PollFlags::empty()),
                changed: Condvar::new(),
                started: AtomicBool::new(false),
            }),
        }
    }

    fn is_regular(&self) -> bool {
        self.attrs.file_type() == FileType::Regular
    }

    fn ready_now(&self, flags: PollFlags) -> PollFlags {
        let mut fds = [PollFd::new(&*self.fd, flags)];
        match poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })) {
            Ok(_) => fds[0].revents(),
            Err(_) => PollFlags::empty(),
        }
    }

    /// Has the watching thread tell when the descriptor becomes ready.
    fn want(&self, flags: PollFlags) {
        *self.watch.wanted.lock() |= flags;
        self.watch.changed.notify_one();
        if self.watch.started.swap(true, Ordering::AcqRel) {
            return;
        }
        let (fd, queue, watch) = (Arc::clone(&self.fd), Arc::clone(&self.queue), Arc::clone(&self.watch));
        let started =
            thread::Builder::new().name("host-stream".into()).stack_size(128 * 1024).spawn(move || {
                loop {
                    let wanted = {
                        let mut wanted = watch.wanted.lock();
                        while wanted.is_empty() {
                            watch.changed.wait(&mut wanted);
                        }
                        *wanted
                    };
                    let mut fds = [PollFd::new(&*fd, wanted)];
                    // A quarter of a second bounds how long a change of what is wanted goes unseen.
                    let _ = poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 250_000_000 }));
                    let ready = fds[0].revents();
                    if !ready.is_empty() {
                        *watch.wanted.lock() &= !(ready | PollFlags::ERR | PollFlags::HUP);
                        if ready.intersects(PollFlags::ERR | PollFlags::HUP) {
                            *watch.wanted.lock() = PollFlags::empty();
                        }
                        queue.notify(Readiness::from_bits_truncate(u32::from(ready.bits())));
                    }
                }
            });
        if started.is_err() {
            self.watch.started.store(false, Ordering::Release);
        }
    }

    fn write_some(&self, bytes: &[u8]) -> Result<usize, Errno> {
        if self.is_regular() {
            return rustix::io::write(&*self.fd, bytes).map_err(host);
        }
        match rustix::io::pwritev2(&*self.fd, &[IoSlice::new(bytes)], u64::MAX, ReadWriteFlags::NOWAIT) {
            Err(HostErrno::OPNOTSUPP | HostErrno::SPIPE) => {}
            Err(HostErrno::AGAIN) => {
                self.want(PollFlags::OUT);
                return Err(Errno::EAGAIN);
            }
            other => return other.map_err(host),
        }
        if !self.ready_now(PollFlags::OUT).intersects(PollFlags::OUT | PollFlags::ERR | PollFlags::HUP) {
            self.want(PollFlags::OUT);
            return Err(Errno::EAGAIN);
        }
        // A page fits wherever there is room at all.
        rustix::io::write(&*self.fd, &bytes[..bytes.len().min(4096)]).map_err(host)
    }

    fn read_some(&self, buf: &mut [u8]) -> Result<usize, Errno> {
        if self.is_regular() {
            return rustix::io::read(&*self.fd, buf).map_err(host);
        }
        match rustix::io::preadv2(&*self.fd, &mut [IoSliceMut::new(buf)], u64::MAX, ReadWriteFlags::NOWAIT) {
            Err(HostErrno::OPNOTSUPP | HostErrno::SPIPE) => {}
            Err(HostErrno::AGAIN) => {
                self.want(PollFlags::IN);
                return Err(Errno::EAGAIN);
            }
            other => return other.map_err(host),
        }
        if self.ready_now(PollFlags::IN).is_empty() {
            self.want(PollFlags::IN);
            return Err(Errno::EAGAIN);
        }
        rustix::io::read(&*self.fd, buf).map_err(host)
    }

    fn terminal_ioctl(&self, mem: &MemoryManager, request: u32, arg: u64) -> Result<u64, Errno> {
        match request {
            io::TCGETS => {
                let t = termios::tcgetattr(&*self.fd).map_err(host)?;
                let mut cc = [0; 19];
                for (to, index) in cc.iter_mut().zip(SPECIAL) {
                    *to = t.special_codes[*index];
                }
                let k = KernelTermios {
                    iflag: t.input_modes.bits(),
                    oflag: t.output_modes.bits(),
                    cflag: t.control_modes.bits(),
                    lflag: t.local_modes.bits(),
                    line: 0,
                    cc,
                };
                mem.copy_out(arg, &k)?;
            }
            io::TCSETS | io::TCSETSW | io::TCSETSF => {
                let k: KernelTermios = mem.copy_in(arg)?;
                let mut t = termios::tcgetattr(&*self.fd).map_err(host)?;
                t.input_modes = termios::InputModes::from_bits_retain(k.iflag);
                t.output_modes = termios::OutputModes::from_bits_retain(k.oflag);
                t.control_modes = termios::ControlModes::from_bits_retain(k.cflag);
                t.local_modes = termios::LocalModes::from_bits_retain(k.lflag);
                for (from, index) in k.cc.iter().zip(SPECIAL) {
                    t.special_codes[*index] = *from;
                }
                let when = match request {
                    io::TCSETS => termios::OptionalActions::Now,
                    io::TCSETSW => termios::OptionalActions::Drain,
                    _ => termios::OptionalActions::Flush,
                };
                termios::tcsetattr(&*self.fd, when, &t).map_err(host)?;
            }
            io::TIOCGWINSZ => {
                let w = termios::tcgetwinsize(&*self.fd).map_err(host)?;
                mem.copy_out(arg, &[w.ws_row, w.ws_col, w.ws_xpixel, w.ws_ypixel])?;
            }
            io::TIOCSWINSZ => {
                let [ws_row, ws_col, ws_xpixel, ws_ypixel]: [u16; 4] = mem.copy_in(arg)?;
                let size = termios::Winsize { ws_row, ws_col, ws_xpixel, ws_ypixel };
                termios::tcsetwinsize(&*self.fd, size).map_err(host)?;
            }
            io::FIONREAD => {
                let n = rustix::io::ioctl_fionread(&*self.fd).map_err(host)?;
                mem.copy_out(arg, &(n as i32))?;
            }
            io::TIOCGPGRP => {
                let pgrp = self.terminal.as_ref().map_or(0, |t| t.foreground.load(Ordering::Relaxed));
                mem.copy_out(arg, &pgrp.max(1))?;
            }
            io::TIOCSPGRP => {
                let pgrp: i32 = mem.copy_in(arg)?;
                if let Some(terminal) = &self.terminal {
                    terminal.foreground.store(pgrp, Ordering::Relaxed);
                }
            }
            io::TIOCGSID => mem.copy_out(arg, &1i32)?,
            // Typing for somebody else is refused, as with dev.tty.legacy_tiocsti off.
            io::TIOCSTI => return Err(Errno::EIO),
            _ => return Err(Errno::ENOTTY),
        }
        Ok(0)
    }
}

/// The indices of `c_cc`, in the kernel's order.
const SPECIAL: &[termios::SpecialCodeIndex] = &[
    termios::SpecialCodeIndex::VINTR,
    termios::SpecialCodeIndex::VQUIT,
    termios::SpecialCodeIndex::VERASE,
    termios::SpecialCodeIndex::VKILL,
    termios::SpecialCodeIndex::VEOF,
    termios::SpecialCodeIndex::VTIME,
    termios::SpecialCodeIndex::VMIN,
    termios::SpecialCodeIndex::VSWTC,
    termios::SpecialCodeIndex::VSTART,
    termios::SpecialCodeIndex::VSTOP,
    termios::SpecialCodeIndex::VSUSP,
    termios::SpecialCodeIndex::VEOL,
    termios::SpecialCodeIndex::VREPRINT,
    termios::SpecialCodeIndex::VDISCARD,
    termios::SpecialCodeIndex::VWERASE,
    termios::SpecialCodeIndex::VLNEXT,
    termios::SpecialCodeIndex::VEOL2,
];

impl FileOps for HostStream {
    fn read(&self, _file: &File, dst: &mut dyn Sink, _offset: u64) -> Result<usize, Errno> {
        if dst.remaining() == 0 {
            return Ok(0);
        }
        with_buffer(dst.remaining(), |buf| {
            let n = self.read_some(buf)?;
            if n == 0 { Ok(0) } else { dst.put(&buf[..n]) }
        })
    }

    fn write(&self, _file: &File, src: &mut dyn Source, _offset: u64) -> Result<usize, Errno> {
        let limit = if self.is_regular() { usize::MAX } else { 65536 };
        // What has been taken from the source must be written: a stream takes no more than it surely holds.
        if !self.is_regular()
            && !self.ready_now(PollFlags::OUT).intersects(PollFlags::OUT | PollFlags::ERR | PollFlags::HUP)
        {
            self.want(PollFlags::OUT);
            return Err(Errno::EAGAIN);
        }
        with_buffer(src.remaining().min(limit), |buf| {
            let n = src.take(buf)?;
            let mut done = 0;
            while done < n {
                match self.write_some(&buf[done..n]) {
                    Ok(w) => done += w,
                    Err(Errno::EAGAIN) => {
                        // The rest was taken already: wait for its place here. The reader is the host's.
                        let mut fds = [PollFd::new(&*self.fd, PollFlags::OUT)];
                        let _ = poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 100_000_000 }));
                    }
                    Err(_) if done > 0 => break,
                    Err(e) => return Err(e),
                }
            }
            Ok(done)
        })
    }

    fn append(&self, file: &File, src: &mut dyn Source) -> Result<(usize, u64), Errno> {
        let n = self.write(file, src, 0)?;
        Ok((n, 0))
    }

    fn seek(&self, _file: &File, _whence: Seek, _offset: i64) -> Result<u64, Errno> {
        Err(Errno::ESPIPE)
    }

    fn poll(&self) -> Readiness {
        if self.is_regular() {
            return Readiness::READABLE | Readiness::WRITABLE;
        }
        let ready = self.ready_now(PollFlags::IN | PollFlags::OUT);
        if !ready.contains(PollFlags::IN) {
            self.want(PollFlags::IN);
        }
        if !ready.contains(PollFlags::OUT) {
            self.want(PollFlags::OUT);
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

    fn wait_queue(&self) -> Option<&Arc<WaitQueue>> {
        if self.is_regular() { None } else { Some(&self.queue) }
    }

    fn ioctl(&self, _file: &File, mem: &MemoryManager, request: u32, arg: u64) -> Result<u64, Errno> {
        match (&self.terminal, request) {
            (Some(_), _) => self.terminal_ioctl(mem, request, arg),
            (None, io::FIONREAD) => {
                let n = rustix::io::ioctl_fionread(&*self.fd).map_err(host)?;
                mem.copy_out(arg, &(n as i32))?;
                Ok(0)
            }
            _ => Err(Errno::ENOTTY),
        }
    }

    fn attrs(&self) -> Option<Result<Attrs, Errno>> {
        let mut attrs = self.attrs;
        if self.is_regular()
            && let Ok(s) = rustix::fs::fstat(&*self.fd)
        {
            attrs.size = s.st_size as u64;
        }
        Some(Ok(attrs))
    }

    fn sync(&self, _data_only: bool) -> Result<(), Errno> {
        if self.is_regular() { rustix::fs::fsync(&*self.fd).map_err(host) } else { Err(Errno::EINVAL) }
    }
}

/// The access mode of an inherited descriptor.
#[must_use]
pub fn access_mode(fd: &OwnedFd) -> u32 {
    rustix::fs::fcntl_getfl(fd)
        .map_or(c::O_RDWR, |f| f.bits() & (c::O_ACCMODE | c::O_APPEND | c::O_LARGEFILE))
}
