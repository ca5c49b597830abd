//! From a path to a place (path_resolution(7), openat2(2)).

use std::borrow::Cow;
use std::sync::Arc;

use stockade_abi::Errno;
use stockade_abi::misc::{NAME_MAX, PATH_MAX};

use super::attrs::FileType;
use super::mount::{MountFlags, Path};
use super::perm::{self, Access};
use crate::creds::Credentials;

bitflags::bitflags! {
    /// How to walk.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct LookupFlags: u32 {
        /// A symbolic link as last component is followed.
        const FOLLOW = 1;
        /// The result must be a directory.
        const DIRECTORY = 2;
        /// RESOLVE_NO_XDEV
        const NO_XDEV = 4;
        /// RESOLVE_NO_MAGICLINKS
        const NO_MAGICLINKS = 8;
        /// RESOLVE_NO_SYMLINKS
        const NO_SYMLINKS = 0x10;
        /// RESOLVE_BENEATH
        const BENEATH = 0x20;
        /// RESOLVE_IN_ROOT
        const IN_ROOT = 0x40;
        /// An empty path is the start itself (AT_EMPTY_PATH).
        const EMPTY = 0x80;
    }
}

/// Symbolic links followed in one walk at most.
const MAX_SYMLINKS: u32 = 40;

/// The last component of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Last {
    /// A name.
    Name(Vec<u8>),
    /// `.`
    Dot,
    /// `..`
    DotDot,
    /// The path was nothing but slashes.
    Root,
}

/// A path up to its last component.
#[derive(Clone)]
pub struct Parent {
    /// The directory.
    pub dir: Path,
    /// What comes last.
    pub last: Last,
    /// Whether slashes follow it.
    pub trailing_slash: bool,
}

/// A walk's surroundings and its progress.
pub struct Walk<'a> {
    root: &'a Path,
    start: &'a Path,
    creds: &'a Credentials,
    flags: LookupFlags,
    links: u32,
    /// The walk began at the root.
    from_root: bool,
}

impl<'a> Walk<'a> {
    /// A walk from `start` with `root` as `/`.
    #[must_use]
    pub fn new(root: &'a Path, start: &'a Path, creds: &'a Credentials, flags: LookupFlags) -> Self {
        let root = if flags.contains(LookupFlags::IN_ROOT) { start } else { root };
        Self { root, start, creds, flags, links: 0, from_root: false }
    }

    fn begin(&mut self, path: &[u8]) -> Result<Path, Errno> {
        if path.len() >= PATH_MAX {
            return Err(Errno::ENAMETOOLONG);
        }
        if path.first() != Some(&b'/') {
            return Ok(self.start.clone());
        }
        if self.flags.contains(LookupFlags::BENEATH) {
            return Err(Errno::EXDEV);
        }
        self.from_root = true;
        Ok(self.root.clone())
    }

    /// An absolute link in `dir` leads to the root.
    fn jump_to_root(&self, dir: &Path) -> Result<Path, Errno> {
        if self.flags.contains(LookupFlags::BENEATH) {
            return Err(Errno::EXDEV);
        }
        // As on Linux, which does not know the mount of the root before a walk has been there.
        let known = self.from_root || self.flags.contains(LookupFlags::IN_ROOT);
        if self.flags.contains(LookupFlags::NO_XDEV) && !known {
            return Err(Errno::EXDEV);
        }
        self.crossed(dir, self.root.clone())
    }

    /// `to`, unless mounts must not be left and it is on another.
    fn crossed(&self, from: &Path, to: Path) -> Result<Path, Errno> {
        if self.flags.contains(LookupFlags::NO_XDEV) && !Arc::ptr_eq(&from.mount, &to.mount) {
            return Err(Errno::EXDEV);
        }
        Ok(to)
    }

    /// The place that a path names.
    ///
    /// # Errors
    /// ENOENT, ENOTDIR, EACCES, ELOOP, ENAMETOOLONG, EXDEV.
    pub fn resolve(&mut self, path: &[u8]) -> Result<Path, Errno> {
        if path.is_empty() {
            return if self.flags.contains(LookupFlags::EMPTY) {
                Ok(self.start.clone())
            } else {
                Err(Errno::ENOENT)
            };
        }
        let Parent { dir, last, trailing_slash } = self.parent(path)?;
        let follow = trailing_slash || self.flags.contains(LookupFlags::FOLLOW);
        let place = self.finish(dir, &last, follow)?;
        if (trailing_slash || self.flags.contains(LookupFlags::DIRECTORY)) && !place.dentry.inode.is_dir() {
            return Err(Errno::ENOTDIR);
        }
        Ok(place)
    }

    /// The directory of a path's last component, and that component.
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve).
    pub fn parent(&mut self, path: &[u8]) -> Result<Parent, Errno> {
        if path.is_empty() {
            return Err(Errno::ENOENT);
        }
        let start = self.begin(path)?;
        self.parent_from(start, Cow::Borrowed(path))
    }

    /// The last step of a walk: the entry `last` of `dir`, links followed if `follow`.
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve).
    pub fn finish(&mut self, dir: Path, last: &Last, follow: bool) -> Result<Path, Errno> {
        let name = match last {
            Last::Root => return Ok(dir),
            Last::Dot => {
                self.may_search(&dir)?;
                return Ok(dir);
            }
            Last::DotDot => {
                self.may_search(&dir)?;
                return self.up(&dir);
            }
            Last::Name(name) => name,
        };
        let place = self.step(&dir, name)?;
        if follow && place.dentry.inode.file_type() == FileType::Symlink {
            return self.follow(dir, &place);
        }
        Ok(place)
    }

    fn may_search(&self, dir: &Path) -> Result<(), Errno> {
        if !dir.dentry.inode.is_dir() {
            return Err(Errno::ENOTDIR);
        }
        perm::check(&dir.dentry.inode.attrs()?, self.creds, Access::EXEC)
    }

    fn step(&self, dir: &Path, name: &[u8]) -> Result<Path, Errno> {
        self.may_search(dir)?;
        if name.len() > NAME_MAX {
            return Err(Errno::ENAMETOOLONG);
        }
        let dentry = dir.dentry.lookup(name)?;
        let place = Path { mount: Arc::clone(&dir.mount), dentry };
        self.crossed(dir, place.follow_mounts())
    }

    fn up(&self, dir: &Path) -> Result<Path, Errno> {
        if self.flags.contains(LookupFlags::BENEATH) && *dir == *self.start {
            return Err(Errno::EXDEV);
        }
        self.crossed(dir, dir.parent(self.root))
    }

    /// Where the link `place` in `dir` leads.
    fn follow(&mut self, dir: Path, place: &Path) -> Result<Path, Errno> {
        match self.link_target(&dir, place)? {
            Target::Place(place) => Ok(place),
            Target::Text(text) => {
                let Parent { dir, last, trailing_slash } = self.parent_of_target(dir, text)?;
                let place = self.finish(dir, &last, true)?;
                if trailing_slash && !place.dentry.inode.is_dir() {
                    return Err(Errno::ENOTDIR);
                }
                Ok(place)
            }
        }
    }

    fn parent_of_target(&mut self, dir: Path, text: Vec<u8>) -> Result<Parent, Errno> {
        let from = if text.first() == Some(&b'/') { self.jump_to_root(&dir)? } else { dir };
        self.parent_from(from, Cow::Owned(text))
    }

    /// As [`parent`](Self::parent), for the text of a link in `dir` that has been found to lead nowhere. Links on the way
    /// there are counted anew: the caller counts how often this is done.
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve).
    pub(super) fn parent_of_missing(&mut self, dir: Path, text: Vec<u8>) -> Result<Parent, Errno> {
        self.links = 0;
        self.parent_of_target(dir, text)
    }

    fn link_target(&mut self, dir: &Path, place: &Path) -> Result<Target, Errno> {
        if self.flags.contains(LookupFlags::NO_SYMLINKS) {
            return Err(Errno::ELOOP);
        }
        self.links += 1;
        if self.links > MAX_SYMLINKS {
            return Err(Errno::ELOOP);
        }
        if let Some(target) = place.dentry.inode.magic_link() {
            if self.flags.intersects(LookupFlags::NO_MAGICLINKS) {
                return Err(Errno::ELOOP);
            }
            if self.flags.intersects(LookupFlags::BENEATH | LookupFlags::IN_ROOT) {
                return Err(Errno::EXDEV);
            }
            return Ok(Target::Place(self.crossed(dir, target?)?));
        }
        let text = place.dentry.inode.readlink()?;
        if text.is_empty() {
            return Err(Errno::ENOENT);
        }
        Ok(Target::Text(text))
    }

    fn parent_from(&mut self, start: Path, path: Cow<'_, [u8]>) -> Result<Parent, Errno> {
        let mut at = start;
        let mut path = path;
        let mut pos = 0;
        loop {
            while path.get(pos) == Some(&b'/') {
                pos += 1;
            }
            let rest = &path[pos..];
            if rest.is_empty() {
                return Ok(Parent { dir: at, last: Last::Root, trailing_slash: true });
            }
            let len = rest.iter().position(|&b| b == b'/').unwrap_or(rest.len());
            let name = &rest[..len];
            let is_last = rest[len..].iter().all(|&b| b == b'/');
            if is_last {
                let last = match name {
                    b"." => Last::Dot,
                    b".." => Last::DotDot,
                    _ => Last::Name(name.to_vec()),
                };
                // A name in something that is no directory fails before the name is looked at.
                if !at.dentry.inode.is_dir() {
                    return Err(Errno::ENOTDIR);
                }
                return Ok(Parent { dir: at, last, trailing_slash: len < rest.len() });
            }
            match name {
                b"." => self.may_search(&at)?,
                b".." => {
                    self.may_search(&at)?;
                    at = self.up(&at)?;
                }
                _ => {
                    let place = self.step(&at, name)?;
                    if place.dentry.inode.file_type() == FileType::Symlink {
                        match self.link_target(&at, &place)? {
                            Target::Place(place) => at = place,
                            Target::Text(mut text) => {
                                if text.first() == Some(&b'/') {
                                    at = self.jump_to_root(&at)?;
                                }
                                text.extend_from_slice(&rest[len..]);
                                if text.len() >= PATH_MAX * 2 {
                                    return Err(Errno::ENAMETOOLONG);
                                }
                                path = Cow::Owned(text);
                                pos = 0;
                                continue;
                            }
                        }
                    } else {
                        at = place;
                    }
                    if !at.dentry.inode.is_dir() {
                        return Err(Errno::ENOTDIR);
                    }
                }
            }
            pos += len;
        }
    }
}

enum Target {
    Place(Path),
    Text(Vec<u8>),
}

/// Whether a mount lets its files be written.
///
/// # Errors
/// EROFS
pub fn writable(place: &Path) -> Result<(), Errno> {
    if place.mount.flags().contains(MountFlags::RDONLY) { Err(Errno::EROFS) } else { Ok(()) }
}
