//! The saved forms of [`Dentry`] and [`SuperBlock`].

use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::{Child, Dentry, IDS, MINORS, SuperBlock};
use crate::persist::{Component, Id, RestoreError, Restorer, Saver, Unsavable};
use crate::vfs::anon;
use crate::vfs::attrs::{dev_major, dev_minor};
use crate::vfs::persist::InodeState;

/// What a name may have at most (NAME_MAX), and what stands in its place for files without one.
const MAX_NAME: usize = 4096;

/// Minor numbers that the sandbox may get to.
const MAX_MINOR: u32 = 1 << 30;

/// Types of file systems that there are.
const FS_TYPES: &[&str] =
    &["stockade", "tmpfs", "devtmpfs", "devpts", "proc", "sysfs", "overlay", "nsfs", "anon_inodefs"];

/// A device number that a file system had, which no new one gets.
///
/// # Errors
/// If none has such a one.
pub(crate) fn restored_device(dev: u64) -> Result<u64, RestoreError> {
    if dev_major(dev) != 0 || dev_minor(dev) > MAX_MINOR {
        return Err(RestoreError::new("a device number that no file system here has"));
    }
    MINORS.note(dev_minor(dev).into());
    Ok(dev)
}

/// A [`SuperBlock`].
#[derive(Debug, Serialize, Deserialize)]
pub enum SuperBlockState {
    /// The one of files without a name.
    Anon,
    /// Any other.
    Mounted {
        /// `st_dev`
        dev: u64,
        /// Its type, as `/proc/mounts` shows it.
        fs_type: String,
        /// What it was mounted from.
        source: String,
        /// Its own options.
        options: String,
        /// [`SuperBlock::caches_names`]
        caches_names: bool,
        /// [`SuperBlock::revalidates`]
        revalidates: bool,
    },
}

impl Component for SuperBlockState {
    type Object = Arc<SuperBlock>;

    fn save(sb: &Self::Object, _saver: &mut Saver) -> Result<Self, Unsavable> {
        if Arc::ptr_eq(sb, &anon::nowhere().dentry.sb) {
            return Ok(Self::Anon);
        }
        Ok(Self::Mounted {
            dev: sb.dev,
            fs_type: sb.fs_type.to_owned(),
            source: sb.source.clone(),
            options: sb.options.clone(),
            caches_names: sb.caches_names,
            revalidates: sb.revalidates,
        })
    }

    fn restore(self, _restorer: &mut Restorer<'_>) -> Result<Self::Object, RestoreError> {
        let Self::Mounted { dev, fs_type, source, options, caches_names, revalidates } = self else {
            return Ok(Arc::clone(&anon::nowhere().dentry.sb));
        };
        let known = FS_TYPES.iter().find(|known| **known == fs_type);
        let fs_type = known.ok_or_else(|| RestoreError::new(format!("unknown type {fs_type:?}")))?;
        Ok(SuperBlock::with_dev(restored_device(dev)?, fs_type, &source, options, caches_names, revalidates))
    }
}

/// A [`Dentry`].
#[derive(Debug, Serialize, Deserialize)]
pub enum DentryState {
    /// The root of files without a name.
    AnonRoot,
    /// Any other.
    Name {
        /// [`Dentry::id`]
        id: u64,
        /// Its file system.
        sb: Id<SuperBlockState>,
        /// What it stands for.
        inode: Id<InodeState>,
        /// The directory it is in.
        parent: Option<Id<DentryState>>,
        /// The name.
        name: ByteBuf,
        /// Whether it has been removed.
        deleted: bool,
        /// Whether another one has taken its place, as with what comes and goes by itself.
        #[serde(default)]
        stale: bool,
        /// Whether it was the last one of its inode then.
        last_link: bool,
        /// Whether it may get its first name.
        linkable: bool,
    },
}

impl DentryState {
    /// A name, for tests.
    #[cfg(test)]
    pub(crate) fn name(
        name: &[u8],
        sb: Id<SuperBlockState>,
        inode: Id<InodeState>,
        parent: Option<Id<Self>>,
    ) -> Self {
        let name = ByteBuf::from(name);
        Self::Name {
            id: 1,
            sb,
            inode,
            parent,
            name,
            deleted: false,
            stale: false,
            last_link: false,
            linkable: false,
        }
    }

    /// The name above it.
    #[must_use]
    pub fn parent(&self) -> Option<Id<Self>> {
        match self {
            Self::AnonRoot => None,
            Self::Name { parent, .. } => *parent,
        }
    }
}

impl Component for DentryState {
    type Object = Arc<Dentry>;

    fn save(dentry: &Self::Object, saver: &mut Saver) -> Result<Self, Unsavable> {
        if Arc::ptr_eq(dentry, &anon::nowhere().dentry) {
            return Ok(Self::AnonRoot);
        }
        Ok(Self::Name {
            id: dentry.id,
            sb: saver.id(&dentry.sb),
            inode: saver.id(&dentry.inode),
            parent: dentry.parent().map(|parent| saver.id(&parent)),
            name: ByteBuf::from(dentry.name().to_vec()),
            deleted: dentry.is_deleted(),
            stale: dentry.is_stale(),
            last_link: dentry.last_link.load(Ordering::Acquire),
            linkable: dentry.is_linkable(),
        })
    }

    fn restore(self, restorer: &mut Restorer<'_>) -> Result<Self::Object, RestoreError> {
        let Self::Name { id, sb, inode, parent, name, deleted, stale, last_link, linkable } = self else {
            return Ok(anon::nowhere().dentry);
        };
        IDS.note(id);
        let (sb, inode) = (restorer.get(sb)?, restorer.get(inode)?);
        let parent = parent.map(|parent| restorer.get(parent)).transpose()?;
        let is_name = !name.is_empty() && !name.contains(&0) && name.len() <= MAX_NAME;
        if !is_name || parent.is_some() && (name.contains(&b'/') || matches!(&**name, b"." | b"..")) {
            return Err(RestoreError::new("no name that a file can have"));
        }
        if let Some(parent) = &parent
            && (!Arc::ptr_eq(&parent.sb, &sb) || !parent.inode.is_dir())
        {
            return Err(RestoreError::new("it lies in something that is no directory of its file system"));
        }
        let name: Arc<[u8]> = Arc::from(name.into_vec());
        let dentry = Dentry::with_id(id, sb, inode, parent.clone(), Arc::clone(&name));
        dentry.deleted.store(deleted, Ordering::Relaxed);
        dentry.last_link.store(last_link, Ordering::Relaxed);
        dentry.linkable.store(linkable, Ordering::Relaxed);
        if let Some(parent) = parent.filter(|_| !deleted && !stale) {
            parent.put_restored(name, &dentry)?;
        }
        Ok(dentry)
    }
}

impl Dentry {
    /// Whether look-ups find another one in its place.
    fn is_stale(&self) -> bool {
        self.parent().is_some_and(|parent| {
            let found = parent.children.lock().get(&self.name()).and_then(Child::get);
            found.is_some_and(|found| !std::ptr::eq(&*found, self))
        })
    }

    /// Puts a restored entry where look-ups find it.
    fn put_restored(self: &Arc<Self>, name: Arc<[u8]>, entry: &Arc<Self>) -> Result<(), RestoreError> {
        let mut dir = self.lock();
        if dir.children.contains_key(&name) {
            return Err(RestoreError::new("its name is there twice"));
        }
        if self.sb.caches_names {
            dir.keep(name, entry);
        } else {
            dir.children.insert(name, Child::used(entry));
        }
        Ok(())
    }
}
