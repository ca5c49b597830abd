//! The sandbox's own files, as trees to pack and to unpack into.

use std::io;
use std::sync::Arc;

use stockade_abi::Errno;
use stockade_abi::general as c;
use stockade_abi::time::Timespec;
use stockade_sentry::creds::Credentials;
use stockade_sentry::io::{BufSink, BufSource};
use stockade_sentry::vfs::{File, FileType, LookupFlags, NodeKind, Path, Seek, SetAttrs, TimeSet, ops};

use crate::archive::{Found, Meta, Source, Target};

/// File systems whose contents are made up.
const VIRTUAL: [&str; 4] = ["proc", "sysfs", "devtmpfs", "devpts"];

/// With whose rights, and where `/` is. Directories are places, and names are looked up in them one by one.
pub(super) struct VfsTree<'a> {
    pub(super) root: Path,
    pub(super) creds: &'a Credentials,
}

fn host(e: Errno) -> io::Error {
    io::Error::from_raw_os_error(e.raw())
}

impl VfsTree<'_> {
    fn request(&self, dir: &Path) -> ops::Request<'_> {
        ops::Request { root: self.root.clone(), start: dir.clone(), creds: self.creds, umask: 0 }
    }

    /// What is at a name; a link is not followed.
    fn find(&self, dir: &Path, name: &[u8]) -> io::Result<Path> {
        self.request(dir).walk(LookupFlags::NO_MAGICLINKS).resolve(name).map_err(host)
    }

    fn dir(&self, dir: &Path, name: &[u8]) -> io::Result<Path> {
        let found = self.find(dir, name)?;
        if found.dentry.inode.is_dir() { Ok(found) } else { Err(host(Errno::ENOTDIR)) }
    }

    fn open(&self, dir: &Path, name: &[u8], flags: u32) -> io::Result<Arc<File>> {
        // Whatever takes its place meanwhile is not waited for.
        let flags = flags | c::O_NOFOLLOW | c::O_NONBLOCK;
        self.request(dir).open(name, flags, 0o600, LookupFlags::empty()).map_err(host)
    }

    fn set(&self, place: &Path, meta: &Meta, is_link: bool) -> io::Result<()> {
        let request = self.request(place);
        request.chown(place, Some(meta.uid), Some(meta.gid)).map_err(host)?;
        if !is_link {
            request.chmod(place, meta.mode).map_err(host)?;
        }
        let time = Timespec { sec: meta.mtime, nsec: i64::from(meta.mtime_nsec) };
        request.set_times(place, None, Some(TimeSet::At(time))).map_err(host)
    }
}

impl Source for VfsTree<'_> {
    type Dir = Path;
    type File = Arc<File>;

    fn look(&self, dir: &Path, name: &[u8]) -> io::Result<Found> {
        let place = self.find(dir, name)?;
        let attrs = place.dentry.inode.attrs().map_err(host)?;
        Ok(Found {
            meta: Meta {
                mode: attrs.mode & 0o7777,
                uid: attrs.uid,
                gid: attrs.gid,
                mtime: attrs.mtime.sec,
                mtime_nsec: u32::try_from(attrs.mtime.nsec).unwrap_or(0),
            },
            file_type: attrs.mode & c::S_IFMT,
            size: attrs.size,
            identity: (attrs.dev, attrs.ino, u64::from(attrs.nlink)),
            is_virtual: VIRTUAL.contains(&place.dentry.sb.fs_type),
        })
    }

    fn open_dir(&self, dir: &Path, name: &[u8]) -> io::Result<Path> {
        self.dir(dir, name)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Vec<u8>>> {
        let file = self.open(dir, b".", c::O_RDONLY | c::O_DIRECTORY)?;
        let mut names = Vec::new();
        let mut from = 0;
        loop {
            let before = names.len();
            let mut seen = false;
            from = file
                .ops()
                .iterate(&file, from, &mut |entry| {
                    seen = true;
                    if entry.name != b"." && entry.name != b".." {
                        names.push(entry.name.to_vec());
                    }
                    true
                })
                .map_err(host)?;
            if !seen || names.len() == before {
                return Ok(names);
            }
        }
    }

    fn open_file(&self, dir: &Path, name: &[u8]) -> io::Result<Arc<File>> {
        let file = self.open(dir, name, c::O_RDONLY)?;
        match file.path.dentry.inode.file_type() {
            FileType::Regular => Ok(file),
            _ => Err(host(Errno::EAGAIN)),
        }
    }

    fn next_data(&self, file: &Arc<File>, from: u64, size: u64) -> io::Result<Option<(u64, u64)>> {
        let seek = |whence, at: u64| {
            let at = i64::try_from(at).map_err(|_| Errno::EFBIG)?;
            file.ops().seek(file, whence, at)
        };
        match seek(Seek::Data, from) {
            Ok(start) => Ok(Some((start, seek(Seek::Hole, start).unwrap_or(size)))),
            Err(Errno::ENXIO) => Ok(None),
            // What cannot tell has no holes.
            Err(_) => Ok(Some((from, size))),
        }
    }

    fn read_at(&self, file: &Arc<File>, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let offset = i64::try_from(offset).map_err(|_| host(Errno::EFBIG))?;
        file.read_at(&mut BufSink::new(buffer), offset).map_err(host)
    }

    fn read_link(&self, dir: &Path, name: &[u8]) -> io::Result<Vec<u8>> {
        self.find(dir, name)?.dentry.inode.readlink().map_err(host)
    }
}

impl Target for VfsTree<'_> {
    type Dir = Path;
    type File = Arc<File>;

    fn open_dir(&self, dir: &Path, name: &[u8]) -> io::Result<Path> {
        self.dir(dir, name)
    }

    fn make_dir(&self, dir: &Path, name: &[u8]) -> io::Result<()> {
        self.request(dir).make(name, NodeKind::Directory, 0o755).map(drop).map_err(host)
    }

    fn make_file(&self, dir: &Path, name: &[u8]) -> io::Result<Arc<File>> {
        self.open(dir, name, c::O_WRONLY | c::O_CREAT | c::O_EXCL)
    }

    fn write_at(&self, file: &Arc<File>, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut done = 0;
        while done < bytes.len() {
            let at = i64::try_from(offset + done as u64).map_err(|_| host(Errno::EFBIG))?;
            match file.write_at(&mut BufSource::new(&bytes[done..]), at).map_err(host)? {
                0 => return Err(host(Errno::EIO)),
                n => done += n,
            }
        }
        Ok(())
    }

    fn set_size(&self, file: &Arc<File>, size: u64) -> io::Result<()> {
        if i64::try_from(size).is_err() {
            return Err(host(Errno::EFBIG));
        }
        let set = SetAttrs { size: Some(size), ..SetAttrs::default() };
        file.path.dentry.inode.set_attrs(&set).map_err(host)
    }

    fn make_symlink(&self, dir: &Path, name: &[u8], target: &[u8]) -> io::Result<()> {
        let kind = NodeKind::Symlink(target.to_vec());
        self.request(dir).make(name, kind, 0o777).map(drop).map_err(host)
    }

    fn make_fifo(&self, dir: &Path, name: &[u8]) -> io::Result<()> {
        self.request(dir).make(name, NodeKind::Fifo, 0o600).map(drop).map_err(host)
    }

    fn link(&self, from: (&Path, &[u8]), to: (&Path, &[u8])) -> io::Result<()> {
        let first = self.find(from.0, from.1)?;
        self.request(to.0).link(&first, to.1).map_err(host)
    }

    fn remove(&self, dir: &Path, name: &[u8]) -> io::Result<()> {
        self.request(dir).remove(name, false).map_err(host)
    }

    fn set_meta(&self, dir: &Path, name: &[u8], meta: &Meta, is_link: bool) -> io::Result<()> {
        self.set(&self.find(dir, name)?, meta, is_link)
    }

    fn set_dir_meta(&self, dir: &Path, meta: &Meta) -> io::Result<()> {
        self.set(dir, meta, false)
    }
}
