//! A saved sandbox.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use stockade_sentry::persist::{PageObject, PageRun, PageSink, PageSource};

/// Its state as bytes, and its pages: one behind the other in a file, from which they are mapped.
#[derive(Clone)]
pub(crate) struct Image {
    pub(crate) state: Vec<u8>,
    pub(crate) file: Arc<File>,
    pub(crate) runs: HashMap<PageObject, Vec<PageRun>>,
    /// Bytes in the file.
    pub(crate) data: u64,
    /// Whether pages are mapped, or else read.
    pub(crate) is_mapped: bool,
    pub(crate) buffer: Vec<u8>,
}

impl Default for Image {
    fn default() -> Self {
        let file = rustix::fs::memfd_create("image", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
        Self {
            state: Vec::new(),
            file: Arc::new(file.into()),
            runs: HashMap::new(),
            data: 0,
            is_mapped: true,
            // Small, for there to be ends of it in many places.
            buffer: vec![0xa5; 5 * 4096],
        }
    }
}

impl PageSink for Image {
    fn space(&mut self) -> io::Result<&mut [u8]> {
        Ok(&mut self.buffer)
    }

    fn fill(&mut self, object: PageObject, address: u64, length: usize) -> io::Result<()> {
        assert_eq!(length % 4096, 0);
        self.file.write_all_at(&self.buffer[..length], self.data)?;
        let run = PageRun { address, length: length as u64, data: self.data };
        self.data += length as u64;
        self.buffer.rotate_left(length);
        self.again(object, run)
    }

    fn position(&self) -> u64 {
        self.data
    }

    fn again(&mut self, object: PageObject, run: PageRun) -> io::Result<()> {
        self.runs.entry(object).or_default().push(run);
        Ok(())
    }
}

impl PageSource for Image {
    fn runs(&self, object: PageObject) -> Vec<PageRun> {
        let mut runs: Vec<PageRun> = self.runs.get(&object).cloned().unwrap_or_default();
        runs.sort_unstable_by_key(|run| run.address);
        runs
    }

    fn file(&self, data: u64) -> Option<(Arc<File>, u64)> {
        self.is_mapped.then(|| (Arc::clone(&self.file), data))
    }

    fn read(&mut self, data: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(bytes, data)
    }
}
