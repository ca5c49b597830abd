//! Reading the file, while it is written and replaced.

use super::entry::Entry;
use super::{NAME, OLD};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use std::fs::File;
use std::io::{self, BufRead as _, BufReader};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// A reader of all that was written and, if wanted, of what is.
#[derive(Debug)]
pub(crate) struct Follow {
    directory: PathBuf,
    /// The older file comes first.
    files: Vec<BufReader<File>>,
    line: Vec<u8>,
}

impl Follow {
    /// From the first line that is kept.
    pub(crate) fn open(directory: &Path) -> io::Result<Self> {
        let mut files = Vec::new();
        // The newest is opened first: one that is replaced meanwhile is read twice rather than never.
        for name in [NAME, OLD] {
            match File::open(directory.join(name)) {
                Ok(file) => files.push(BufReader::with_capacity(128 << 10, file)),
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => return Err(e),
            }
        }
        if let [new, old] = &files[..]
            && new.get_ref().metadata()?.ino() == old.get_ref().metadata()?.ino()
        {
            files.pop();
        }
        Ok(Self { directory: directory.to_owned(), files, line: Vec::new() })
    }

    /// The next line that is there, whole.
    pub(crate) fn next(&mut self) -> io::Result<Option<Entry<'_>>> {
        if self.line.last() == Some(&b'\n') {
            self.line.clear();
        }
        while let Some(file) = self.files.last_mut() {
            file.read_until(b'\n', &mut self.line)?;
            if self.line.last() == Some(&b'\n') {
                // The borrow checker wants this looked at once more.
                let is_entry = Entry::parse(&self.line[..self.line.len() - 1]).is_some();
                if is_entry {
                    return Ok(Entry::parse(&self.line[..self.line.len() - 1]));
                }
                self.line.clear();
            } else if self.files.len() > 1 {
                self.files.pop();
            } else if self.was_replaced()? {
                let new = File::open(self.directory.join(NAME))?;
                self.files.insert(0, BufReader::with_capacity(128 << 10, new));
            } else {
                return Ok(None);
            }
        }
        Ok(None)
    }

    fn was_replaced(&self) -> io::Result<bool> {
        let Some(file) = self.files.last() else { return Ok(false) };
        match self.directory.join(NAME).metadata() {
            Ok(now) => Ok(now.ino() != file.get_ref().metadata()?.ino()),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(e) => Err(e),
        }
    }
}

/// Wakes when something happens in a sandbox's directory.
#[derive(Debug)]
pub(crate) struct Watch(OwnedFd);

impl Watch {
    pub(crate) fn new(directory: &Path) -> io::Result<Self> {
        let fd = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        let wanted = WatchFlags::MODIFY | WatchFlags::CREATE | WatchFlags::MOVED_TO | WatchFlags::DELETE_SELF;
        inotify::add_watch(&fd, directory, wanted)?;
        Ok(Self(fd))
    }

    /// Waits for it, but no longer than a second: that an owner was killed is told by nothing.
    pub(crate) fn wait(&self) -> io::Result<()> {
        let mut fds = [PollFd::new(&self.0, PollFlags::IN)];
        match poll(&mut fds, Some(&Timespec { tv_sec: 1, tv_nsec: 0 })) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
        let mut events = [0; 4096];
        while rustix::io::read(&self.0, &mut events).is_ok_and(|n| n > 0) {}
        Ok(())
    }
}
