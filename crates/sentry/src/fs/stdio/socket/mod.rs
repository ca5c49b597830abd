//! Sockets of the host, as sockets: what a guest does with one that it was passed reaches the side that it is connected
//! with, and nobody else. It cannot be bound or connected to another, no message names where it goes, and no descriptors
//! go or come with one.

mod address;
mod options;
mod transfer;

use std::os::fd::AsFd;
use std::sync::{Arc, Once};
use std::time::Duration;

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use rustix::event::epoll::EventFlags;
use rustix::fs::OFlags;
use rustix::net::{self, Shutdown, SocketFlags, sockopt};
use stockade_abi::Errno;
use stockade_abi::general as c;
use stockade_abi::ioctl as io;
use stockade_abi::net as n;

use self::address::{to_sockaddr, unnamed};
use super::descriptor::Descriptor;
use super::persist::{HostStreamState, StreamKind};
use super::stream::readiness;
use super::watch::Watched;
use super::{access_mode, host, open_counted};
use crate::io::{Sink, Source};
use crate::mm::{MemoryManager, UserMemory};
use crate::net::{Credential, Kind, Options, Outgoing, Received, Socket};
use crate::persist::{Saver, Unsavable};
use crate::task::{Task, current};
use crate::vfs::persist::FileOpsState;
use crate::vfs::{Attrs, File, FileOps};
use crate::wait::{Readiness, WaitQueue};

/// What there is to know of a descriptor that is a socket.
pub(super) struct SocketInfo {
    pub(super) kind: Kind,
    /// Those that the sentry keeps: timeouts.
    pub(super) options: Options,
}

impl SocketInfo {
    /// Of a descriptor; none if it is no socket, or one of a kind that guests cannot use as one.
    pub(super) fn of(fd: impl AsFd) -> Option<Self> {
        Some(Self { kind: options::kind_of(fd)?, options: Options::default() })
    }
}

/// A socket of the host.
pub(super) struct HostSocket {
    of: Arc<Descriptor>,
    /// None once it is gone, as nothing took its place at a restore: its other side has hung up.
    fd: Option<Arc<Watched>>,
    info: Arc<SocketInfo>,
    queue: Arc<WaitQueue>,
}

impl HostSocket {
    pub(super) fn new(of: &Arc<Descriptor>, info: &Arc<SocketInfo>) -> Self {
        let fd = of.fd.clone();
        let queue = fd.as_ref().map_or_else(Arc::default, |fd| Arc::clone(&fd.queue));
        Self { of: Arc::clone(of), fd, info: Arc::clone(info), queue }
    }

    fn described(&self) -> String {
        format!("socket:[{}]", self.of.attrs.ino)
    }

    /// It, if it is still there.
    fn alive(&self) -> Result<&Arc<Watched>, Errno> {
        self.fd.as_ref().ok_or(Errno::ENOTCONN)
    }
}

impl Socket for HostSocket {
    fn kind(&self) -> Kind {
        self.info.kind
    }

    fn options(&self) -> &Options {
        &self.info.options
    }

    fn has_options_of(&self, level: u32) -> bool {
        level == n::SOL_SOCKET || self.info.kind.domain != n::AF_UNIX
    }

    fn set_option(&self, level: u32, option: u32, value: &[u8], _privileged: bool) -> Result<(), Errno> {
        options::set(self, level, option, value)
    }

    fn option(&self, level: u32, option: u32) -> Result<Vec<u8>, Errno> {
        options::get(self, level, option)
    }

    /// Its names are its owner's to give.
    fn bind(&self, _task: &Task, _addr: &[u8]) -> Result<(), Errno> {
        Err(Errno::EACCES)
    }

    /// Of one that listens, the backlog.
    fn listen(&self, _task: &Task, backlog: u32) -> Result<(), Errno> {
        if !self.is_listening() {
            return Err(Errno::EOPNOTSUPP);
        }
        net::listen(self.alive()?, i32::try_from(backlog).unwrap_or(i32::MAX)).map_err(host)
    }

    fn connect(&self, _task: &Task, _addr: &[u8], _: &mut Option<Arc<WaitQueue>>) -> Result<(), Errno> {
        Err(if self.peer_name().is_ok() { Errno::EISCONN } else { Errno::EPERM })
    }

    /// Only where the host surely does not wait: O_NONBLOCK is its owner's to set.
    fn accept(&self, _task: &Task, flags: u32) -> Result<(Arc<File>, Vec<u8>), Errno> {
        let fd = self.fd.as_ref().ok_or(Errno::EINVAL)?;
        if !self.is_listening() {
            return Err(if self.is_stream() { Errno::EINVAL } else { Errno::EOPNOTSUPP });
        }
        if !rustix::fs::fcntl_getfl(fd).is_ok_and(|now| now.contains(OFlags::NONBLOCK)) {
            static ONCE: Once = Once::new();
            ONCE.call_once(|| tracing::warn!(
                "accept(2) on a socket of the host that is not O_NONBLOCK: answered with EOPNOTSUPP; set it before it is passed"
            ));
            return Err(Errno::EOPNOTSUPP);
        }
        let (accepted, from) = match net::acceptfrom_with(fd, SocketFlags::CLOEXEC) {
            Ok(accepted) => accepted,
            Err(rustix::io::Errno::AGAIN) => {
                fd.want(EventFlags::IN);
                return Err(Errno::EAGAIN);
            }
            Err(e) => return Err(host(e)),
        };
        let access = access_mode(&accepted) | flags & c::O_NONBLOCK;
        let from = from.map_or_else(|| unnamed(self.info.kind.domain), to_sockaddr);
        Ok((open_counted(accepted, access)?, from))
    }

    fn shutdown(&self, how: u32) -> Result<(), Errno> {
        let how = match how {
            n::SHUT_RD => Shutdown::Read,
            n::SHUT_WR => Shutdown::Write,
            n::SHUT_RDWR => Shutdown::Both,
            _ => return Err(Errno::EINVAL),
        };
        net::shutdown(self.alive()?, how).map_err(host)
    }

    fn name(&self) -> Result<Vec<u8>, Errno> {
        match &self.fd {
            Some(fd) => net::getsockname(fd).map(to_sockaddr).map_err(host),
            None => Ok(unnamed(self.info.kind.domain)),
        }
    }

    fn peer_name(&self) -> Result<Vec<u8>, Errno> {
        let name = net::getpeername(self.alive()?).map_err(host)?;
        Ok(name.map_or_else(|| unnamed(self.info.kind.domain), to_sockaddr))
    }

    fn send(&self, task: &Task, message: &mut Outgoing<'_>) -> Result<usize, Errno> {
        self.send_some(Some(task), message)
    }

    fn receive(&self, dst: &mut dyn Sink, flags: u32) -> Result<Received, Errno> {
        self.receive_some(dst, flags)
    }

    fn is_stream(&self) -> bool {
        self.info.kind.socket_type == n::SOCK_STREAM
    }

    fn is_listening(&self) -> bool {
        self.fd.as_ref().is_some_and(|fd| sockopt::socket_acceptconn(fd).unwrap_or(false))
    }

    fn take_error(&self) -> i32 {
        let Some(fd) = &self.fd else { return 0 };
        match sockopt::socket_error(fd) {
            Ok(Err(pending)) => pending.raw_os_error(),
            _ => 0,
        }
    }

    /// By the host's numbers, as of its files; its processes have none here.
    fn peer_creds(&self) -> Option<(Credential, Vec<u32>)> {
        let peer = getsockopt(self.fd.as_ref()?, PeerCredentials).ok()?;
        Some((Credential { pid: 0, uid: peer.uid(), gid: peer.gid() }, Vec::new()))
    }

    /// The host's buffer is set as an option of it.
    fn set_send_buffer(&self, _bytes: usize) {}

    fn send_buffer(&self) -> usize {
        self.fd.as_ref().map_or(0, |fd| sockopt::socket_send_buffer_size(fd).unwrap_or(0))
    }
}

impl FileOps for HostSocket {
    fn read(&self, _file: &File, dst: &mut dyn Sink, _offset: u64) -> Result<usize, Errno> {
        if dst.remaining() == 0 {
            return Ok(0);
        }
        Ok(self.receive_some(dst, 0)?.len)
    }

    fn write(&self, _file: &File, src: &mut dyn Source, _offset: u64) -> Result<usize, Errno> {
        let mut message = Outgoing { src, to: None, rights: None, creds: None, flags: 0, blocked_on: None };
        self.send_some(current().as_deref(), &mut message)
    }

    fn poll(&self) -> Readiness {
        match &self.fd {
            Some(fd) => readiness(fd, EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP),
            None => Readiness::READABLE | Readiness::WRITABLE | Readiness::ERR | Readiness::HUP,
        }
    }

    fn wait_queue(&self) -> Option<&Arc<WaitQueue>> {
        Some(&self.queue)
    }

    fn timeout(&self, ready: Readiness) -> Option<Duration> {
        self.info.options.timeout(ready)
    }

    fn breaks_with_signal(&self) -> bool {
        self.is_stream()
    }

    fn socket(&self) -> Option<&dyn Socket> {
        Some(self)
    }

    fn ioctl(&self, _file: &File, mem: &MemoryManager, request: u32, arg: u64) -> Result<u64, Errno> {
        match (&self.fd, request) {
            (_, io::FIONREAD) if self.is_listening() => return Err(Errno::EINVAL),
            (Some(fd), io::FIONREAD) => {
                let n = rustix::io::ioctl_fionread(fd).map_err(host)?;
                mem.copy_out(arg, &i32::try_from(n).unwrap_or(i32::MAX))?;
            }
            (None, io::FIONREAD) => mem.copy_out(arg, &0_i32)?,
            _ => return Err(Errno::ENOTTY),
        }
        Ok(0)
    }

    fn attrs(&self) -> Option<Result<Attrs, Errno>> {
        Some(Ok(self.of.attrs))
    }

    fn save(&self, saver: &mut Saver) -> Result<FileOpsState, Unsavable> {
        let kind = StreamKind::Stream;
        Ok(FileOpsState::HostStream(HostStreamState { of: saver.id(&self.of), kind }))
    }
}
