//! The host's files, as trees to pack and to unpack into. A directory is a descriptor, and what is at a name is never
//! reached through a link (openat2(2), RESOLVE_BENEATH and RESOLVE_NO_SYMLINKS).

use rustix::fs::{
    AtFlags, CWD, Dir, Gid, Mode, OFlags, ResolveFlags, SeekFrom, Stat, Timespec, Timestamps, UTIME_OMIT,
    Uid, chownat, fchmod, fchown, ftruncate, futimens, linkat, mkdirat, mkfifoat, openat2, readlinkat, seek,
    statat, symlinkat, unlinkat, utimensat,
};
use rustix::io::{Errno, pread, pwrite};
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::Arc;
use stockade_control::archive::{Found, Meta, Source, Target};

/// The host, as the caller sees it.
pub(super) struct HostTree {
    /// Whether files are given the owners that the archive says: root can.
    pub(super) chowns: bool,
}

/// Opens a directory that the caller named: links on the way are followed.
pub(super) fn directory(path: &Path) -> io::Result<Arc<OwnedFd>> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(Arc::new(openat2(CWD, path, flags, Mode::empty(), ResolveFlags::empty())?))
}

fn os(name: &[u8]) -> &OsStr {
    OsStr::from_bytes(name)
}

fn open(dir: &OwnedFd, name: &[u8], flags: OFlags, mode: Mode) -> io::Result<OwnedFd> {
    let how = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    loop {
        match openat2(dir, os(name), flags | OFlags::NOFOLLOW | OFlags::CLOEXEC, mode, how) {
            // A rename in the way was in the kernel's, too.
            Err(Errno::AGAIN) => {}
            other => return Ok(other?),
        }
    }
}

fn open_dir(dir: &OwnedFd, name: &[u8]) -> io::Result<Arc<OwnedFd>> {
    Ok(Arc::new(open(dir, name, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())?))
}

fn times(meta: &Meta) -> Timestamps {
    Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec: meta.mtime, tv_nsec: meta.mtime_nsec.into() },
    }
}

fn owner(meta: &Meta) -> (Option<Uid>, Option<Gid>) {
    (Some(Uid::from_raw(meta.uid)), Some(Gid::from_raw(meta.gid)))
}

fn meta_of(stat: &Stat) -> Meta {
    Meta {
        mode: stat.st_mode & 0o7777,
        uid: stat.st_uid,
        gid: stat.st_gid,
        mtime: stat.st_mtime,
        mtime_nsec: u32::try_from(stat.st_mtime_nsec).unwrap_or(0),
    }
}

impl HostTree {
    fn set(&self, fd: impl AsFd, meta: &Meta) -> io::Result<()> {
        if self.chowns {
            let (uid, gid) = owner(meta);
            fchown(&fd, uid, gid)?;
        }
        fchmod(&fd, Mode::from_raw_mode(meta.mode))?;
        Ok(futimens(&fd, &times(meta))?)
    }
}

impl Source for HostTree {
    type Dir = Arc<OwnedFd>;
    type File = OwnedFd;

    fn look(&self, dir: &Arc<OwnedFd>, name: &[u8]) -> io::Result<Found> {
        let stat = statat(dir, os(name), AtFlags::SYMLINK_NOFOLLOW)?;
        Ok(Found {
            meta: meta_of(&stat),
            file_type: stat.st_mode & 0o170_000,
            size: u64::try_from(stat.st_size).unwrap_or(0),
            identity: (stat.st_dev, stat.st_ino, stat.st_nlink),
            is_virtual: false,
        })
    }

    fn open_dir(&self, dir: &Arc<OwnedFd>, name: &[u8]) -> io::Result<Arc<OwnedFd>> {
        open_dir(dir, name)
    }

    fn list(&self, dir: &Arc<OwnedFd>) -> io::Result<Vec<Vec<u8>>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(dir)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                names.push(name.to_vec());
            }
        }
        Ok(names)
    }

    fn open_file(&self, dir: &Arc<OwnedFd>, name: &[u8]) -> io::Result<OwnedFd> {
        // Whatever takes its place meanwhile is not waited for.
        let file = open(dir, name, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY, Mode::empty())?;
        let is_regular = rustix::fs::fstat(&file)?.st_mode & 0o170_000 == 0o100_000;
        if is_regular { Ok(file) } else { Err(Errno::AGAIN.into()) }
    }

    fn next_data(&self, file: &OwnedFd, from: u64, size: u64) -> io::Result<Option<(u64, u64)>> {
        match seek(file, SeekFrom::Data(from)) {
            Ok(start) => Ok(Some((start, seek(file, SeekFrom::Hole(start)).unwrap_or(size)))),
            Err(Errno::NXIO) => Ok(None),
            // What cannot tell has no holes.
            Err(_) => Ok(Some((from, size))),
        }
    }

    fn read_at(&self, file: &OwnedFd, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        Ok(pread(file, buffer, offset)?)
    }

    fn read_link(&self, dir: &Arc<OwnedFd>, name: &[u8]) -> io::Result<Vec<u8>> {
        Ok(readlinkat(dir, os(name), Vec::new())?.into_bytes())
    }
}

impl Target for HostTree {
    type Dir = Arc<OwnedFd>;
    type File = OwnedFd;

    fn open_dir(&self, dir: &Arc<OwnedFd>, name: &[u8]) -> io::Result<Arc<OwnedFd>> {
        open_dir(dir, name)
    }

    fn make_dir(&self, dir: &Arc<OwnedFd>, name: &[u8]) -> io::Result<()> {
        Ok(mkdirat(dir, os(name), Mode::from_raw_mode(0o700))?)
    }

    fn make_file(&self, dir: &Arc<OwnedFd>, name: &[u8]) -> io::Result<OwnedFd> {
        open(dir, name, OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL, Mode::from_raw_mode(0o600))
    }

    fn write_at(&self, file: &OwnedFd, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
        while !bytes.is_empty() {
            match pwrite(file, bytes, offset) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => (bytes, offset) = (&bytes[n..], offset + n as u64),
                Err(Errno::INTR) => {}
                Err(e) => return Err(e.into()),
            }
        }
        Ok(())
    }

    fn set_size(&self, file: &OwnedFd, size: u64) -> io::Result<()> {
        Ok(ftruncate(file, size)?)
    }

    fn make_symlink(&self, dir: &Arc<OwnedFd>, name: &[u8], target: &[u8]) -> io::Result<()> {
        Ok(symlinkat(os(target), dir, os(name))?)
    }

    fn make_fifo(&self, dir: &Arc<OwnedFd>, name: &[u8]) -> io::Result<()> {
        Ok(mkfifoat(dir, os(name), Mode::from_raw_mode(0o600))?)
    }

    fn link(&self, from: (&Arc<OwnedFd>, &[u8]), to: (&Arc<OwnedFd>, &[u8])) -> io::Result<()> {
        Ok(linkat(from.0, os(from.1), to.0, os(to.1), AtFlags::empty())?)
    }

    fn remove(&self, dir: &Arc<OwnedFd>, name: &[u8]) -> io::Result<()> {
        Ok(unlinkat(dir, os(name), AtFlags::empty())?)
    }

    fn set_meta(&self, dir: &Arc<OwnedFd>, name: &[u8], meta: &Meta, is_link: bool) -> io::Result<()> {
        let stat = statat(dir, os(name), AtFlags::SYMLINK_NOFOLLOW)?;
        if !is_link && stat.st_mode & 0o170_000 == 0o100_000 {
            let file = open(dir, name, OFlags::RDONLY | OFlags::NONBLOCK, Mode::empty())?;
            return self.set(file, meta);
        }
        // A link has no rights, and a FIFO is not opened: it was made for its owner alone and stays so.
        if self.chowns {
            let (uid, gid) = owner(meta);
            chownat(dir, os(name), uid, gid, AtFlags::SYMLINK_NOFOLLOW)?;
        }
        Ok(utimensat(dir, os(name), &times(meta), AtFlags::SYMLINK_NOFOLLOW)?)
    }

    fn set_dir_meta(&self, dir: &Arc<OwnedFd>, meta: &Meta) -> io::Result<()> {
        self.set(dir, meta)
    }
}
