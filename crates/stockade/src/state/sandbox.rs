//! One sandbox's directory.

use super::record::{Record, Status};
use rustix::fs::{FlockOperation, Mode, OFlags, fchmod, flock, open};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen, socket_with};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

const STATE: &str = "state.json";
const LOCK: &str = "lock";
pub(super) const CONTROL: &str = "control.sock";

/// A name that was taken; dropping it gives it back and removes the directory.
#[derive(Debug)]
pub struct Registered {
    path: PathBuf,
    lock: File,
    record: Record,
}

impl Registered {
    /// The state directory has to be locked.
    pub(super) fn create(path: &Path, record: Record) -> io::Result<Self> {
        DirBuilder::new().mode(0o700).create(path)?;
        let lock = private().open(path.join(LOCK))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
        let registered = Self { path: path.to_owned(), lock, record };
        registered.record.write(path)?;
        Ok(registered)
    }

    /// The sandbox's directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The lock. A process that shall keep the sandbox registered inherits this descriptor.
    #[must_use]
    pub fn lock(&self) -> BorrowedFd<'_> {
        self.lock.as_fd()
    }

    /// Makes the socket that the sandbox's control server listens at: for the owner alone, whatever the umask.
    ///
    /// # Errors
    /// What the host says.
    pub fn control_socket(&self) -> io::Result<OwnedFd> {
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
        // Addresses are short (unix(7)), paths need not be.
        let directory = open(&self.path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
        let path = Path::new("/proc/self/fd").join(directory.as_raw_fd().to_string()).join(CONTROL);
        bind(&socket, &SocketAddrUnix::new(path)?)?;
        listen(&socket, 128)?;
        Ok(socket)
    }

    /// Notes that the sandbox runs, and its sentry's process id.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn running(&mut self, pid: u32) -> io::Result<()> {
        self.record.status = Status::Running;
        self.record.pid = Some(pid);
        self.record.write(&self.path)
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        // Whatever is left is found without a lock holder by the next sandbox, and removed.
        drop(remove(&self.path));
    }
}

impl Record {
    /// Readers see the old file or the new one, never a part.
    fn write(&self, directory: &Path) -> io::Result<()> {
        let new = directory.join(".state.json.new");
        let mut text = serde_json::to_vec_pretty(self)?;
        text.push(b'\n');
        private().truncate(true).open(&new)?.write_all(&text)?;
        std::fs::rename(&new, directory.join(STATE))
    }

    pub(super) fn read(directory: &Path) -> io::Result<Self> {
        Ok(serde_json::from_slice(&std::fs::read(directory.join(STATE))?)?)
    }
}

/// Whether somebody holds the lock. The state directory has to be locked.
pub(super) fn alive(path: &Path) -> io::Result<bool> {
    let lock = match File::open(path.join(LOCK)) {
        Ok(lock) => lock,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(e) => return Err(e),
    };
    match flock(&lock, FlockOperation::NonBlockingLockShared) {
        Ok(()) => Ok(false),
        Err(Errno::WOULDBLOCK) => Ok(true),
        Err(e) => Err(e.into()),
    }
}

/// Removes a sandbox's directory; it may be gone already.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    options
}
