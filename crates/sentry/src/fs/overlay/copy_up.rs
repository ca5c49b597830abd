//! Copying what is below to the upper file system, before it is changed for the first time.

use std::sync::Arc;

use stockade_abi::Errno;
use stockade_abi::general as c;

use super::ORIGIN;
use super::inode::OverlayInode;
use crate::io::{BufSink, BufSource};
use crate::vfs::{Attrs, FileOps, FileType, Inode, NewNode, NodeKind, Path, SetAttrs, TimeSet, anon};

/// Bytes copied at once.
const CHUNK: usize = 256 * 1024;

impl OverlayInode {
    /// The inode above, made from the one below if there is none yet; `contents` says whether its bytes are needed.
    pub(super) fn copy_up(&self, contents: bool) -> Result<Arc<dyn Inode>, Errno> {
        if let Some(upper) = self.upper() {
            return Ok(upper);
        }
        let mut above = Vec::new();
        let mut place = self.place.lock().clone();
        while let Some((dir, _)) = place.filter(|(dir, _)| !dir.has_upper()) {
            place = dir.place.lock().clone();
            above.push(dir);
        }
        for dir in above.iter().rev() {
            dir.copy_up_here(true)?;
        }
        self.copy_up_here(contents)
    }

    /// The same for what lies in a directory that is above already.
    fn copy_up_here(&self, contents: bool) -> Result<Arc<dyn Inode>, Errno> {
        let _once = self.copying.lock();
        if let Some(upper) = self.upper() {
            return Ok(upper);
        }
        let lower = self.lower().ok_or(Errno::EIO)?;
        let (parent, name) = self.place.lock().clone().ok_or(Errno::EROFS)?;
        let dir = parent.upper_dir()?;
        let attrs = lower.attrs()?;
        let kind = match attrs.file_type() {
            FileType::Regular => NodeKind::Regular,
            FileType::Directory => NodeKind::Directory,
            FileType::Symlink => NodeKind::Symlink(lower.readlink()?),
            FileType::Fifo => NodeKind::Fifo,
            FileType::Socket => NodeKind::Socket,
            FileType::CharDevice => NodeKind::CharDevice(attrs.rdev),
            FileType::BlockDevice => NodeKind::BlockDevice(attrs.rdev),
        };
        let node = NewNode { kind, mode: attrs.mode & 0o7777, uid: attrs.uid, gid: attrs.gid };
        // Under another name until it is whole, so that a failure leaves nothing half done.
        let temporary = self.fs.temporary_name();
        let upper = dir.create(&temporary, &node)?;
        let finished = fill(&upper, &lower, &Attrs { ino: self.ino(), ..attrs }, contents)
            .and_then(|()| dir.rename(&temporary, &dir, &name, 0));
        if let Err(e) = finished {
            // The temporary name is all there is of it.
            let _ =
                if upper.is_dir() { dir.rmdir(&temporary, &upper) } else { dir.unlink(&temporary, &upper) };
            return Err(e);
        }
        upper.moved_to(&dir, &name);
        let mut layers = self.layers.write();
        layers.upper = Some(Arc::clone(&upper));
        if !upper.is_dir() {
            layers.lower = None;
        }
        Ok(upper)
    }
}

fn fill(upper: &Arc<dyn Inode>, lower: &Arc<dyn Inode>, attrs: &Attrs, contents: bool) -> Result<(), Errno> {
    if attrs.file_type() == FileType::Regular && contents && attrs.size > 0 {
        copy_bytes(upper, lower, attrs.size)?;
    }
    for name in lower.list_xattr().unwrap_or_default() {
        let value = lower.get_xattr(&name)?;
        match upper.set_xattr(&name, &value, 0) {
            // A directory of the host takes the guest's own attributes only.
            Err(Errno::EOPNOTSUPP | Errno::EPERM) => {}
            other => other?,
        }
    }
    // Upper file systems without such attributes give the file a number of its own.
    let _ = upper.set_xattr(ORIGIN, &attrs.ino.to_ne_bytes(), 0);
    if attrs.file_type() != FileType::Symlink {
        let (atime, mtime) = (Some(TimeSet::At(attrs.atime)), Some(TimeSet::At(attrs.mtime)));
        upper.set_attrs(&SetAttrs {
            mode: Some(attrs.mode & 0o7777),
            atime,
            mtime,
            ..SetAttrs::default()
        })?;
    }
    Ok(())
}

fn copy_bytes(upper: &Arc<dyn Inode>, lower: &Arc<dyn Inode>, size: u64) -> Result<(), Errno> {
    let open = |inode: &Arc<dyn Inode>, flags| -> Result<(Arc<dyn FileOps>, Path), Errno> {
        Ok((Arc::clone(inode).open(flags)?, anon::wrap(b"copy-up", Arc::clone(inode))))
    };
    let (from, from_path) = open(lower, c::O_RDONLY)?;
    let (to, to_path) = open(upper, c::O_WRONLY)?;
    let from_file = crate::vfs::File::new(from_path, Arc::clone(&from), c::O_RDONLY);
    let to_file = crate::vfs::File::new(to_path, Arc::clone(&to), c::O_WRONLY);
    let mut buf = vec![0; CHUNK.min(usize::try_from(size).unwrap_or(CHUNK))];
    let mut at = 0;
    loop {
        let n = from.read(&from_file, &mut BufSink::new(&mut buf), at)?;
        if n == 0 {
            return Ok(());
        }
        // Pages of zeros stay holes.
        if buf[..n].iter().any(|&b| b != 0) || at + n as u64 >= size {
            let mut source = BufSource::new(&buf[..n]);
            let mut done = 0;
            while done < n {
                match to.write(&to_file, &mut source, at + done as u64)? {
                    0 => return Err(Errno::EIO),
                    w => done += w,
                }
            }
        }
        at += n as u64;
    }
}
