//! Names and open files: dentries, mounts, path walk, file descriptions, FD tables.
//!
//! A file system implements [`Inode`] for what it stores and [`FileOps`] for what is open; everything that is the same
//! for all (caching of names, permissions, mounts, the walk, offsets) is here.

pub mod anon;
pub mod attrs;
pub mod context;
pub mod dentry;
pub mod fd_table;
pub mod file;
mod file_ops;
pub mod inode;
mod kept;
pub mod lock;
pub mod mount;
pub mod namespace;
pub mod notify;
mod open;
pub mod ops;
pub mod perm;
pub mod persist;
pub mod quota;
pub mod walk;

pub use attrs::{Attrs, FileType, NewNode, NodeKind, SetAttrs, TimeSet};
pub use context::FsContext;
pub use dentry::{Dentry, SuperBlock};
pub use fd_table::{Fd, FdTable};
pub use file::File;
pub use file_ops::{DirEntry, FileOps, OWN_POSITION, Seek};
pub use inode::Inode;
pub use mount::{Mount, MountFlags, Path};
pub use namespace::{MountNamespace, Unmount};
pub use perm::Access;
pub use quota::{HOST_FDS, HostFd, OPEN_FILES};
pub use walk::{Last, LookupFlags, Parent, Walk};
