//! Names of UNIX sockets (unix(7), "Address format").

mod persist;

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use serde::{Deserialize, Serialize};
use stockade_abi::Errno;
use stockade_abi::net as n;
use stockade_platform::sync::Mutex;

pub(super) use self::persist::BoundState;

use super::endpoint::Endpoint;
use crate::task::Task;
use crate::vfs::ops::Request;
use crate::vfs::perm::{self, Access};
use crate::vfs::walk::LookupFlags;
use crate::vfs::{FileType, NodeKind, Path};

/// Bytes of `sun_path`.
const PATH_MAX: usize = 108;
/// Bytes of `sun_family`.
const FAMILY: usize = 2;

/// A name that a socket can have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Name {
    /// A path in the file system.
    Path(#[serde(with = "serde_bytes")] Vec<u8>),
    /// A name of its own, without the zero it begins with.
    Abstract(#[serde(with = "serde_bytes")] Vec<u8>),
}

impl Name {
    /// `struct sockaddr_un`, as Linux gives it.
    #[must_use]
    pub fn to_sockaddr(&self) -> Vec<u8> {
        let mut out = unnamed();
        match self {
            Self::Path(path) => {
                out.extend_from_slice(path);
                out.push(0);
            }
            Self::Abstract(name) => {
                out.push(0);
                out.extend_from_slice(name);
            }
        }
        out
    }
}

/// `struct sockaddr_un` of a socket without a name.
#[must_use]
pub fn unnamed() -> Vec<u8> {
    (n::AF_UNIX as u16).to_ne_bytes().to_vec()
}

/// What a `struct sockaddr_un` says: none for a family without a name.
///
/// # Errors
/// EINVAL
pub fn parse(addr: &[u8]) -> Result<Option<Name>, Errno> {
    let (family, path) = addr.split_at_checked(FAMILY).ok_or(Errno::EINVAL)?;
    if family != (n::AF_UNIX as u16).to_ne_bytes() || path.len() > PATH_MAX {
        return Err(Errno::EINVAL);
    }
    Ok(match path {
        [] => None,
        [0, name @ ..] => Some(Name::Abstract(name.to_vec())),
        path => Some(Name::Path(path.split(|&b| b == 0).next().unwrap_or(path).to_vec())),
    })
}

/// Whether a `struct sockaddr` is of no family, which disconnects.
#[must_use]
pub fn is_unspecified(addr: &[u8]) -> bool {
    addr.len() >= FAMILY && addr[..FAMILY] == [0, 0]
}

/// Identity of an inode: device and number, which stay while the socket holds it, but for a host's.
type InodeId = (u64, u64);

/// Type and name: Linux keeps the types apart.
type AbstractKey = (u32, Vec<u8>);

/// Who is bound to what.
#[derive(Default)]
pub struct Names {
    paths: Mutex<HashMap<InodeId, Weak<Endpoint>>>,
    abstracts: Mutex<HashMap<AbstractKey, Weak<Endpoint>>>,
}

/// The name that a socket has.
pub struct Bound {
    /// The name.
    pub name: Name,
    held: Held,
}

/// What stands for a name.
enum Held {
    /// Nothing: it is that of the listener that a connection came by, or of a socket that is closed.
    Nothing,
    /// An inode.
    Inode(InodeId, Path),
    /// An entry among the abstract names.
    Abstract,
}

impl Bound {
    /// The name of the listener that a connection came by.
    #[must_use]
    pub fn inherited(name: Name) -> Self {
        Self { name, held: Held::Nothing }
    }
}

fn request<'a>(task: &Task, creds: &'a crate::creds::Credentials) -> Request<'a> {
    let fs = task.fs();
    Request { root: fs.root(), start: fs.cwd(), creds, umask: fs.umask() }
}

fn inode_id(path: &Path) -> Result<InodeId, Errno> {
    let attrs = path.dentry.inode.attrs()?;
    Ok((attrs.dev, attrs.ino))
}

impl Names {
    /// Gives a socket a name.
    ///
    /// # Errors
    /// EADDRINUSE, and those of mknod(2).
    pub fn bind(&self, task: &Task, endpoint: &Arc<Endpoint>, name: Name) -> Result<Bound, Errno> {
        match name {
            Name::Abstract(bytes) => {
                let mut names = self.abstracts.lock();
                let key = (endpoint.kind().socket_type, bytes);
                if names.get(&key).is_some_and(|e| e.strong_count() > 0) {
                    return Err(Errno::EADDRINUSE);
                }
                names.insert(key.clone(), Arc::downgrade(endpoint));
                Ok(Bound { name: Name::Abstract(key.1), held: Held::Abstract })
            }
            Name::Path(path) => {
                let creds = task.creds();
                let made =
                    request(task, &creds).make(&path, NodeKind::Socket, 0o777).map_err(|e| match e {
                        Errno::EEXIST => Errno::EADDRINUSE,
                        e => e,
                    })?;
                let id = inode_id(&made)?;
                self.paths.lock().insert(id, Arc::downgrade(endpoint));
                Ok(Bound { name: Name::Path(path), held: Held::Inode(id, made) })
            }
        }
    }

    /// Gives a socket an abstract name that nobody has: five hexadecimal digits.
    ///
    /// # Errors
    /// ENOSPC if there is none.
    pub fn bind_to_any(&self, endpoint: &Arc<Endpoint>) -> Result<Bound, Errno> {
        let mut names = self.abstracts.lock();
        let socket_type = endpoint.kind().socket_type;
        let first = u32::from_ne_bytes(
            crate::task::kernel::random_bytes().first_chunk().copied().unwrap_or_default(),
        );
        for i in 0..=0xf_ffffu32 {
            let bytes = format!("{:05x}", first.wrapping_add(i) & 0xf_ffff).into_bytes();
            let key = (socket_type, bytes);
            if names.get(&key).is_none_or(|e| e.strong_count() == 0) {
                names.insert(key.clone(), Arc::downgrade(endpoint));
                return Ok(Bound { name: Name::Abstract(key.1), held: Held::Abstract });
            }
        }
        Err(Errno::ENOSPC)
    }

    /// Nobody finds a socket by its name any more.
    pub fn release(&self, endpoint: &Endpoint, bound: &mut Bound) {
        let socket_type = endpoint.kind().socket_type;
        match (std::mem::replace(&mut bound.held, Held::Nothing), &bound.name) {
            (Held::Inode(id, _), _) => {
                let mut paths = self.paths.lock();
                // A host gives the number of a file that was removed to another one.
                if paths.get(&id).is_some_and(|holder| std::ptr::eq(holder.as_ptr(), endpoint)) {
                    paths.remove(&id);
                }
            }
            (Held::Abstract, Name::Abstract(bytes)) => {
                self.abstracts.lock().remove(&(socket_type, bytes.clone()));
            }
            _ => {}
        }
    }

    /// The socket with a name, for one that sends to it or connects.
    ///
    /// # Errors
    /// ECONNREFUSED, EPROTOTYPE, EACCES, and those of a path walk.
    pub fn find(&self, task: &Task, name: &Name, socket_type: u32) -> Result<Arc<Endpoint>, Errno> {
        let found = match name {
            Name::Abstract(bytes) => {
                self.abstracts.lock().get(&(socket_type, bytes.clone())).and_then(Weak::upgrade)
            }
            Name::Path(path) => {
                let creds = task.creds();
                let place = request(task, &creds).walk(LookupFlags::FOLLOW).resolve(path)?;
                let attrs = place.dentry.inode.attrs()?;
                perm::check(&attrs, &creds, Access::WRITE)?;
                if attrs.file_type() != FileType::Socket {
                    return Err(Errno::ECONNREFUSED);
                }
                self.paths.lock().get(&(attrs.dev, attrs.ino)).and_then(Weak::upgrade)
            }
        };
        let found = found.ok_or(Errno::ECONNREFUSED)?;
        if found.kind().socket_type == socket_type { Ok(found) } else { Err(Errno::EPROTOTYPE) }
    }
}

/// Most descriptors of one message (`SCM_MAX_FD`).
pub const MAX_RIGHTS: usize = 253;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_linux_reads_them() {
        let addr = |path: &[u8]| [&1u16.to_ne_bytes()[..], path].concat();
        assert_eq!(parse(&addr(b"")), Ok(None));
        assert_eq!(parse(&addr(b"a\0junk")), Ok(Some(Name::Path(b"a".to_vec()))));
        assert_eq!(parse(&addr(b"\0a\0b")), Ok(Some(Name::Abstract(b"a\0b".to_vec()))));
        assert_eq!(parse(&addr(&[b'x'; 109])), Err(Errno::EINVAL));
        assert_eq!(parse(&[1]), Err(Errno::EINVAL));
        assert_eq!(parse(&[2, 0, 1]), Err(Errno::EINVAL));
        assert_eq!(Name::Path(b"s".to_vec()).to_sockaddr(), addr(b"s\0"));
    }
}
