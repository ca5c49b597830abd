//! Open texts: made at the first read and again whenever reading begins anew, so that one reading is of one piece.

use std::sync::Arc;

use stockade_abi::Errno;
use stockade_platform::sync::Mutex;

use super::inode::Text;
use crate::io::{Sink, Source};
use crate::vfs::{File, FileOps, Seek};

/// Bytes that one write may have.
const MAX_WRITE: usize = 4096;

pub(super) struct TextFile {
    text: Arc<Text>,
    made: Mutex<Option<Vec<u8>>>,
}

impl TextFile {
    pub(super) fn new(text: Arc<Text>) -> Self {
        Self { text, made: Mutex::new(None) }
    }
}

impl FileOps for TextFile {
    fn read(&self, _file: &File, dst: &mut dyn Sink, offset: u64) -> Result<usize, Errno> {
        let mut made = self.made.lock();
        if offset == 0 || made.is_none() {
            *made = Some((self.text.read)()?);
        }
        let bytes = made.as_deref().unwrap_or_default();
        match usize::try_from(offset).ok().and_then(|at| bytes.get(at..)) {
            Some(rest) if !rest.is_empty() && dst.remaining() > 0 => dst.put(rest),
            _ => Ok(0),
        }
    }

    fn write(&self, _file: &File, src: &mut dyn Source, _offset: u64) -> Result<usize, Errno> {
        let Some(write) = &self.text.write else { return Err(Errno::EIO) };
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
}
