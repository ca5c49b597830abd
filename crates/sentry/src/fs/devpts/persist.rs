//! The saved forms of `/dev/pts`.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{DevPts, OpenRoot, Ptmx, Root, Slave};
use crate::persist::{Id, RestoreError, Restorer, Saver};
use crate::tty::persist::TerminalState;
use crate::vfs::persist::{InodeState, restored_device};
use crate::vfs::{FileOps, Inode};

/// An inode.
#[derive(Debug, Serialize, Deserialize)]
pub struct DevPtsInodeState {
    dev: u64,
    kind: Kind,
}

#[derive(Debug, Serialize, Deserialize)]
enum Kind {
    Root,
    Ptmx,
    Slave(Id<TerminalState>),
}

impl DevPtsInodeState {
    pub(super) fn root(fs: &DevPts) -> Self {
        Self { dev: fs.dev, kind: Kind::Root }
    }

    pub(super) fn ptmx(fs: &DevPts) -> Self {
        Self { dev: fs.dev, kind: Kind::Ptmx }
    }

    pub(super) fn slave(slave: &Slave, saver: &mut Saver) -> Self {
        Self { dev: slave.fs.dev, kind: Kind::Slave(saver.id(&slave.terminal)) }
    }

    pub(crate) fn restore(self, restorer: &mut Restorer<'_>) -> Result<Arc<dyn Inode>, RestoreError> {
        let fs = DevPts { ttys: Arc::clone(&restorer.kernel().ttys), dev: restored_device(self.dev)? };
        Ok(match self.kind {
            Kind::Root => Arc::new(Root(fs)),
            Kind::Ptmx => Arc::new(Ptmx(fs)),
            Kind::Slave(terminal) => Arc::new(Slave { fs, terminal: restorer.get(terminal)? }),
        })
    }
}

/// The open directory.
#[derive(Debug, Serialize, Deserialize)]
pub struct DevPtsRootState {
    inode: Id<InodeState>,
}

impl DevPtsRootState {
    pub(super) fn save(root: &Arc<Root>, saver: &mut Saver) -> Self {
        let inode: Arc<dyn Inode> = root.clone();
        Self { inode: saver.id(&inode) }
    }

    pub(crate) fn restore(self, restorer: &mut Restorer<'_>) -> Result<Arc<dyn FileOps>, RestoreError> {
        let inode = restorer.get(self.inode)?.downcast();
        Ok(Arc::new(OpenRoot(inode.ok_or_else(|| RestoreError::new("it is not /dev/pts"))?)))
    }
}
