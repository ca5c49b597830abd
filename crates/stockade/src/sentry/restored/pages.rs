//! Pages of an image, for the kernel.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use rustix::fs::{MemfdFlags, memfd_create};
use stockade_image::{Error, Image, Run};
use stockade_sentry::persist::{PageObject, PageRun, PageSource};

/// An image, and where its pages lie as they are.
pub(super) struct Pages {
    image: Image,
    file: Arc<File>,
    /// Where in the file they begin.
    start: u64,
}

impl Pages {
    /// Compressed ones are unpacked into memory.
    pub(super) fn new(image: Image) -> Result<Self, Error> {
        let (file, start) = match image.file_offset(0) {
            Some(start) => (image.file().try_clone()?, start),
            None => {
                let memory = File::from(memfd_create("image", MemfdFlags::CLOEXEC)?);
                image.unpack(&memory, |_| {})?;
                (memory, 0)
            }
        };
        Ok(Self { image, file: Arc::new(file), start })
    }

    pub(super) fn into_image(self) -> Image {
        self.image
    }
}

impl PageSource for Pages {
    fn runs(&self, object: PageObject) -> Vec<PageRun> {
        let run = |&Run { address, length, data, .. }: &Run| PageRun { address, length, data };
        self.image.runs_of(object.number()).iter().map(run).collect()
    }

    fn file(&self, data: u64) -> Option<(Arc<File>, u64)> {
        Some((Arc::clone(&self.file), self.start.checked_add(data)?))
    }

    fn read(&mut self, data: u64, bytes: &mut [u8]) -> io::Result<()> {
        let end = self.start.checked_add(data).ok_or(io::ErrorKind::UnexpectedEof)?;
        self.file.read_exact_at(bytes, end)
    }
}
