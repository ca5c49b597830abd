//! Where the state directory is, and that nobody else can write to it.

use super::record::{Record, Status};
use super::sandbox::{self, Registered};
use crate::failure::{Failure, reason};
use rustix::fs::{FlockOperation, Mode, OFlags, fchmod, flock, fstat, open};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::fs::DirBuilder;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// An open state directory: the caller's, and nobody else's to write to.
#[derive(Debug)]
pub struct StateDir {
    path: PathBuf,
    fd: OwnedFd,
}

impl StateDir {
    /// Opens the directory that `--state-dir` names, or the caller's own, and makes it where it is missing.
    ///
    /// # Errors
    /// When it cannot be made, or when somebody else could write to it.
    pub fn open(option: Option<&Path>) -> Result<Self, Failure> {
        let uid = rustix::process::geteuid().as_raw();
        let xdg = std::env::var_os("XDG_RUNTIME_DIR");
        let path = choose(option, uid, xdg.as_deref());
        // A detached sandbox's owner has another working directory.
        Self::open_at(&std::path::absolute(&path).unwrap_or(path), uid)
    }

    pub(super) fn open_at(path: &Path, uid: u32) -> Result<Self, Failure> {
        let hint = "name another one with --state-dir";
        let fail = |cause: &str, hint: &str| {
            Failure::new(format!("state directory {}: {cause}", path.display()), hint)
        };
        match DirBuilder::new().mode(0o700).create(path) {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(fail(&reason(&e), hint)),
            Ok(()) | Err(_) => {}
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = match open(path, flags, Mode::empty()) {
            Ok(fd) => fd,
            Err(Errno::LOOP | Errno::NOTDIR) => return Err(fail("is not a directory", hint)),
            Err(e) => return Err(fail(&reason(&e.into()), hint)),
        };
        let stat = fstat(&fd).map_err(|e| fail(&reason(&e.into()), hint))?;
        if stat.st_uid != uid {
            return Err(fail(
                &format!("belongs to user {}, not to you ({uid})", stat.st_uid),
                "somebody else made it, perhaps to spy on you; remove it, or name another one with --state-dir",
            ));
        }
        if stat.st_mode & 0o022 != 0 {
            return Err(fail(
                &format!("others can write to it (mode {:04o})", stat.st_mode & 0o7777),
                &format!("chmod 700 {}, or name another one with --state-dir", path.display()),
            ));
        }
        // Made by an earlier version, or under another umask.
        if stat.st_mode & 0o077 != 0 {
            let _ = fchmod(&fd, Mode::RWXU);
        }
        Ok(Self { path: path.to_owned(), fd })
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Where the sandbox with this name keeps its files.
    #[must_use]
    pub fn directory(&self, id: &str) -> PathBuf {
        self.path.join(id)
    }

    /// Where the control server of the sandbox with this name listens, if there is one.
    #[must_use]
    pub fn control_socket(&self, id: &str) -> PathBuf {
        self.directory(id).join(sandbox::CONTROL)
    }

    /// Where reports of crashes are kept; no sandbox can have this name.
    #[must_use]
    pub fn crashes(&self) -> PathBuf {
        self.path.join(".crashes")
    }

    /// Keeps a crash report, and of older ones only the newest.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn keep_crash(&self, id: &str, text: &str) -> io::Result<PathBuf> {
        const KEPT: usize = 20;
        let directory = self.crashes();
        DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
        // Names sort by time.
        let mut old: Vec<PathBuf> =
            std::fs::read_dir(&directory)?.map(|e| Ok(e?.path())).collect::<io::Result<_>>()?;
        old.sort_unstable_by(|a, b| b.cmp(a));
        for path in old.iter().skip(KEPT - 1) {
            std::fs::remove_file(path)?;
        }
        let path = directory.join(format!("{:.6}-{id}.txt", jiff::Timestamp::now()));
        std::fs::write(&path, text)?;
        Ok(path)
    }

    /// Takes the sandbox's name. What dead sandboxes left is removed on the way.
    ///
    /// # Errors
    /// When another sandbox has this name, or the host refuses.
    pub fn register(&self, mut record: Record) -> Result<Registered, Failure> {
        let _lock = self.lock().map_err(|e| self.failed(&e))?;
        let others = self.settle().map_err(|e| self.failed(&e))?;
        let path = self.path.join(&record.id);
        if path.symlink_metadata().is_ok() {
            return Err(taken(&record.id, others.iter().find(|other| other.id == record.id)));
        }
        record.control_socket = self.control_socket(&record.id);
        Registered::create(&path, record).map_err(|e| self.failed(&e))
    }

    /// The records of all sandboxes, those that run and those that are kept, by name.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn sandboxes(&self) -> Result<Vec<Record>, Failure> {
        let _lock = self.lock().map_err(|e| self.failed(&e))?;
        self.settle().map_err(|e| self.failed(&e))
    }

    /// The record of the sandbox with this name.
    ///
    /// # Errors
    /// When there is none, with how to see which there are.
    pub fn sandbox(&self, id: &str) -> Result<Record, Failure> {
        self.sandboxes()?.into_iter().find(|record| record.id == id).ok_or_else(|| no_sandbox(id))
    }

    /// Removes what is kept of a sandbox; of one that has gone meanwhile, nothing.
    ///
    /// # Errors
    /// When it runs, or the host refuses.
    pub fn remove(&self, id: &str) -> Result<(), Failure> {
        let _lock = self.lock().map_err(|e| self.failed(&e))?;
        let path = self.path.join(id);
        if sandbox::alive(&path).map_err(|e| self.failed(&e))? {
            return Err(Failure::new(
                format!("sandbox {id} runs"),
                format!("`stockade delete --force {id}` ends it first"),
            ));
        }
        // It may have gone by itself.
        self.settle().and_then(|_| sandbox::remove(&path)).map_err(|e| self.failed(&e))
    }

    /// Whether the sandbox with this name has an owner that lives.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn is_alive(&self, id: &str) -> Result<bool, Failure> {
        let alive = || {
            let _lock = self.lock()?;
            sandbox::alive(&self.path.join(id))
        };
        alive().map_err(|e| self.failed(&e))
    }

    fn failed(&self, e: &io::Error) -> Failure {
        let cause = format!("state directory {}: {}", self.path.display(), reason(e));
        Failure::new(cause, "name another one with --state-dir")
    }

    /// Held while sandboxes are made and removed; ends with the descriptor.
    pub(super) fn lock(&self) -> io::Result<OwnedFd> {
        let fd = rustix::fs::openat(&self.fd, ".", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        flock(&fd, FlockOperation::LockExclusive)?;
        Ok(fd)
    }

    /// Looks at all sandboxes: the records of those that run and of those that are kept, by name. Where an owner was killed
    /// before it could clean up, or the host went down, that is made up for. The state directory has to be locked.
    fn settle(&self) -> io::Result<Vec<Record>> {
        let mut found = Vec::new();
        for path in self.entries()? {
            found.extend(if sandbox::alive(&path)? {
                sandbox::read_live(&path)?
            } else {
                sandbox::settle(&path)?
            });
        }
        found.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(found)
    }

    fn entries(&self) -> io::Result<Vec<PathBuf>> {
        let mut entries = Vec::new();
        for entry in std::fs::read_dir(&self.path)? {
            let entry = entry?;
            if !entry.file_name().as_encoded_bytes().starts_with(b".") && entry.file_type()?.is_dir() {
                entries.push(entry.path());
            }
        }
        Ok(entries)
    }
}

/// What is said of a name that nobody has.
fn no_sandbox(id: &str) -> Failure {
    Failure::new(format!("no sandbox named {id:?}"), "`stockade list` shows which there are")
}

fn taken(id: &str, by: Option<&Record>) -> Failure {
    match by {
        Some(record) if record.status == Status::Stopped => Failure::new(
            format!("--id {id}: a stopped sandbox has this name"),
            format!("choose another name, or remove it: stockade delete {id}"),
        ),
        by => {
            let by = by.map_or_else(String::new, |r| format!(" (process {})", r.front));
            Failure::new(
                format!("--id {id}: a running sandbox has this name{by}"),
                "choose another name, or leave --id out",
            )
        }
    }
}

/// `--state-dir`, or /run/stockade for root, or in XDG_RUNTIME_DIR where that is set to something, or in /tmp.
pub(super) fn choose(option: Option<&Path>, uid: u32, xdg: Option<&OsStr>) -> PathBuf {
    match (option, uid, xdg) {
        (Some(path), ..) => path.to_owned(),
        (None, 0, _) => PathBuf::from("/run/stockade"),
        (None, _, Some(dir)) if Path::new(dir).is_absolute() => Path::new(dir).join("stockade"),
        (None, uid, _) => PathBuf::from(format!("/tmp/stockade-{uid}")),
    }
}
