//! The saved forms of `/sys`: paths.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Entry, Node, Open, SysFs};
use crate::persist::{Id, RestoreError, Restorer, Saver};
use crate::vfs::persist::{InodeState, restored_device};
use crate::vfs::{FileOps, Inode};

/// An inode. The processors are those that the restored kernel has.
#[derive(Debug, Serialize, Deserialize)]
pub struct SysInodeState {
    dev: u64,
    path: String,
}

impl SysInodeState {
    pub(super) fn save(node: &Node) -> Self {
        Self { dev: node.fs.dev, path: node.path.clone() }
    }

    pub(crate) fn restore(self, restorer: &mut Restorer<'_>) -> Result<Arc<dyn Inode>, RestoreError> {
        let fs = SysFs { cpus: restorer.kernel().config.cpus, dev: restored_device(self.dev)? };
        let entry = match self.path.rsplit_once('/') {
            None => self.path.is_empty().then_some(Entry::Directory),
            Some((dir, name)) => {
                let found = fs.list(dir).into_iter().find(|(entry, _)| entry == name);
                // A processor that there is no more leaves an empty directory.
                Some(found.map_or(Entry::Directory, |(_, entry)| entry))
            }
        };
        let entry = entry.ok_or_else(|| RestoreError::new("it is at no path"))?;
        Ok(Arc::new(Node { fs, path: self.path, entry }))
    }
}

/// An open file or directory.
#[derive(Debug, Serialize, Deserialize)]
pub struct SysFileState {
    inode: Id<InodeState>,
}

impl SysFileState {
    pub(super) fn save(node: &Arc<Node>, saver: &mut Saver) -> Self {
        let inode: Arc<dyn Inode> = node.clone();
        Self { inode: saver.id(&inode) }
    }

    pub(crate) fn restore(self, restorer: &mut Restorer<'_>) -> Result<Arc<dyn FileOps>, RestoreError> {
        let inode = restorer.get(self.inode)?.downcast();
        Ok(Arc::new(Open(inode.ok_or_else(|| RestoreError::new("it is nothing of /sys"))?)))
    }
}
