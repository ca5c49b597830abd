//! The saved forms of files that stand for namespaces.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{NsFile, NsInode, OnlyFile, OnlyInode};
use crate::persist::{Id, RestoreError, Restorer, Saver};
use crate::task::namespaces::Namespace;
use crate::task::persist::{PidNamespaceState, UtsState};
use crate::vfs::persist::MountNamespaceState;
use crate::vfs::{FileOps, Inode};

/// A namespace.
#[derive(Debug, Serialize, Deserialize)]
pub enum NamespaceState {
    /// Mounts.
    Mount(Id<MountNamespaceState>),
    /// Names.
    Uts(Id<UtsState>),
    /// Numbers of processes.
    Pid(Id<PidNamespaceState>),
}

impl NamespaceState {
    fn save(namespace: &Namespace, saver: &mut Saver) -> Self {
        match namespace {
            Namespace::Mount(ns) => Self::Mount(saver.id(ns)),
            Namespace::Uts(ns) => Self::Uts(saver.id(ns)),
            Namespace::Pid(ns) => Self::Pid(saver.id(ns)),
        }
    }

    fn restore(self, restorer: &mut Restorer<'_>) -> Result<Namespace, RestoreError> {
        Ok(match self {
            Self::Mount(id) => Namespace::Mount(restorer.get(id)?),
            Self::Uts(id) => Namespace::Uts(restorer.get(id)?),
            Self::Pid(id) => Namespace::Pid(restorer.get(id)?),
        })
    }
}

/// An inode.
#[derive(Debug, Serialize, Deserialize)]
pub enum NsInodeState {
    /// Of a namespace of which there is one only, its number.
    Only(u64),
    /// Of any other.
    Of(NamespaceState),
}

impl NsInodeState {
    pub(super) fn save(namespace: &Namespace, saver: &mut Saver) -> Self {
        Self::Of(NamespaceState::save(namespace, saver))
    }

    pub(crate) fn restore(self, restorer: &mut Restorer<'_>) -> Result<Arc<dyn Inode>, RestoreError> {
        Ok(match self {
            Self::Only(ino) => Arc::new(OnlyInode(ino)),
            Self::Of(namespace) => Arc::new(NsInode(namespace.restore(restorer)?)),
        })
    }
}

/// An open file.
#[derive(Debug, Serialize, Deserialize)]
pub enum NsFileState {
    /// Of a namespace of which there is one only.
    Only,
    /// Of any other.
    Of(NamespaceState),
}

impl NsFileState {
    pub(super) fn save(namespace: &Namespace, saver: &mut Saver) -> Self {
        Self::Of(NamespaceState::save(namespace, saver))
    }

    pub(crate) fn restore(self, restorer: &mut Restorer<'_>) -> Result<Arc<dyn FileOps>, RestoreError> {
        Ok(match self {
            Self::Only => Arc::new(OnlyFile),
            Self::Of(namespace) => Arc::new(NsFile(namespace.restore(restorer)?)),
        })
    }
}
