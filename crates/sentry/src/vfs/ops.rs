//! What calls do with names: make, link, remove, rename, change attributes. Rules and permissions that are the
//! same for all file systems are here.

use std::sync::Arc;

use stockade_abi::Errno;
use stockade_abi::general as c;
use stockade_abi::misc::NAME_MAX;

use super::attrs::{Attrs, FileType, NewNode, NodeKind, SetAttrs, TimeSet};
use super::dentry::Dentry;
use super::mount::{MountFlags, Path};
use super::perm::{self, Access};
use super::walk::{Last, LookupFlags, Parent, Walk, writable};
use crate::creds::{Credentials, Kgid};

/// Who asks, and from where.
pub struct Request<'a> {
    /// `/`
    pub root: Path,
    /// Where relative paths begin.
    pub start: Path,
    /// Whose rights count.
    pub creds: &'a Credentials,
    /// Bits that new files do not get.
    pub umask: u32,
}

/// The permission bits after a write, if they change.
fn mode_after_write(attrs: &Attrs, creds: &Credentials) -> Option<u32> {
    let concerned = attrs.file_type() == FileType::Regular && !creds.has_cap(c::CAP_FSETID);
    concerned.then(|| perm::without_privilege_bits(attrs, creds)).flatten()
}

/// Clears set-id bits before a file is written to.
///
/// # Errors
/// What the file system says.
pub fn prepare_write(place: &Path, creds: &Credentials) -> Result<(), Errno> {
    let inode = &place.dentry.inode;
    if inode.file_type() != FileType::Regular || creds.has_cap(c::CAP_FSETID) {
        return Ok(());
    }
    match mode_after_write(&inode.attrs()?, creds) {
        None => Ok(()),
        mode => {
            inode.set_attrs(&SetAttrs { mode, ..SetAttrs::default() })?;
            place.dentry.notify(c::IN_ATTRIB);
            Ok(())
        }
    }
}

impl Request<'_> {
    /// A walk with these surroundings.
    #[must_use]
    pub fn walk(&self, flags: LookupFlags) -> Walk<'_> {
        Walk::new(&self.root, &self.start, self.creds, flags)
    }

    pub(super) fn may(&self, place: &Path, access: Access) -> Result<Attrs, Errno> {
        let attrs = place.dentry.inode.attrs()?;
        if access.contains(Access::WRITE)
            && matches!(attrs.file_type(), FileType::Regular | FileType::Directory | FileType::Symlink)
        {
            writable(place)?;
        }
        perm::check(&attrs, self.creds, access)?;
        Ok(attrs)
    }

    /// Owner and mode of something new in `dir`.
    pub(super) fn new_node(&self, dir: &Attrs, kind: NodeKind, mode: u32) -> NewNode {
        let mut mode = mode & 0o7777 & !self.umask;
        let mut gid = self.creds.fsgid;
        if dir.mode & c::S_ISGID != 0 {
            gid = Kgid(dir.gid);
            if kind == NodeKind::Directory {
                mode |= c::S_ISGID;
            } else if mode & (c::S_ISGID | c::S_IXGRP) == c::S_ISGID | c::S_IXGRP
                && !self.creds.in_group(gid)
                && !self.creds.has_cap(c::CAP_FSETID)
            {
                mode &= !c::S_ISGID;
            }
        }
        if matches!(kind, NodeKind::Symlink(_)) {
            mode = 0o777;
        }
        NewNode { kind, mode, uid: self.creds.fsuid.0, gid: gid.0 }
    }

    pub(super) fn may_create_in(&self, dir: &Path) -> Result<Attrs, Errno> {
        if dir.dentry.is_deleted() {
            return Err(Errno::ENOENT);
        }
        self.may(dir, Access::WRITE | Access::EXEC)
    }

    /// Sets the size, and clears set-id bits as a write would.
    ///
    /// # Errors
    /// What the file system says.
    pub fn truncate_inode(&self, place: &Path, size: u64) -> Result<(), Errno> {
        let inode = &place.dentry.inode;
        let attrs = inode.attrs()?;
        let mode = mode_after_write(&attrs, self.creds);
        let set = SetAttrs { size: Some(size), mtime: Some(TimeSet::Now), mode, ..SetAttrs::default() };
        inode.set_attrs(&set)?;
        place.dentry.notify(c::IN_MODIFY);
        Ok(())
    }

    /// truncate(2). A file does not become longer than `limit`.
    ///
    /// # Errors
    /// As truncate(2); EFBIG beyond the limit.
    pub fn truncate(&self, path: &[u8], size: u64, limit: u64) -> Result<(), Errno> {
        let place = self.walk(LookupFlags::FOLLOW).resolve(path)?;
        match place.dentry.inode.file_type() {
            FileType::Directory => return Err(Errno::EISDIR),
            FileType::Regular => {}
            _ => return Err(Errno::EINVAL),
        }
        let attrs = self.may(&place, Access::WRITE)?;
        if size > attrs.size && size > limit {
            return Err(Errno::EFBIG);
        }
        place.dentry.get_write_access()?;
        let result = self.truncate_inode(&place, size);
        place.dentry.put_write_access();
        result
    }

    /// mkdir(2), mknod(2), symlink(2).
    ///
    /// # Errors
    /// As those.
    pub fn make(&self, path: &[u8], kind: NodeKind, mode: u32) -> Result<Path, Errno> {
        let Parent { dir, last, trailing_slash } = self.walk(LookupFlags::empty()).parent(path)?;
        let Last::Name(name) = last else { return Err(Errno::EEXIST) };
        if name.len() > NAME_MAX {
            return Err(Errno::ENAMETOOLONG);
        }
        let attrs = perm_search(&dir, self.creds)?;
        let mut locked = dir.dentry.lock();
        match locked.lookup(&name) {
            Ok(_) => return Err(Errno::EEXIST),
            Err(Errno::ENOENT) if trailing_slash && kind != NodeKind::Directory => return Err(Errno::ENOENT),
            Err(Errno::ENOENT) => {}
            Err(e) => return Err(e),
        }
        self.may_create_in(&dir)?;
        if matches!(kind, NodeKind::CharDevice(_) | NodeKind::BlockDevice(_))
            && !self.creds.has_cap(c::CAP_MKNOD)
        {
            return Err(Errno::EPERM);
        }
        let inode = dir.dentry.inode.create(&name, &self.new_node(&attrs, kind, mode))?;
        let dentry = locked.add(&name, inode);
        drop(locked);
        dir.dentry.notify_entry(&name, c::IN_CREATE, dentry.inode.is_dir());
        Ok(Path { mount: dir.mount, dentry })
    }

    /// link(2): gives `target` another name.
    ///
    /// # Errors
    /// As link(2).
    pub fn link(&self, target: &Path, path: &[u8]) -> Result<(), Errno> {
        let Parent { dir, last, trailing_slash } = self.walk(LookupFlags::empty()).parent(path)?;
        let Last::Name(name) = last else { return Err(Errno::EEXIST) };
        if name.len() > NAME_MAX {
            return Err(Errno::ENAMETOOLONG);
        }
        perm_search(&dir, self.creds)?;
        let mut locked = dir.dentry.lock();
        match locked.lookup(&name) {
            Ok(_) => return Err(Errno::EEXIST),
            Err(Errno::ENOENT) if trailing_slash => return Err(Errno::ENOENT),
            Err(Errno::ENOENT) => {}
            Err(e) => return Err(e),
        }
        if !Arc::ptr_eq(&target.mount, &dir.mount) {
            return Err(Errno::EXDEV);
        }
        if target.dentry.inode.is_dir() {
            return Err(Errno::EPERM);
        }
        // What has lost its last name does not get another, unless it never had one.
        if target.dentry.inode.attrs()?.nlink == 0 && !target.dentry.is_linkable() {
            return Err(Errno::ENOENT);
        }
        self.may_create_in(&dir)?;
        dir.dentry.inode.link(&name, &target.dentry.inode)?;
        locked.add(&name, Arc::clone(&target.dentry.inode));
        drop(locked);
        target.dentry.notify_self(c::IN_ATTRIB);
        dir.dentry.notify_entry(&name, c::IN_CREATE, false);
        Ok(())
    }

    fn may_remove(&self, dir: &Path, child: &Arc<Dentry>, want_dir: bool) -> Result<(), Errno> {
        let attrs = self.may(dir, Access::WRITE | Access::EXEC)?;
        if perm::is_sticky(&attrs, &child.inode.attrs()?, self.creds) {
            return Err(Errno::EPERM);
        }
        match (want_dir, child.inode.is_dir()) {
            (true, false) => Err(Errno::ENOTDIR),
            (false, true) => Err(Errno::EISDIR),
            _ => Ok(()),
        }
    }

    /// unlink(2), or with `directory` rmdir(2).
    ///
    /// # Errors
    /// As those.
    pub fn remove(&self, path: &[u8], directory: bool) -> Result<(), Errno> {
        let Parent { dir, last, trailing_slash } = self.walk(LookupFlags::empty()).parent(path)?;
        let name = match last {
            Last::Name(name) => name,
            Last::Dot if directory => return Err(Errno::EINVAL),
            Last::DotDot if directory => return Err(Errno::ENOTEMPTY),
            Last::Root if directory => return Err(Errno::EBUSY),
            _ => return Err(Errno::EISDIR),
        };
        if name.len() > NAME_MAX {
            return Err(Errno::ENAMETOOLONG);
        }
        perm_search(&dir, self.creds)?;
        let mut locked = dir.dentry.lock();
        let child = locked.lookup(&name)?;
        if trailing_slash && !directory {
            return Err(if child.inode.is_dir() { Errno::EISDIR } else { Errno::ENOTDIR });
        }
        self.may_remove(&dir, &child, directory)?;
        if child.is_mount_point() {
            return Err(Errno::EBUSY);
        }
        child.note_last_link();
        if directory {
            dir.dentry.inode.rmdir(&name, &child.inode)?;
        } else {
            dir.dentry.inode.unlink(&name, &child.inode)?;
        }
        locked.remove(&name);
        drop(locked);
        if !directory {
            child.notify_self(c::IN_ATTRIB);
        }
        // The child's own end comes first, unless somebody has it open.
        drop(child);
        dir.dentry.notify_entry(&name, c::IN_DELETE, directory);
        Ok(())
    }

    /// renameat2(2). The second request is where the new path begins.
    ///
    /// # Errors
    /// As rename(2).
    pub fn rename(&self, path: &[u8], to: &Request<'_>, new_path: &[u8], flags: u32) -> Result<(), Errno> {
        let (no_replace, exchange) = (flags & c::RENAME_NOREPLACE != 0, flags & c::RENAME_EXCHANGE != 0);
        if flags & !(c::RENAME_NOREPLACE | c::RENAME_EXCHANGE | c::RENAME_WHITEOUT) != 0
            || (exchange && flags & (c::RENAME_NOREPLACE | c::RENAME_WHITEOUT) != 0)
        {
            return Err(Errno::EINVAL);
        }
        let from = self.walk(LookupFlags::empty()).parent(path)?;
        let into = to.walk(LookupFlags::empty()).parent(new_path)?;
        if !Arc::ptr_eq(&from.dir.mount, &into.dir.mount) {
            return Err(Errno::EXDEV);
        }
        let Last::Name(name) = &from.last else { return Err(Errno::EBUSY) };
        let Last::Name(new_name) = &into.last else {
            return Err(if no_replace { Errno::EEXIST } else { Errno::EBUSY });
        };
        if name.len() > NAME_MAX || new_name.len() > NAME_MAX {
            return Err(Errno::ENAMETOOLONG);
        }
        perm_search(&from.dir, self.creds)?;
        perm_search(&into.dir, self.creds)?;
        let sb = Arc::clone(&from.dir.dentry.sb);
        let _still = sb.rename_lock.lock();
        let (mut from_dir, mut into_dir) = Dentry::lock_two(&from.dir.dentry, &into.dir.dentry);
        let child = from_dir.lookup(name)?;
        let is_dir = child.inode.is_dir();
        let existing = match into_dir.as_mut().unwrap_or(&mut from_dir).lookup(new_name) {
            Ok(existing) => Some(existing),
            Err(Errno::ENOENT) => None,
            Err(e) => return Err(e),
        };
        if no_replace && existing.is_some() {
            return Err(Errno::EEXIST);
        }
        if exchange && existing.is_none() {
            return Err(Errno::ENOENT);
        }
        let slash_on_file = (from.trailing_slash && !is_dir)
            || (into.trailing_slash
                && if exchange { existing.as_ref().is_some_and(|e| !e.inode.is_dir()) } else { !is_dir });
        if slash_on_file {
            return Err(Errno::ENOTDIR);
        }
        if is_dir && child.is_ancestor_of(&into.dir.dentry) {
            return Err(Errno::EINVAL);
        }
        if let Some(existing) = &existing {
            if existing.is_ancestor_of(&from.dir.dentry) && existing.inode.is_dir() {
                return Err(if exchange { Errno::EINVAL } else { Errno::ENOTEMPTY });
            }
            if Arc::ptr_eq(&existing.inode, &child.inode) {
                return Ok(());
            }
        }
        self.may_remove(&from.dir, &child, is_dir)?;
        match &existing {
            None => {
                self.may_create_in(&into.dir)?;
            }
            Some(existing) => {
                self.may_remove(&into.dir, existing, if exchange { existing.inode.is_dir() } else { is_dir })?
            }
        }
        // A directory that gets another parent has its `..` changed.
        if is_dir && into_dir.is_some() {
            perm::check(&child.inode.attrs()?, self.creds, Access::WRITE)?;
        }
        if child.is_mount_point() || existing.as_ref().is_some_and(|e| e.is_mount_point()) {
            return Err(Errno::EBUSY);
        }
        if let Some(replaced) = existing.as_ref().filter(|_| !exchange) {
            replaced.note_last_link();
        }
        child.prepare_move()?;
        if let Some(other) = existing.as_ref().filter(|_| exchange) {
            other.prepare_move()?;
        }
        from.dir.dentry.inode.rename(name, &into.dir.dentry.inode, new_name, flags)?;
        child.inode.moved_to(&into.dir.dentry.inode, new_name);
        if let Some(other) = existing.as_ref().filter(|_| exchange) {
            other.inode.moved_to(&from.dir.dentry.inode, name);
        }
        if exchange {
            from_dir.exchanged(name, into_dir.as_mut(), new_name);
        } else {
            from_dir.moved(name, into_dir.as_mut(), new_name);
        }
        drop((from_dir, into_dir));
        let (here, there) = ((&*from.dir.dentry, &**name), (&*into.dir.dentry, &**new_name));
        match existing.as_ref().filter(|_| exchange) {
            None => child.notify_moved(here, there, existing.as_ref()),
            Some(other) => {
                child.notify_moved(here, there, None);
                other.notify_moved(there, here, None);
            }
        }
        Ok(())
    }

    /// chmod(2).
    ///
    /// # Errors
    /// EPERM, EROFS.
    pub fn chmod(&self, place: &Path, mode: u32) -> Result<(), Errno> {
        writable(place)?;
        let attrs = place.dentry.inode.attrs()?;
        if !perm::is_owner(&attrs, self.creds) {
            return Err(Errno::EPERM);
        }
        let mut mode = mode & 0o7777;
        if !self.creds.in_group(Kgid(attrs.gid)) && !self.creds.has_cap(c::CAP_FSETID) {
            mode &= !c::S_ISGID;
        }
        place.dentry.inode.set_attrs(&SetAttrs { mode: Some(mode), ..SetAttrs::default() })?;
        place.dentry.notify(c::IN_ATTRIB);
        Ok(())
    }

    /// chown(2). `None` leaves an id as it is.
    ///
    /// # Errors
    /// EPERM, EROFS.
    pub fn chown(&self, place: &Path, uid: Option<u32>, gid: Option<u32>) -> Result<(), Errno> {
        writable(place)?;
        let attrs = place.dentry.inode.attrs()?;
        let owns = self.creds.fsuid.0 == attrs.uid;
        let may_uid = uid.is_none_or(|u| (owns && u == attrs.uid) || self.creds.has_cap(c::CAP_CHOWN));
        let may_gid = gid.is_none_or(|g| {
            (owns && (g == attrs.gid || self.creds.in_group(Kgid(g)))) || self.creds.has_cap(c::CAP_CHOWN)
        });
        if !may_uid || !may_gid {
            return Err(Errno::EPERM);
        }
        let mode = if attrs.file_type() == FileType::Directory {
            None
        } else {
            perm::without_privilege_bits(&attrs, self.creds)
        };
        place.dentry.inode.set_attrs(&SetAttrs { uid, gid, mode, ..SetAttrs::default() })?;
        if uid.is_some() || gid.is_some() || mode.is_some() {
            place.dentry.notify(c::IN_ATTRIB);
        }
        Ok(())
    }

    /// utimensat(2). `None` leaves a time as it is (UTIME_OMIT).
    ///
    /// # Errors
    /// EPERM, EACCES, EROFS.
    pub fn set_times(
        &self,
        place: &Path,
        atime: Option<TimeSet>,
        mtime: Option<TimeSet>,
    ) -> Result<(), Errno> {
        if atime.is_none() && mtime.is_none() {
            return Ok(());
        }
        writable(place)?;
        let attrs = place.dentry.inode.attrs()?;
        if !perm::is_owner(&attrs, self.creds) {
            if atime != Some(TimeSet::Now) || mtime != Some(TimeSet::Now) {
                return Err(Errno::EPERM);
            }
            perm::check(&attrs, self.creds, Access::WRITE)?;
        }
        place.dentry.inode.set_attrs(&SetAttrs { atime, mtime, ..SetAttrs::default() })?;
        place.dentry.notify(match (atime, mtime) {
            (Some(_), Some(_)) => c::IN_ATTRIB,
            (Some(_), None) => c::IN_ACCESS,
            (None, _) => c::IN_MODIFY,
        });
        Ok(())
    }

    /// access(2), with the credentials given.
    ///
    /// # Errors
    /// EACCES, EROFS.
    pub fn access(&self, place: &Path, access: Access) -> Result<(), Errno> {
        let attrs = self.may(place, access)?;
        if access.contains(Access::EXEC)
            && attrs.file_type() == FileType::Regular
            && place.mount.flags().contains(MountFlags::NOEXEC)
        {
            return Err(Errno::EACCES);
        }
        Ok(())
    }
}

/// Search permission on a directory; returns its attributes.
pub(super) fn perm_search(dir: &Path, creds: &Credentials) -> Result<Attrs, Errno> {
    let attrs = dir.dentry.inode.attrs()?;
    if attrs.file_type() != FileType::Directory {
        return Err(Errno::ENOTDIR);
    }
    perm::check(&attrs, creds, Access::EXEC)?;
    Ok(attrs)
}
