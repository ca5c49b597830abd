//! The saved form of inherited descriptors: which they were.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use stockade_abi::Errno;

use super::Inherited;
use super::attrs_of;
use super::reopened::{Reopened, mappable};
use super::stream::HostStream;
use super::watch::Watched;
use crate::mm::Mappable;
use crate::persist::{Component, Id, RestoreError, Restorer, Saver, Unsavable};
use crate::vfs::anon::Reopen;
use crate::vfs::{Attrs, FileOps, FileType};

/// A descriptor of the host.
#[derive(Debug, Serialize, Deserialize)]
pub struct InheritedState {
    /// The number that it was inherited under, negative for what nothing can take the place of.
    number: i32,
}

impl Component for InheritedState {
    type Object = Arc<Watched>;

    fn save(fd: &Self::Object, _saver: &mut Saver) -> Result<Self, Unsavable> {
        Ok(Self { number: fd.number })
    }

    fn restore(self, restorer: &mut Restorer<'_>) -> Result<Self::Object, RestoreError> {
        let given = if self.number < 0 { None } else { restorer.host.stream(self.number) };
        let fd = match given {
            Some(fd) => fd,
            // Nothing to read, and what is written goes nowhere.
            None => std::fs::File::options()
                .read(true)
                .write(true)
                .open("/dev/null")
                .map_err(|e| RestoreError::refused("/dev/null", Errno::from(e)))?
                .into(),
        };
        Ok(Watched::new(self.number, fd))
    }
}

/// What is open of it.
#[derive(Debug, Serialize, Deserialize)]
pub struct HostStreamState {
    fd: Id<InheritedState>,
    /// What fstat(2) said of it.
    attrs: Attrs,
}

impl HostStreamState {
    pub(super) fn save(fd: &Arc<Watched>, attrs: &Attrs, saver: &mut Saver) -> Self {
        let size = attrs_of(&**fd).map_or(attrs.size, |now| now.size);
        Self { fd: saver.id(fd), attrs: Attrs { size, ..*attrs } }
    }

    /// The descriptor that takes its place, and its attributes: it stays the file that it was.
    fn get(&self, restorer: &mut Restorer<'_>) -> Result<(Arc<Watched>, Attrs), RestoreError> {
        let fd = restorer.get(self.fd)?;
        let attrs = attrs_of(&*fd).map_err(|e| RestoreError::refused("a standard stream", e))?;
        Ok((fd, Attrs { dev: self.attrs.dev, ino: self.attrs.ino, ..attrs }))
    }

    pub(crate) fn restore(self, restorer: &mut Restorer<'_>) -> Result<Arc<dyn FileOps>, RestoreError> {
        let (fd, attrs) = self.get(restorer)?;
        Ok(Arc::new(HostStream::new(fd, attrs, None)))
    }

    /// What was opened anew, with an offset of its own.
    pub(crate) fn restore_reopened(
        self,
        restorer: &mut Restorer<'_>,
    ) -> Result<Arc<dyn FileOps>, RestoreError> {
        let (fd, attrs) = self.get(restorer)?;
        match attrs.file_type() {
            FileType::Regular => Ok(Arc::new(Reopened { fd, attrs })),
            _ => Ok(Arc::new(HostStream::new(fd, attrs, None))),
        }
    }

    /// What opens it anew.
    pub(crate) fn restore_opener(
        self,
        access: u32,
        restorer: &mut Restorer<'_>,
    ) -> Result<Box<dyn Reopen>, RestoreError> {
        let (fd, attrs) = self.get(restorer)?;
        Ok(Box::new(Inherited { fd, attrs, access }))
    }

    /// What is mapped of it, which has to be what it was.
    pub(crate) fn restore_mapped(
        self,
        restorer: &mut Restorer<'_>,
    ) -> Result<Arc<dyn Mappable>, RestoreError> {
        let (fd, attrs) = self.get(restorer)?;
        if attrs.file_type() != FileType::Regular || attrs.size != self.attrs.size {
            return Err(RestoreError::new(format!(
                "descriptor {} was mapped, and what takes its place is not the same file",
                fd.number
            )));
        }
        mappable(&fd, &attrs).map_err(|e| RestoreError::refused("a mapped standard stream", e))
    }
}
