//! Where an image goes: a descriptor of the client's.

use std::fs::File;
use std::io;

use rustix::fs::{FileType, OFlags, SeekFrom, fcntl_getfl, fstat, ftruncate, seek};

use crate::server::{Error, Files};

/// A descriptor that an image can be written to.
#[derive(Debug)]
pub(super) struct Destination {
    file: File,
    is_regular: bool,
}

impl Destination {
    /// The one that came with a call; the first of `three`.
    pub(super) fn of(files: Files, three: bool) -> Result<Self, Error> {
        let file = match (files.0.len(), three) {
            (3, true) => Files(files.0.into_iter().take(1).collect()).exactly_one()?,
            _ => files.exactly_one()?,
        };
        let on_host =
            |e: rustix::io::Errno| Error::new(format!("the file to save to: {}", io::Error::from(e)));
        let kind = FileType::from_raw_mode(fstat(&file).map_err(on_host)?.st_mode);
        if kind == FileType::Directory {
            return Err(Error::new("the file to save to is a directory"));
        }
        let flags = fcntl_getfl(&file).map_err(on_host)?;
        let mode = flags & OFlags::RWMODE;
        if flags.contains(OFlags::PATH) || !matches!(mode, OFlags::WRONLY | OFlags::RDWR) {
            return Err(Error::new("the file to save to is not open for writing"));
        }
        let is_regular = kind == FileType::RegularFile;
        if is_regular && seek(&file, SeekFrom::Current(0)).map_err(on_host)? != 0 {
            return Err(Error::new(
                "the file to save to is not at its start, and an image has to begin there",
            ));
        }
        Ok(Self { file: file.into(), is_regular })
    }

    /// The file, with nothing in it.
    pub(super) fn begin(self) -> io::Result<File> {
        if self.is_regular && self.file.metadata()?.len() > 0 {
            ftruncate(&self.file, 0)?;
        }
        Ok(self.file)
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;

    use super::*;

    fn error(files: Vec<OwnedFd>, three: bool) -> String {
        Destination::of(Files(files), three).unwrap_err().message
    }

    fn file() -> OwnedFd {
        tempfile::tempfile().unwrap().into()
    }

    #[test]
    fn exactly_one_file_must_be_provided() {
        for (count, three) in [(0, false), (2, false), (3, false), (0, true), (2, true), (4, true)] {
            let files = (0..count).map(|_| file()).collect();
            assert_eq!(error(files, three), "exactly one file must be provided", "{count} {three}");
        }
        assert!(Destination::of(Files(vec![file()]), false).is_ok());
        assert!(Destination::of(Files(vec![file()]), true).is_ok());
        assert!(Destination::of(Files(vec![file(), file(), file()]), true).is_ok());
    }

    #[test]
    fn what_cannot_be_written_to_is_refused() {
        let directory = File::open("/").unwrap().into();
        assert_eq!(error(vec![directory], false), "the file to save to is a directory");
        let read_only = File::open("/proc/self/exe").unwrap().into();
        assert_eq!(error(vec![read_only], false), "the file to save to is not open for writing");
        let (read, write) = rustix::pipe::pipe().unwrap();
        assert_eq!(error(vec![read], false), "the file to save to is not open for writing");
        assert!(Destination::of(Files(vec![write]), false).is_ok());
        let far = file();
        seek(&far, SeekFrom::Start(1)).unwrap();
        assert!(error(vec![far], false).contains("not at its start"));
    }

    #[test]
    fn what_was_there_goes_when_something_is_written() {
        let file = file();
        ftruncate(&file, 5).unwrap();
        let again = File::from(file.try_clone().unwrap());
        let destination = Destination::of(Files(vec![file]), false).unwrap();
        assert_eq!(again.metadata().unwrap().len(), 5);
        destination.begin().unwrap();
        assert_eq!(again.metadata().unwrap().len(), 0);
    }
}
