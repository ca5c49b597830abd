//! The saved forms of what file systems implement: one variant for each kind, whose fields lie beside its code.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::anon::AnonInodeState;
use super::{FileOps, Inode};
use crate::fs::dev::Device;
use crate::fs::devpts::{DevPtsInodeState, DevPtsRootState};
use crate::fs::epoll::EpollState;
use crate::fs::eventfd::EventFdState;
use crate::fs::host::{HostDirState, HostFileState, HostInodeState};
use crate::fs::inotify::InotifyState;
use crate::fs::nsfs::{NsFileState, NsInodeState};
use crate::fs::overlay::{OverlayFileState, OverlayInodeState};
use crate::fs::pidfd::PidFdState;
use crate::fs::pipe::PipeEndState;
use crate::fs::proc::{ProcFileState, ProcInodeState};
use crate::fs::signalfd::SignalFdState;
use crate::fs::stdio::HostStreamState;
use crate::fs::sys::{SysFileState, SysInodeState};
use crate::fs::timerfd::TimerFdState;
use crate::fs::tmpfs::{TmpFileState, TmpInodeState};
use crate::net::unix::persist::UnixSocketState;
use crate::persist::{Component, Id, RestoreError, Restorer, Saver, Unsavable};
use crate::tty::persist::{PtyMasterState, PtySlaveState};

pub use super::context::FsContextState;
pub(crate) use super::dentry::restored_device;
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
    DevPts(DevPtsInodeState),
    Host(HostInodeState),
    Ns(NsInodeState),
    Overlay(OverlayInodeState),
    Proc(ProcInodeState),
    Sys(SysInodeState),
    Tmp(TmpInodeState),
}

impl Component for InodeState {
    type Object = Arc<dyn Inode>;

    fn save(inode: &Self::Object, saver: &mut Saver) -> Result<Self, Unsavable> {
        inode.save(saver)
    }

    fn restore(self, restorer: &mut Restorer<'_>) -> Result<Self::Object, RestoreError> {
        match self {
            Self::Anon(state) => state.restore(restorer),
            Self::DevPts(state) => state.restore(restorer),
            Self::Host(state) => state.restore(restorer),
            Self::Ns(state) => state.restore(restorer),
            Self::Overlay(state) => state.restore(restorer),
            Self::Proc(state) => state.restore(restorer),
            Self::Sys(state) => state.restore(restorer),
            Self::Tmp(state) => state.restore(restorer),
        }
    }
}

/// Makes all names, and before them the inodes that know where they lie: each after the directory above it, however deep
/// they are.
///
/// # Errors
/// Names and directories that lie in themselves, and what is wrong with one of them.
pub(crate) fn make_trees(restorer: &mut Restorer<'_>) -> Result<(), RestoreError> {
    check_directories(restorer)?;
    restorer.line_up::<InodeState>(|state| match state {
        InodeState::Host(state) => state.place.as_ref().map(|(dir, _)| *dir),
        _ => None,
    })?;
    restorer.line_up::<InodeState>(|state| match state {
        InodeState::Overlay(state) => state.place.as_ref().map(|(dir, _)| *dir),
        _ => None,
    })?;
    restorer.line_up::<DentryState>(DentryState::parent)?;
    Ok(())
}

/// Directories in memory hold what is in them: none may be in two, or in itself.
fn check_directories(restorer: &mut Restorer<'_>) -> Result<(), RestoreError> {
    let states: Vec<Option<&TmpInodeState>> = restorer
        .waiting::<InodeState>()
        .map(|state| match state {
            Some(InodeState::Tmp(state)) if state.is_dir() => Some(state),
            _ => None,
        })
        .collect();
    let mut above: Vec<Option<usize>> = vec![None; states.len()];
    for (index, state) in states.iter().enumerate() {
        for entry in state.iter().flat_map(|state| state.entries()).map(Id::index) {
            let is_dir = states.get(entry).is_some_and(Option::is_some);
            if is_dir && above.get_mut(entry).is_none_or(|above| above.replace(index).is_some()) {
                return Err(RestoreError::new("a directory is in two directories"));
            }
        }
    }
    // From each, up to what is known to lead to a root.
    let mut seen = vec![0; states.len()];
    for start in 0..states.len() {
        let mut at = Some(start);
        while let Some(index) = at {
            match seen.get_mut(index) {
                Some(seen) if *seen == 0 => *seen = start + 1,
                Some(seen) if *seen == start + 1 => {
                    return Err(RestoreError::new("a directory lies in itself"));
                }
                _ => break,
            }
            at = above.get(index).copied().flatten();
        }
    }
    Ok(())
}

/// What is behind an open file, by its kind ([`FileOps::save`]).
#[derive(Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "named as the kinds")]
pub enum FileOpsState {
    Epoll(EpollState),
    EventFd(EventFdState),
    Device(Device),
    DevPtsRoot(DevPtsRootState),
    HostDir(HostDirState),
    HostFile(HostFileState),
    HostStream(HostStreamState),
    Ns(NsFileState),
    Overlay(OverlayFileState),
    Inotify(InotifyState),
    PathOnly,
    PidFd(PidFdState),
    PipeEnd(PipeEndState),
    PtyMaster(PtyMasterState),
    PtySlave(PtySlaveState),
    SignalFd(SignalFdState),
    TimerFd(TimerFdState),
    Proc(ProcFileState),
    Sys(SysFileState),
    Tmp(TmpFileState),
    UnixSocket(UnixSocketState),
}

impl Component for FileOpsState {
    type Object = Arc<dyn FileOps>;

    fn save(ops: &Self::Object, saver: &mut Saver) -> Result<Self, Unsavable> {
        ops.save(saver).or_else(|problem| {
            saver.close(problem)?;
            Ok(Self::HostStream(HostStreamState::closed(saver)))
        })
    }

    fn restore(self, restorer: &mut Restorer<'_>) -> Result<Self::Object, RestoreError> {
        match self {
            Self::Epoll(state) => Ok(state.restore(restorer)),
            Self::EventFd(state) => state.restore(),
            Self::Device(device) => Ok(Arc::new(device)),
            Self::DevPtsRoot(state) => state.restore(restorer),
            Self::HostDir(state) => state.restore(restorer),
            Self::HostFile(state) => state.restore(restorer),
            Self::HostStream(state) => state.restore(restorer),
            Self::Ns(state) => state.restore(restorer),
            Self::Overlay(state) => state.restore(restorer),
            Self::Inotify(state) => state.restore(restorer),
            Self::PathOnly => Ok(Arc::new(super::open::PathOnly)),
            Self::PidFd(state) => state.restore(restorer),
            Self::PipeEnd(state) => state.restore(restorer),
            Self::PtyMaster(state) => state.restore(restorer),
            Self::PtySlave(state) => state.restore(restorer),
            Self::SignalFd(state) => Ok(state.restore(restorer)),
            Self::TimerFd(state) => state.restore(restorer),
            Self::Proc(state) => state.restore(restorer),
            Self::Sys(state) => state.restore(restorer),
            Self::Tmp(state) => state.restore(restorer),
            Self::UnixSocket(state) => state.restore(restorer),
        }
    }
}
