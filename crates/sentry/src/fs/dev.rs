//! Devices of the sandbox's own (null(4), random(4), tty(4)), and `/dev`.

use std::sync::Arc;
use stockade_platform::host::errno;

use serde::{Deserialize, Serialize};
use stockade_abi::Errno;

use super::tmpfs::{Budget, TmpFs};
use crate::io::{Sink, Source};
use crate::persist::{Saver, Unsavable};
use crate::task::current;
use crate::tty::{PTS_MAJOR, pty};
use crate::vfs::attrs::{dev_major, dev_minor, make_dev};
use crate::vfs::persist::FileOpsState;
use crate::vfs::{Dentry, File, FileOps, NewNode, NodeKind};

/// The memory devices. They are their own saved form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Device {
    /// `/dev/null`
    Null,
    /// `/dev/zero`
    Zero,
    /// `/dev/full`
    Full,
    /// `/dev/random` and `/dev/urandom`
    Random,
}

impl FileOps for Device {
    fn read(&self, _file: &File, dst: &mut dyn Sink, _offset: u64) -> Result<usize, Errno> {
        match self {
            Self::Null => Ok(0),
            Self::Zero | Self::Full => dst.put_zeros(dst.remaining()),
            Self::Random => {
                let mut done = 0;
                let mut buf = [0; 4096];
                while dst.remaining() > 0 {
                    let want = dst.remaining().min(buf.len());
                    let n = rustix::rand::getrandom(&mut buf[..want], rustix::rand::GetRandomFlags::empty())
                        .map_err(errno)?;
                    match dst.put(&buf[..n]) {
                        Ok(0) => break,
                        Ok(n) => done += n,
                        Err(_) if done > 0 => break,
                        Err(e) => return Err(e),
                    }
                }
                Ok(done)
            }
        }
    }

    fn write(&self, _file: &File, src: &mut dyn Source, _offset: u64) -> Result<usize, Errno> {
        if *self == Self::Full && src.remaining() > 0 {
            return Err(Errno::ENOSPC);
        }
        Ok(src.remaining())
    }

    fn is_seekable(&self) -> bool {
        true
    }

    fn ignores_seeks(&self) -> bool {
        true
    }

    fn append(&self, file: &File, src: &mut dyn Source) -> Result<(usize, u64), Errno> {
        Ok((self.write(file, src, 0)?, 0))
    }

    fn save(&self, _saver: &mut Saver) -> Result<FileOpsState, Unsavable> {
        Ok(FileOpsState::Device(*self))
    }
}

/// `/dev/tty`, the caller's controlling terminal.
const TTY: u64 = make_dev(5, 0);
/// `/dev/ptmx`, by which pseudoterminals are made.
pub const PTMX: u64 = make_dev(5, 2);

/// Opens a character device by its number.
///
/// # Errors
/// ENXIO if there is none, and what terminals fail with.
pub fn open(rdev: u64, flags: u32) -> Result<Arc<dyn FileOps>, Errno> {
    let device = match (dev_major(rdev), dev_minor(rdev)) {
        (1, 3) => Device::Null,
        (1, 5) => Device::Zero,
        (1, 7) => Device::Full,
        (1, 8 | 9) => Device::Random,
        (5 | PTS_MAJOR, _) => return open_terminal(rdev, flags),
        _ => return Err(Errno::ENXIO),
    };
    Ok(Arc::new(device))
}

fn open_terminal(rdev: u64, flags: u32) -> Result<Arc<dyn FileOps>, Errno> {
    let task = current().ok_or(Errno::ENXIO)?;
    let number = match rdev {
        PTMX => return pty::open_master(&task),
        TTY => task.kernel.tree.lock().group(task.tg.tgid)?.tty.as_ref().map(|t| t.number),
        _ => (dev_major(rdev) == PTS_MAJOR).then(|| dev_minor(rdev)),
    };
    let terminal = number.and_then(|n| task.kernel.ttys.get(n)).ok_or(Errno::ENXIO)?;
    terminal.open(flags)
}

/// A fresh `/dev`: the usual devices, links and directories.
///
/// # Errors
/// What the memory file system fails with, which cannot be at its start.
pub fn mount(budget: &Arc<Budget>) -> Result<Arc<Dentry>, Errno> {
    let (_, root) = TmpFs::mount(Arc::clone(budget), 0o755)?;
    let make = |name: &str, kind, mode| {
        root.inode.create(name.as_bytes(), &NewNode { kind, mode, uid: 0, gid: 0 }).map(|_| ())
    };
    for (name, minor) in [("null", 3), ("zero", 5), ("full", 7), ("random", 8), ("urandom", 9)] {
        make(name, NodeKind::CharDevice(make_dev(1, minor)), 0o666)?;
    }
    make("tty", NodeKind::CharDevice(TTY), 0o666)?;
    for (name, target) in [
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
        ("ptmx", "pts/ptmx"),
    ] {
        make(name, NodeKind::Symlink(target.into()), 0o777)?;
    }
    make("shm", NodeKind::Directory, 0o1777)?;
    make("pts", NodeKind::Directory, 0o755)?;
    Ok(root)
}
