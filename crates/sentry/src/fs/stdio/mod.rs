//! Descriptors of the host that the first process starts with: files, pipes, sockets, terminals.
//!
//! Their descriptions are shared with others on the host: offsets are theirs, and O_NONBLOCK is not set on them. What
//! would block is asked for beforehand, and waited for by a thread of its own.

mod bridge;
mod descriptor;
mod import;
mod modes;
mod persist;
mod reopened;
mod socket;
mod stream;
mod terminal;
mod watch;

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use stockade_platform::host::errno as host;

use stockade_abi::Errno;
use stockade_abi::general as c;

pub use self::bridge::Bridge;
pub use self::descriptor::Descriptor;
pub use self::import::{Imported, import, import_for_exec};
pub use self::persist::{
    DescriptorState, HostStreamState, HostTerminalState, InheritedState, MappedStreamState, attach,
};
pub use self::terminal::HostTerminal;

use self::reopened::Reopened;
use self::socket::HostSocket;
use self::stream::HostStream;
use crate::persist::Saver;
use crate::time::clock::now;
use crate::vfs::anon::ReopenState;
use crate::vfs::quota::{HOST_FDS, Share};
use crate::vfs::{Attrs, File, FileOps, FileType, anon};

fn attrs_of(fd: impl AsFd) -> Result<Attrs, Errno> {
    let s = rustix::fs::fstat(fd).map_err(host)?;
    Ok(Attrs {
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
    })
}

/// Makes a file of a descriptor of the host that is no terminal, which a process is given under a number. `access` is its
/// access mode.
///
/// # Errors
/// What fstat(2) says.
pub fn open(number: i32, fd: OwnedFd, access: u32) -> Result<Arc<File>, Errno> {
    let attrs = attrs_of(&fd)?;
    Ok(open_descriptor(Arc::new(Descriptor::new(number, fd, attrs, access))))
}

/// As [`open`], of a descriptor that a guest made: it counts among those that a sandbox may have. `flags` may hold O_NONBLOCK.
fn open_counted(fd: OwnedFd, flags: u32) -> Result<Arc<File>, Errno> {
    if !HOST_FDS.has_room(1) {
        return Err(Errno::ENFILE);
    }
    let mut share = Share::new(&HOST_FDS);
    share.set(1);
    let attrs = attrs_of(&fd)?;
    let of = Descriptor::new(-1, fd, attrs, flags);
    Ok(open_descriptor(Arc::new(Descriptor { _share: Some(share), ..of })))
}

fn open_descriptor(of: Arc<Descriptor>) -> Arc<File> {
    let (attrs, access) = (of.attrs, of.access);
    let name = match attrs.file_type() {
        FileType::Fifo => "pipe:[{}]".to_owned(),
        // By the number that fstat(2) says.
        FileType::Socket => format!("socket:[{}]", attrs.ino),
        FileType::CharDevice => "/dev/null".to_owned(),
        _ => "/dev/host/{}".to_owned(),
    };
    let opener = Box::new(Inherited(Arc::clone(&of)));
    let path = anon::path_with_opener(&name, attrs.mode, attrs.uid, attrs.gid, opener);
    File::new(path, of.stream(None), access)
}

/// Whether a file is a descriptor of the host.
#[must_use]
pub fn is_of_host(file: &File) -> bool {
    file.ops().downcast_ref::<HostStream>().is_some() || file.ops().downcast_ref::<HostSocket>().is_some()
}

/// Whether what was inherited with an access mode may be opened anew with these flags: no wider than it was.
fn check_reopening(access: u32, flags: u32) -> Result<(), Errno> {
    let has = access & c::O_ACCMODE;
    if has != c::O_RDWR && has != flags & c::O_ACCMODE { Err(Errno::EACCES) } else { Ok(()) }
}

/// An inherited stream, as `/proc/PID/fd` leads to it.
struct Inherited(Arc<Descriptor>);

impl anon::Reopen for Inherited {
    fn open(&self, flags: u32) -> Result<Arc<dyn FileOps>, Errno> {
        let of = &self.0;
        check_reopening(of.access, flags)?;
        match &of.fd {
            Some(fd) if of.attrs.file_type() == FileType::Regular => {
                Ok(Arc::new(Reopened { fd: Arc::clone(fd), of: Arc::clone(of) }))
            }
            _ => Ok(of.stream(None)),
        }
    }

    fn set_size(&self, size: u64) -> Result<(), Errno> {
        match &self.0.fd {
            Some(fd) if self.0.attrs.file_type() == FileType::Regular => {
                rustix::fs::ftruncate(&**fd, size).map_err(host)
            }
            _ => Ok(()),
        }
    }

    fn save(&self, saver: &mut Saver) -> ReopenState {
        ReopenState::Inherited(InheritedState { of: saver.id(&self.0) })
    }
}

/// The access mode of an inherited descriptor.
#[must_use]
pub fn access_mode(fd: &OwnedFd) -> u32 {
    rustix::fs::fcntl_getfl(fd)
        .map_or(c::O_RDWR, |f| f.bits() & (c::O_ACCMODE | c::O_APPEND | c::O_LARGEFILE))
}
