//! The saved forms of what file systems implement: one variant for each kind, whose fields lie beside its code.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::anon::AnonInodeState;
use super::{FileOps, Inode};
use crate::fs::epoll::EpollState;
use crate::fs::eventfd::EventFdState;
use crate::fs::host::{HostFileState, HostInodeState};
use crate::fs::pidfd::PidFdState;
use crate::fs::pipe::PipeEndState;
use crate::fs::signalfd::SignalFdState;
use crate::fs::stdio::HostStreamState;
use crate::fs::timerfd::TimerFdState;
use crate::persist::{Component, RestoreError, Restorer, Saver, Unsavable};

pub use super::context::FsContextState;
pub use super::dentry::{DentryState, SuperBlockState};
pub use super::fd_table::FdTableState;
pub use super::file::FileState;
pub use super::mount::{MountState, PathState};
pub use super::namespace::MountNamespaceState;

/// An inode, by its file system ([`Inode::save`]).
#[derive(Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "named as the kinds")]
pub enum InodeState {
    Anon(AnonInodeState),
    Host(HostInodeState),
}

impl Component for InodeState {
    type Object = Arc<dyn Inode>;

    fn save(inode: &Self::Object, saver: &mut Saver) -> Result<Self, Unsavable> {
        inode.save(saver)
    }

    fn restore(self, restorer: &mut Restorer<'_>) -> Result<Self::Object, RestoreError> {
        match self {
            Self::Anon(state) => state.restore(restorer),
            Self::Host(state) => state.restore(restorer),
        }
    }
}

/// What is behind an open file, by its kind ([`FileOps::save`]).
#[derive(Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "named as the kinds")]
pub enum FileOpsState {
    Epoll(EpollState),
    EventFd(EventFdState),
    HostFile(HostFileState),
    HostStream(HostStreamState),
    PathOnly,
    PidFd(PidFdState),
    PipeEnd(PipeEndState),
    SignalFd(SignalFdState),
    TimerFd(TimerFdState),
}

impl Component for FileOpsState {
    type Object = Arc<dyn FileOps>;

    fn save(ops: &Self::Object, saver: &mut Saver) -> Result<Self, Unsavable> {
        ops.save(saver)
    }

    fn restore(self, restorer: &mut Restorer<'_>) -> Result<Self::Object, RestoreError> {
        match self {
            Self::Epoll(state) => Ok(state.restore(restorer)),
            Self::EventFd(state) => state.restore(),
            Self::HostFile(state) => state.restore(restorer),
            Self::HostStream(state) => state.restore(restorer),
            Self::PathOnly => Ok(Arc::new(super::open::PathOnly)),
            Self::PidFd(state) => state.restore(restorer),
            Self::PipeEnd(state) => state.restore(restorer),
            Self::SignalFd(state) => Ok(state.restore(restorer)),
            Self::TimerFd(state) => state.restore(restorer),
        }
    }
}
