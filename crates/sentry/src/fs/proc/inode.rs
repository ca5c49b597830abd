//! Inodes: directories, texts and links that are made up when they are looked at.

use std::sync::Arc;

use stockade_abi::Errno;
use stockade_abi::file::Statfs;
use stockade_abi::general::PROC_SUPER_MAGIC;

use super::ProcFs;
use super::text::TextFile;
use crate::fs::listing;
pub(super) use crate::fs::listing::Listed;
use crate::io::Sink;
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
    fs: Arc<ProcFs>,
    ino: u64,
    mode: u32,
    owner: (u32, u32),
    node: Node,
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
            Node::Text(_) | Node::Opened(_) => FileType::Regular,
            Node::Link(_) | Node::Magic { .. } => FileType::Symlink,
        };
        Arc::new(Self { fs: Arc::clone(fs), ino, mode: permissions | kind.mode_bits(), owner, node })
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
        let nlink = match &self.node {
            Node::Dir(dir) => dir.nlink(),
            _ => 1,
        };
        // Links to descriptors are said to be 64 bytes long.
        let size = match &self.node {
            Node::Magic { .. } => 64,
            Node::Dir(dir) => dir.size(),
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
        match &self.node {
            Node::Dir(_) => Ok(Arc::new(OpenDir(self))),
            Node::Text(text) => {
                if let Some(gate) = &text.gate {
                    gate()?;
                }
                Ok(Arc::new(TextFile::new(Arc::clone(text))))
            }
            Node::Opened(open) => open(),
            Node::Link(_) | Node::Magic { .. } => Err(Errno::ELOOP),
        }
    }

    fn lookup(&self, name: &[u8]) -> Result<Arc<dyn Inode>, Errno> {
        match &self.node {
            Node::Dir(dir) => Ok(dir.lookup(&self.fs, name)?),
            _ => Err(Errno::ENOTDIR),
        }
    }

    fn create(&self, _name: &[u8], _node: &crate::vfs::NewNode) -> Result<Arc<dyn Inode>, Errno> {
        Err(Errno::ENOENT)
    }

    fn readlink(&self) -> Result<Vec<u8>, Errno> {
        match &self.node {
            Node::Link(words) | Node::Magic { words, .. } => words(),
            _ => Err(Errno::EINVAL),
        }
    }

    fn magic_link(&self) -> Option<Result<Path, Errno>> {
        match &self.node {
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
}

/// An open directory.
struct OpenDir(Arc<ProcInode>);

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
        let Node::Dir(dir) = &self.0.node else { return Err(Errno::ENOTDIR) };
        listing::emit(file, self.0.ino, dir.list(&self.0.fs)?, from, emit)
    }
}
