//! One sandbox's directory.

use super::record::{Record, Status};
use rustix::fs::{CWD, FlockOperation, Mode, OFlags, RenameFlags, fchmod, flock, open, renameat_with};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen, socket_with};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

const STATE: &str = "state.json";
const NEW_STATE: &str = ".state.json.new";
const LOCK: &str = "lock";
pub(super) const CONTROL: &str = "control.sock";

/// A name that was taken; dropping it gives it back and removes the directory.
#[derive(Debug)]
pub struct Registered {
    path: PathBuf,
    lock: File,
    record: Record,
    is_kept: bool,
}

impl Registered {
    /// The state directory has to be locked.
    pub(super) fn create(path: &Path, record: Record) -> io::Result<Self> {
        DirBuilder::new().mode(0o700).create(path)?;
        let lock = private().open(path.join(LOCK))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
        let registered = Self { path: path.to_owned(), lock, record, is_kept: false };
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

    /// Makes the socket that the sandbox's control server listens at: for the owner alone, whatever the umask. It does not
    /// block, since two sentries have it for a moment when one takes over from another.
    ///
    /// # Errors
    /// What the host says.
    pub fn control_socket(&self) -> io::Result<OwnedFd> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
        // Addresses are short (unix(7)), paths need not be.
        let directory = open(&self.path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
        let path = Path::new("/proc/self/fd").join(directory.as_raw_fd().to_string()).join(CONTROL);
        bind(&socket, &SocketAddrUnix::new(path)?)?;
        // Clients that do not block are refused when it is full; the host lowers it to what it allows (somaxconn).
        listen(&socket, 4096)?;
        Ok(socket)
    }

    /// Notes that the sandbox runs, its sentry's process id, and the control groups it is in.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn running<'a>(&mut self, pid: u32, cgroups: impl Iterator<Item = &'a Path>) -> io::Result<()> {
        self.record.status = Status::Running;
        self.record.pid = Some(pid);
        self.record.cgroups = cgroups.map(|path| path.to_string_lossy().into_owned()).collect();
        self.record.write(&self.path)
    }

    /// Notes the end. One that is to be kept is; of others nothing is left when this returns.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn end(mut self, status: u8, message: Option<String>) -> io::Result<()> {
        if self.record.is_kept() {
            self.record.end(Some(status), message);
            self.record.write(&self.path)?;
            self.is_kept = true;
            // Nobody listens there any more.
            drop(std::fs::remove_file(self.path.join(CONTROL)));
        }
        Ok(())
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        if !self.is_kept {
            // Whatever is left is found without a lock holder by the next command, and removed.
            drop(remove(&self.path));
        }
    }
}

impl Record {
    /// Readers see the old file or the new one, never a part.
    fn write(&self, directory: &Path) -> io::Result<()> {
        let new = directory.join(NEW_STATE);
        let mut text = serde_json::to_vec_pretty(self)?;
        text.push(b'\n');
        private().truncate(true).open(&new)?.write_all(&text)?;
        // Where one file replaces another, ext4 brings its data to the disk first; where both change names, it does not.
        match renameat_with(CWD, &new, CWD, directory.join(STATE), RenameFlags::EXCHANGE) {
            Ok(()) => std::fs::remove_file(new),
            Err(_) => std::fs::rename(&new, directory.join(STATE)),
        }
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

/// The record of one that is alive; one that ends right now may have removed it already.
pub(super) fn read_live(path: &Path) -> io::Result<Option<Record>> {
    match Record::read(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}

/// Does what the owner of a dead sandbox could not do any more; gives the record if it is kept. The state directory has to
/// be locked.
pub(super) fn settle(path: &Path) -> io::Result<Option<Record>> {
    let mut record = match Record::read(path) {
        Ok(record) => record,
        // Killed before it wrote its record; or a directory that is no sandbox's, and is left alone.
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            return if has_barely_begun(path)? { remove(path).map(|()| None) } else { Ok(None) };
        }
        Err(_) => return remove(path).map(|()| None),
    };
    for group in std::mem::take(&mut record.cgroups) {
        // Its processes died with the owner. Gone after a restart of the host.
        drop(std::fs::remove_dir(group));
    }
    // Of one that never ran, nobody was told its name.
    if !record.is_kept() || record.status == Status::Creating {
        return remove(path).map(|()| None);
    }
    if record.status != Status::Stopped {
        let message = "the process that watched over it was killed, or the host went down";
        record.end(None, Some(message.to_owned()));
        record.write(path)?;
        drop(std::fs::remove_file(path.join(CONTROL)));
    }
    Ok(Some(record))
}

fn has_barely_begun(path: &Path) -> io::Result<bool> {
    let entries = match std::fs::read_dir(path) {
        // Its owner removes it, for which nobody has to lock the state directory.
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
        entries => entries?,
    };
    for entry in entries {
        let name = entry?.file_name();
        if name != LOCK && name != NEW_STATE {
            return Ok(false);
        }
    }
    Ok(true)
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
