//! Inodes: directories, texts and links that are made up when they are looked at.

use std::sync::{Arc, OnceLock};

use stockade_abi::Errno;
use stockade_abi::file::Statfs;
use stockade_abi::general::PROC_SUPER_MAGIC;

use super::text::TextFile;
use super::{ProcFileState, ProcFs, ProcInodeState};
use crate::fs::listing;
pub(super) use crate::fs::listing::Listed;
use crate::io::Sink;
use crate::persist::{Saver, Unsavable};
use crate::vfs::persist::{FileOpsState, InodeState};
use crate::vfs::{Attrs, DirEntry, File, FileOps, FileType, Inode, Path, Seek, SetAttrs};

/// A directory.
pub(super) trait Directory: Send + Sync {
    /// An entry.
    fn lookup(&self, fs: &Arc<ProcFs>, name: &[u8]) -> Result<Arc<ProcInode>, Errno>;

    /// All entries that are listed.
    fn list(&self, fs: &Arc<ProcFs>) -> Result<Vec<Listed>, Errno>;

    /// The size that stat(2) shows.
    fn size(&self) -> u64 {
        0
    }

    /// Links that stat(2) shows.
    fn nlink(&self) -> u32 {
        2
    }
}

/// Makes a text.
pub(super) type Reader = Box<dyn Fn() -> Result<Vec<u8>, Errno> + Send + Sync>;
/// Takes what is written at an offset.
pub(super) type Writer = Box<dyn Fn(&[u8]) -> Result<(), Errno> + Send + Sync>;

/// What an inode is.
pub(super) enum Node {
    /// A directory.
    Dir(Box<dyn Directory>),
    /// A text, made when it is read from the beginning.
    Text(Arc<Text>),
    /// A link with a target in words.
    Link(Reader),
    /// A link that leads to the thing itself.
    Magic {
        /// How it reads.
        words: Reader,
        /// Where it leads.
        place: Box<dyn Fn() -> Result<Path, Errno> + Send + Sync>,
    },
    /// Something that is opened in its own way.
    Opened(Box<dyn Fn() -> Result<Arc<dyn FileOps>, Errno> + Send + Sync>),
    /// What was saved: looked up by its path when it is used.
    Saved(OnceLock<Arc<ProcInode>>),
}

/// A text file.
pub(super) struct Text {
    /// Makes it.
    pub(super) read: Reader,
    /// Takes writes, if it does.
    pub(super) write: Option<Writer>,
    /// Says at open(2) whether the caller may.
    pub(super) gate: Option<Box<dyn Fn() -> Result<(), Errno> + Send + Sync>>,
}

/// An inode.
pub(super) struct ProcInode {
    pub(super) fs: Arc<ProcFs>,
    pub(super) ino: u64,
    pub(super) mode: u32,
    pub(super) owner: (u32, u32),
    pub(super) node: Node,
    /// Names from the root on.
    pub(super) path: Vec<u8>,
}

impl ProcInode {
    pub(super) fn new(fs: &Arc<ProcFs>, ino: u64, permissions: u32, node: Node) -> Arc<Self> {
        Self::owned(fs, ino, permissions, (0, 0), node)
    }

    pub(super) fn owned(
        fs: &Arc<ProcFs>,
        ino: u64,
        permissions: u32,
        owner: (u32, u32),
        node: Node,
    ) -> Arc<Self> {
        let kind = match node {
            Node::Dir(_) => FileType::Directory,
            Node::Text(_) | Node::Opened(_) | Node::Saved(_) => FileType::Regular,
            Node::Link(_) | Node::Magic { .. } => FileType::Symlink,
        };
        let (fs, mode) = (Arc::clone(fs), permissions | kind.mode_bits());
        Arc::new(Self { fs, ino, mode, owner, node, path: Vec::new() })
    }

    /// What it is.
    ///
    /// # Errors
    /// ENOENT for what was saved and is gone.
    pub(super) fn node(&self) -> Result<&Node, Errno> {
        let Node::Saved(found) = &self.node else { return Ok(&self.node) };
        if let Some(found) = found.get() {
            return Ok(&found.node);
        }
        let now = self.fs.find(&self.path, self.mode).ok_or(Errno::ENOENT)?;
        Ok(&found.get_or_init(|| now).node)
    }

    /// An entry of a directory, which this is.
    pub(super) fn entry(&self, dir: &dyn Directory, name: &[u8]) -> Result<Arc<Self>, Errno> {
        let mut entry = dir.lookup(&self.fs, name)?;
        // Nobody else has it yet.
        if let Some(entry) = Arc::get_mut(&mut entry) {
            entry.path = [&self.path[..], b"/", name].concat();
        }
        Ok(entry)
    }

    /// A text that nobody writes.
    pub(super) fn text(
        fs: &Arc<ProcFs>,
        ino: u64,
        read: impl Fn() -> Result<Vec<u8>, Errno> + Send + Sync + 'static,
    ) -> Arc<Self> {
        let text = Text { read: Box::new(read), write: None, gate: None };
        Self::new(fs, ino, 0o444, Node::Text(Arc::new(text)))
    }

    /// A link in words.
    pub(super) fn link(
        fs: &Arc<ProcFs>,
        ino: u64,
        words: impl Fn() -> Result<Vec<u8>, Errno> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Self::new(fs, ino, 0o777, Node::Link(Box::new(words)))
    }
}

impl Inode for ProcInode {
    fn file_type(&self) -> FileType {
        FileType::from_mode(self.mode)
    }

    fn attrs(&self) -> Result<Attrs, Errno> {
        let now = crate::time::clock::now_coarse();
        let node = self.node().ok();
        let nlink = match node {
            Some(Node::Dir(dir)) => dir.nlink(),
            _ => 1,
        };
        // Links to descriptors are said to be 64 bytes long.
        let size = match node {
            Some(Node::Magic { .. }) => 64,
            Some(Node::Dir(dir)) => dir.size(),
            _ => 0,
        };
        Ok(Attrs {
            dev: self.fs.dev,
            ino: self.ino,
            mode: self.mode,
            nlink,
            uid: self.owner.0,
            gid: self.owner.1,
            size,
            blksize: 1024,
            atime: now,
            mtime: now,
            ctime: now,
            ..Attrs::default()
        })
    }

    fn set_attrs(&self, set: &SetAttrs) -> Result<(), Errno> {
        // Truncation is what shells do before they write; it changes nothing.
        if *set == (SetAttrs { size: set.size, ..SetAttrs::default() }) { Ok(()) } else { Err(Errno::EPERM) }
    }

    fn open(self: Arc<Self>, _flags: u32) -> Result<Arc<dyn FileOps>, Errno> {
        match self.node()? {
            Node::Dir(_) => Ok(Arc::new(OpenDir(self))),
            Node::Text(text) => {
                if let Some(gate) = &text.gate {
                    gate()?;
                }
                Ok(Arc::new(TextFile::new(self)))
            }
            Node::Opened(open) => open(),
            Node::Link(_) | Node::Magic { .. } | Node::Saved(_) => Err(Errno::ELOOP),
        }
    }

    fn lookup(&self, name: &[u8]) -> Result<Arc<dyn Inode>, Errno> {
        match self.node()? {
            Node::Dir(dir) => Ok(self.entry(dir.as_ref(), name)?),
            _ => Err(Errno::ENOTDIR),
        }
    }

    fn create(&self, _name: &[u8], _node: &crate::vfs::NewNode) -> Result<Arc<dyn Inode>, Errno> {
        Err(Errno::ENOENT)
    }

    fn readlink(&self) -> Result<Vec<u8>, Errno> {
        match self.node()? {
            Node::Link(words) | Node::Magic { words, .. } => words(),
            _ => Err(Errno::EINVAL),
        }
    }

    fn magic_link(&self) -> Option<Result<Path, Errno>> {
        match self.node().ok()? {
            Node::Magic { place, .. } => Some(place()),
            _ => None,
        }
    }

    fn statfs(&self) -> Result<Statfs, Errno> {
        Ok(Statfs {
            kind: i64::from(PROC_SUPER_MAGIC),
            bsize: 4096,
            namelen: 255,
            frsize: 4096,
            flags: 0x20,
            ..Statfs::default()
        })
    }

    fn save(&self, saver: &mut Saver) -> Result<InodeState, Unsavable> {
        Ok(InodeState::Proc(ProcInodeState::save(self, saver)))
    }
}

/// An open directory.
pub(super) struct OpenDir(pub(super) Arc<ProcInode>);

impl FileOps for OpenDir {
    fn read(&self, _file: &File, _dst: &mut dyn Sink, _offset: u64) -> Result<usize, Errno> {
        Err(Errno::EISDIR)
    }

    fn is_seekable(&self) -> bool {
        true
    }

    fn seek(&self, _file: &File, _whence: Seek, _offset: i64) -> Result<u64, Errno> {
        Err(Errno::EINVAL)
    }

    fn iterate(
        &self,
        file: &File,
        from: u64,
        emit: &mut dyn FnMut(DirEntry<'_>) -> bool,
    ) -> Result<u64, Errno> {
        let Node::Dir(dir) = self.0.node()? else { return Err(Errno::ENOTDIR) };
        listing::emit(file, self.0.ino, dir.list(&self.0.fs)?, from, emit)
    }

    fn save(&self, saver: &mut Saver) -> Result<FileOpsState, Unsavable> {
        Ok(FileOpsState::Proc(ProcFileState::save_dir(&self.0, saver)))
    }
}
