//! Open texts: made at the first read and again whenever reading begins anew, so that one reading is of one piece.

use std::sync::Arc;

use stockade_abi::Errno;
use stockade_platform::sync::Mutex;

use super::ProcFileState;
use super::inode::{Node, ProcInode, Text};
use crate::io::{Sink, Source};
use crate::persist::{Saver, Unsavable};
use crate::vfs::persist::FileOpsState;
use crate::vfs::{File, FileOps, Seek};

/// Bytes that one write may have.
const MAX_WRITE: usize = 4096;

pub(super) struct TextFile {
    pub(super) inode: Arc<ProcInode>,
    pub(super) made: Mutex<Option<Vec<u8>>>,
}

impl TextFile {
    pub(super) fn new(inode: Arc<ProcInode>) -> Self {
        Self { inode, made: Mutex::new(None) }
    }

    /// What makes it; ESRCH if what it is about was gone when the kernel was restored.
    fn text(&self) -> Result<&Text, Errno> {
        match self.inode.node() {
            Ok(Node::Text(text)) => Ok(text),
            _ => Err(Errno::ESRCH),
        }
    }
}

impl FileOps for TextFile {
    fn read(&self, _file: &File, dst: &mut dyn Sink, offset: u64) -> Result<usize, Errno> {
        let mut made = self.made.lock();
        if offset == 0 || made.is_none() {
            *made = Some((self.text()?.read)()?);
        }
        let bytes = made.as_deref().unwrap_or_default();
        match usize::try_from(offset).ok().and_then(|at| bytes.get(at..)) {
            Some(rest) if !rest.is_empty() && dst.remaining() > 0 => dst.put(rest),
            _ => Ok(0),
        }
    }

    fn write(&self, _file: &File, src: &mut dyn Source, _offset: u64) -> Result<usize, Errno> {
        let Some(write) = &self.text()?.write else { return Err(Errno::EIO) };
        let mut bytes = vec![0; src.remaining().min(MAX_WRITE)];
        let n = src.take(&mut bytes)?;
        write(&bytes[..n])?;
        Ok(n)
    }

    fn is_seekable(&self) -> bool {
        true
    }

    fn seek(&self, _file: &File, _whence: Seek, _offset: i64) -> Result<u64, Errno> {
        Err(Errno::EINVAL)
    }

    fn save(&self, saver: &mut Saver) -> Result<FileOpsState, Unsavable> {
        Ok(FileOpsState::Proc(ProcFileState::save_text(self, saver)))
    }
}
