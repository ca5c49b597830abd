//! The root of what is saved: all tables.

use serde::{Deserialize, Serialize};

use super::component::Listed;
use super::error::RestoreError;
use super::kernel::KernelInfo;
use super::restorer::Restorer;
use super::saver::Saver;
use crate::creds::Credentials;
use crate::fs::host::HostFsState;
use crate::fs::overlay::OverlayFsState;
use crate::fs::pipe::PipeState;
use crate::fs::proc::ProcFsState;
use crate::fs::stdio::DescriptorState;
use crate::fs::tmpfs::TmpFsState;
use crate::mm::persist::{MappableState, MemoryManagerState};
use crate::net::unix::persist::{CreditState, EndpointState};
use crate::signal::persist::ActionsState;
use crate::task::persist::{PidNamespaceState, TaskState, ThreadGroupState, UtsState, VforkState};
use crate::tty::persist::{TerminalState, TtyState};
use crate::vfs::persist::{
    DentryState, FdTableState, FileOpsState, FileState, FsContextState, InodeState, MountNamespaceState,
    MountState, SuperBlockState,
};

/// Declares the tables: field, saved form, and what an entry is called in errors. A new kind of object is a line here.
macro_rules! tables {
    ($($field:ident: $state:ty, $name:literal;)+) => {
        /// A kernel as plain data.
        #[derive(Debug, Serialize, Deserialize)]
        pub struct KernelState {
            /// What there is once.
            pub info: KernelInfo,
            $(#[serde(default)] pub(super) $field: Vec<$state>,)+
        }

        $(impl Listed for $state { const TABLE: &'static str = $name; })+

        impl KernelState {
            pub(super) fn collect(info: KernelInfo, saver: &mut Saver) -> Self {
                Self { info, $($field: saver.take(),)+ }
            }

            pub(super) fn hand_over(self, restorer: &mut Restorer<'_>) -> KernelInfo {
                $(restorer.add(self.$field);)+
                self.info
            }
        }
    };
}

tables! {
    credentials: Credentials, "credentials";
    uts_namespaces: UtsState, "UTS namespace";
    pid_namespaces: PidNamespaceState, "PID namespace";
    super_blocks: SuperBlockState, "file system";
    host_trees: HostFsState, "host directory";
    descriptors: DescriptorState, "descriptor of the host";
    ttys: TtyState, "controlling terminal";
    terminals: TerminalState, "terminal";
    pipes: PipeState, "pipe";
    tmp_file_systems: TmpFsState, "file system in memory";
    overlays: OverlayFsState, "overlay";
    proc_file_systems: ProcFsState, "instance of proc";
    inodes: InodeState, "inode";
    dentries: DentryState, "name";
    mounts: MountState, "mount";
    mount_namespaces: MountNamespaceState, "mount namespace";
    open_files: FileState, "open file";
    file_ops: FileOpsState, "what is open";
    socket_credits: CreditState, "buffer of a socket";
    sockets: EndpointState, "socket";
    mappables: MappableState, "mapped object";
    fd_tables: FdTableState, "FD table";
    fs_contexts: FsContextState, "FS context";
    memory_managers: MemoryManagerState, "address space";
    signal_actions: ActionsState, "signal actions";
    vforks: VforkState, "vfork";
    thread_groups: ThreadGroupState, "thread group";
    tasks: TaskState, "task";
}

impl KernelState {
    /// As bytes: CBOR, with fields and variants by name.
    ///
    /// # Errors
    /// If memory is short.
    pub fn to_bytes(&self) -> std::io::Result<Vec<u8>> {
        cbor4ii::serde::to_vec(Vec::new(), self).map_err(|e| std::io::Error::other(e.to_string()))
    }

    /// Reads it back. Only its shape is checked; what it says is, when it is restored.
    ///
    /// # Errors
    /// What is wrong with the shape.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, RestoreError> {
        cbor4ii::serde::from_slice(bytes)
            .map_err(|e| RestoreError::new(format!("the kernel's state is damaged: {e}")))
    }
}
