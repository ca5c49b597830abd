//! Opening files by name (open(2)).

use std::sync::Arc;

use stockade_abi::Errno;
use stockade_abi::general as c;
use stockade_abi::misc::NAME_MAX;

use super::attrs::{FileType, NodeKind};
use super::dentry::Dentry;
use super::file::File;
use super::file_ops::FileOps;
use super::mount::{MountFlags, Path};
use super::ops::{Request, perm_search};
use super::perm::{self, Access};
use super::persist::FileOpsState;
use super::walk::{Last, LookupFlags, Parent};
use crate::persist::{Saver, Unsavable};

/// The file that an O_PATH descriptor is: nothing can be done with it.
pub(super) struct PathOnly;

impl FileOps for PathOnly {
    fn save(&self, _saver: &mut Saver) -> Result<FileOpsState, Unsavable> {
        Ok(FileOpsState::PathOnly)
    }
}

impl Request<'_> {
    /// open(2), openat2(2). `flags` are O_ flags, checked for form; `how` adds RESOLVE_ restrictions.
    ///
    /// # Errors
    /// As open(2).
    pub fn open(&self, path: &[u8], flags: u32, mode: u32, how: LookupFlags) -> Result<Arc<File>, Errno> {
        if flags & c::O_TMPFILE == c::O_TMPFILE {
            return self.open_unnamed(path, flags, mode, how);
        }
        let mut walk_flags = how;
        walk_flags.set(LookupFlags::FOLLOW, flags & c::O_NOFOLLOW == 0);
        walk_flags.set(LookupFlags::DIRECTORY, flags & c::O_DIRECTORY != 0);
        if flags & c::O_CREAT == 0 || flags & c::O_PATH != 0 {
            let place = self.walk(walk_flags).resolve(path)?;
            return self.open_place(place, flags, false);
        }
        self.open_create(path, flags, mode, walk_flags)
    }

    fn open_create(
        &self,
        path: &[u8],
        flags: u32,
        mode: u32,
        walk_flags: LookupFlags,
    ) -> Result<Arc<File>, Errno> {
        let mut walk = self.walk(walk_flags);
        let mut parent = walk.parent(path)?;
        let mut hops = 0;
        loop {
            let Parent { dir, last, trailing_slash } = parent;
            let Last::Name(name) = &last else { return Err(Errno::EISDIR) };
            if trailing_slash {
                return Err(Errno::EISDIR);
            }
            if name.len() > NAME_MAX {
                return Err(Errno::ENAMETOOLONG);
            }
            let attrs = perm_search(&dir, self.creds)?;
            match walk.finish(dir.clone(), &last, false) {
                Ok(place)
                    if place.dentry.inode.file_type() == FileType::Symlink && flags & c::O_EXCL == 0 =>
                {
                    if flags & c::O_NOFOLLOW != 0 {
                        return Err(Errno::ELOOP);
                    }
                    // The target may be what has to be made.
                    hops += 1;
                    if hops > 40 {
                        return Err(Errno::ELOOP);
                    }
                    match walk.finish(dir.clone(), &last, true) {
                        Ok(place) => return self.open_place(place, flags, false),
                        Err(Errno::ENOENT) => {}
                        Err(e) => return Err(e),
                    }
                    parent = walk.parent_of_missing(dir, place.dentry.inode.readlink()?)?;
                }
                Ok(place) => {
                    if flags & c::O_EXCL != 0 {
                        return Err(Errno::EEXIST);
                    }
                    if place.dentry.inode.is_dir() {
                        return Err(Errno::EISDIR);
                    }
                    return self.open_place(place, flags, false);
                }
                Err(Errno::ENOENT) => {
                    if flags & c::O_DIRECTORY != 0 {
                        return Err(Errno::EINVAL);
                    }
                    self.may_create_in(&dir)?;
                    let node = self.new_node(&attrs, NodeKind::Regular, mode);
                    let mut locked = dir.dentry.lock();
                    let dentry = match dir.dentry.inode.create(name, &node) {
                        Ok(inode) => locked.add(name, inode),
                        Err(Errno::EEXIST) if flags & c::O_EXCL == 0 => {
                            let dentry = locked.lookup(name)?;
                            drop(locked);
                            return self.open_place(Path { mount: dir.mount, dentry }, flags, false);
                        }
                        Err(e) => return Err(e),
                    };
                    drop(locked);
                    dir.dentry.notify_entry(name, c::IN_CREATE, false);
                    return self.open_place(Path { mount: dir.mount, dentry }, flags, true);
                }
                Err(e) => return Err(e),
            }
        }
    }

    fn open_unnamed(&self, path: &[u8], flags: u32, mode: u32, how: LookupFlags) -> Result<Arc<File>, Errno> {
        if flags & c::O_ACCMODE == c::O_RDONLY {
            return Err(Errno::EINVAL);
        }
        let dir = self.walk(how | LookupFlags::FOLLOW | LookupFlags::DIRECTORY).resolve(path)?;
        let attrs = self.may_create_in(&dir)?;
        let inode = dir.dentry.inode.create_unnamed(&self.new_node(&attrs, NodeKind::Regular, mode))?;
        let name = format!("#{}", inode.attrs()?.ino);
        let dentry = Dentry::unattached(Arc::clone(&dir.dentry.sb), Arc::clone(&inode), name.as_bytes());
        if flags & c::O_EXCL == 0 {
            dentry.set_linkable();
        }
        let ops = inode.open(flags)?;
        dentry.get_write_access()?;
        Ok(File::writer(Path { mount: dir.mount, dentry }, ops, flags))
    }

    /// Opens what is at a place. `created`: by this very call, so that permissions do not matter.
    ///
    /// # Errors
    /// As open(2).
    pub fn open_place(&self, place: Path, flags: u32, created: bool) -> Result<Arc<File>, Errno> {
        let inode = &place.dentry.inode;
        let kind = inode.file_type();
        if flags & c::O_PATH != 0 {
            let flags = flags & (c::O_PATH | c::O_DIRECTORY | c::O_NOFOLLOW);
            return Ok(File::new(place, Arc::new(PathOnly), flags));
        }
        let mode = flags & c::O_ACCMODE;
        let mut access = match mode {
            c::O_RDONLY => Access::READ,
            c::O_WRONLY => Access::WRITE,
            _ => Access::READ | Access::WRITE,
        };
        if flags & c::O_TRUNC != 0 {
            access |= Access::WRITE;
        }
        match kind {
            FileType::Symlink => return Err(Errno::ELOOP),
            FileType::Socket => return Err(Errno::ENXIO),
            FileType::Directory if access.contains(Access::WRITE) => return Err(Errno::EISDIR),
            FileType::CharDevice | FileType::BlockDevice
                if place.mount.flags().contains(MountFlags::NODEV) =>
            {
                return Err(Errno::EACCES);
            }
            _ => {}
        }
        if !created {
            let attrs = self.may(&place, access)?;
            if flags & c::O_NOATIME != 0 && !perm::is_owner(&attrs, self.creds) {
                return Err(Errno::EPERM);
            }
        }
        let truncates = flags & c::O_TRUNC != 0 && !created;
        if kind != FileType::Regular || (mode == c::O_RDONLY && !truncates) {
            let ops = Arc::clone(inode).open(flags)?;
            return Ok(File::open(place, ops, flags));
        }
        place.dentry.get_write_access()?;
        let ops = Arc::clone(inode).open(flags).inspect_err(|_| place.dentry.put_write_access())?;
        if mode != c::O_RDONLY {
            let file = File::writer(place, ops, flags);
            if truncates {
                self.truncate_inode(&file.path, 0)?;
            }
            return Ok(file);
        }
        let file = File::open(place, ops, flags);
        let truncated = self.truncate_inode(&file.path, 0);
        // Who only cut it off writes no longer.
        file.path.dentry.put_write_access();
        truncated.map(|()| file)
    }
}
