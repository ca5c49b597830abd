//! What every kind of socket can do.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use stockade_abi::Errno;
use stockade_abi::net as n;

use super::options::Options;
use super::unix::in_flight::Rights;
use crate::io::{Sink, Source};
use crate::task::Task;
use crate::vfs::File;
use crate::wait::WaitQueue;

/// What socket(2) was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kind {
    /// AF_
    pub domain: u32,
    /// SOCK_
    pub socket_type: u32,
    /// 0 if the type says it all.
    pub protocol: u32,
}

/// Who sent something, or is on the other side: numbers of the root namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credential {
    /// Process.
    pub pid: i32,
    /// Effective user.
    pub uid: u32,
    /// Effective group.
    pub gid: u32,
}

impl Credential {
    /// Nobody, as `SO_PEERCRED` says of a socket without another side.
    pub const NONE: Self = Self { pid: 0, uid: u32::MAX, gid: u32::MAX };
    /// A sender that did not say who it is, as `SCM_CREDENTIALS` says it.
    pub const UNKNOWN: Self = Self { pid: 0, uid: 65534, gid: 65534 };

    /// Who a task is.
    #[must_use]
    pub fn of(task: &Task) -> Self {
        let creds = task.creds();
        Self { pid: task.tg.tgid, uid: creds.euid.0, gid: creds.egid.0 }
    }
}

/// A message on its way out. Tried again after EAGAIN: what was taken of it is taken.
pub struct Outgoing<'a> {
    /// The bytes.
    pub src: &'a mut dyn Source,
    /// A `struct sockaddr`, if not to the other side.
    pub to: Option<&'a [u8]>,
    /// Descriptors that go with it.
    pub rights: Option<Rights>,
    /// Who the sender says it is.
    pub creds: Option<Credential>,
    /// MSG_ flags
    pub flags: u32,
    /// Set beside EAGAIN: what to wait on, if not on the socket itself.
    pub blocked_on: Option<Arc<WaitQueue>>,
}

/// What recvmsg(2) says beside the bytes.
#[derive(Default)]
pub struct Received {
    /// Bytes stored.
    pub len: usize,
    /// Bytes that the message had; more than `len` if it was cut off.
    pub full_len: usize,
    /// `struct sockaddr` of the sender, where a kind of socket tells it.
    pub from: Option<Vec<u8>>,
    /// Who sent it, if asked for by SO_PASSCRED.
    pub creds: Option<Credential>,
    /// Descriptors that came with it.
    pub files: Vec<Arc<File>>,
    /// Something else came with it that there is no place for (MSG_CTRUNC).
    pub control_is_cut: bool,
}

/// A socket. Nothing here blocks: what would says EAGAIN.
pub trait Socket: Send + Sync {
    /// What it is.
    fn kind(&self) -> Kind;

    /// Options of SOL_SOCKET.
    fn options(&self) -> &Options;

    /// Whether it has options of this level (SOL_ or IPPROTO_).
    fn has_options_of(&self, level: u32) -> bool {
        level == n::SOL_SOCKET
    }

    /// setsockopt(2), of a level that it has.
    ///
    /// # Errors
    /// EINVAL for values that are too short, ENOPROTOOPT, EDOM, EPERM.
    fn set_option(&self, level: u32, option: u32, value: &[u8], privileged: bool) -> Result<(), Errno>;

    /// getsockopt(2), of a level that it has, what does not depend on who asks.
    ///
    /// # Errors
    /// ENOPROTOOPT
    fn option(&self, level: u32, option: u32) -> Result<Vec<u8>, Errno>;

    /// bind(2); `addr` is a `struct sockaddr`.
    ///
    /// # Errors
    /// As bind(2).
    fn bind(&self, task: &Task, addr: &[u8]) -> Result<(), Errno>;

    /// listen(2)
    ///
    /// # Errors
    /// As listen(2).
    fn listen(&self, task: &Task, backlog: u32) -> Result<(), Errno>;

    /// connect(2)
    ///
    /// # Errors
    /// As connect(2); beside EAGAIN `blocked_on` is what to wait on.
    fn connect(&self, task: &Task, addr: &[u8], blocked_on: &mut Option<Arc<WaitQueue>>)
    -> Result<(), Errno>;

    /// accept(2): an open socket, and the `struct sockaddr` of the other side. `flags` may hold O_NONBLOCK.
    ///
    /// # Errors
    /// As accept(2).
    fn accept(&self, task: &Task, flags: u32) -> Result<(Arc<File>, Vec<u8>), Errno>;

    /// shutdown(2); `how` is one of SHUT_.
    ///
    /// # Errors
    /// As shutdown(2).
    fn shutdown(&self, how: u32) -> Result<(), Errno>;

    /// getsockname(2)
    ///
    /// # Errors
    /// As getsockname(2).
    fn name(&self) -> Result<Vec<u8>, Errno>;

    /// getpeername(2)
    ///
    /// # Errors
    /// ENOTCONN
    fn peer_name(&self) -> Result<Vec<u8>, Errno>;

    /// send(2)
    ///
    /// # Errors
    /// As send(2). The caller raises SIGPIPE.
    fn send(&self, task: &Task, message: &mut Outgoing<'_>) -> Result<usize, Errno>;

    /// recv(2)
    ///
    /// # Errors
    /// As recv(2).
    fn receive(&self, dst: &mut dyn Sink, flags: u32) -> Result<Received, Errno>;

    /// Whether it carries bytes without boundaries.
    fn is_stream(&self) -> bool;

    /// Whether it waits for connections (SO_ACCEPTCONN).
    fn is_listening(&self) -> bool;

    /// The pending error, which is then forgotten (SO_ERROR).
    fn take_error(&self) -> i32;

    /// Who is on the other side (SO_PEERCRED), with supplementary groups (SO_PEERGROUPS).
    fn peer_creds(&self) -> Option<(Credential, Vec<u32>)>;

    /// SO_SNDBUF: sets how much of what it sent others may leave unread, in bytes.
    fn set_send_buffer(&self, bytes: usize);

    /// SO_SNDBUF, in bytes.
    fn send_buffer(&self) -> usize;
}

/// The socket that a file is.
///
/// # Errors
/// ENOTSOCK
pub fn socket_of(file: &File) -> Result<&dyn Socket, Errno> {
    file.ops().socket().ok_or(Errno::ENOTSOCK)
}
