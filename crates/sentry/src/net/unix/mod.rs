//! UNIX sockets (unix(7)).

pub mod address;
mod connect;
pub mod endpoint;
pub mod in_flight;
mod inbox;
pub mod persist;
mod record;
mod transfer;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use stockade_abi::Errno;
use stockade_abi::general as c;
use stockade_abi::ioctl as io;
use stockade_abi::net as n;

use self::address::{Names, unnamed};
use self::endpoint::{Endpoint, State, identity};
use self::in_flight::{InFlight, Rights};
use self::persist::UnixSocketState;
use super::options::{self, Options};
use super::socket::{Credential, Kind, Outgoing, Received, Socket};
use crate::io::{Sink, Source};
use crate::mm::{MemoryManager, UserMemory};
use crate::persist::{Saver, Unsavable};
use crate::task::{Task, current};
use crate::vfs::persist::FileOpsState;
use crate::vfs::quota::SOCKETS;
use crate::vfs::{File, FileOps, anon};
use crate::wait::{Readiness, WaitQueue};

/// What all UNIX sockets of a kernel share.
#[derive(Default)]
pub struct UnixSpace {
    /// Who is bound to what.
    pub names: Names,
    /// Descriptors on their way.
    pub in_flight: Arc<InFlight>,
}

/// An open UNIX socket.
pub struct UnixSocket(Arc<Endpoint>);

impl UnixSocket {
    fn new(endpoint: Arc<Endpoint>) -> Self {
        SOCKETS.add(1);
        Self(endpoint)
    }
}

impl UnixSocket {
    fn waiting_files(&self) -> Vec<u64> {
        self.0.waiting_files()
    }

    fn take_rights(&self) -> Vec<Rights> {
        self.0.take_rights()
    }
}

impl Drop for UnixSocket {
    fn drop(&mut self) {
        self.0.close();
        SOCKETS.remove(1);
    }
}

/// The type that socket(2) means by SOCK_ `socket_type` and `protocol`.
///
/// # Errors
/// EPROTONOSUPPORT, ESOCKTNOSUPPORT.
pub fn socket_type(socket_type: u32, protocol: u32) -> Result<u32, Errno> {
    if protocol != 0 && protocol != n::AF_UNIX {
        return Err(Errno::EPROTONOSUPPORT);
    }
    match socket_type {
        n::SOCK_STREAM | n::SOCK_DGRAM | n::SOCK_SEQPACKET => Ok(socket_type),
        // As BSD had it.
        n::SOCK_RAW => Ok(n::SOCK_DGRAM),
        _ => Err(Errno::ESOCKTNOSUPPORT),
    }
}

fn file(task: &Task, endpoint: Arc<Endpoint>, flags: u32) -> Arc<File> {
    let creds = task.creds();
    let path = anon::path("socket:[{}]", c::S_IFSOCK | 0o777, creds.fsuid.0, creds.fsgid.0);
    let number = path.dentry.inode.attrs().map_or(0, |attrs| attrs.ino);
    endpoint.number.store(number, Ordering::Relaxed);
    File::new(path, Arc::new(UnixSocket::new(endpoint)), c::O_RDWR | flags)
}

/// A new socket; `flags` may hold O_NONBLOCK.
#[must_use]
pub fn create(task: &Task, socket_type: u32, flags: u32) -> Arc<File> {
    file(task, Endpoint::new(&task.kernel.unix, socket_type), flags)
}

/// Two sockets that are connected with each other.
#[must_use]
pub fn pair(task: &Task, socket_type: u32, flags: u32) -> (Arc<File>, Arc<File>) {
    let (a, b) =
        (Endpoint::new(&task.kernel.unix, socket_type), Endpoint::new(&task.kernel.unix, socket_type));
    Endpoint::join(&a, &b);
    for side in [&a, &b] {
        *side.peer_identity.lock() = Some(identity(task));
    }
    (file(task, a, flags), file(task, b, flags))
}

impl Socket for UnixSocket {
    fn kind(&self) -> Kind {
        self.0.kind()
    }

    fn options(&self) -> &Options {
        &self.0.options
    }

    fn set_option(&self, _level: u32, option: u32, value: &[u8], privileged: bool) -> Result<(), Errno> {
        options::set(self, option, value, privileged)
    }

    fn option(&self, _level: u32, option: u32) -> Result<Vec<u8>, Errno> {
        options::get(self, option)
    }

    fn bind(&self, task: &Task, addr: &[u8]) -> Result<(), Errno> {
        self.0.bind(task, addr)
    }

    fn listen(&self, task: &Task, backlog: u32) -> Result<(), Errno> {
        self.0.listen(task, backlog)
    }

    fn connect(
        &self,
        task: &Task,
        addr: &[u8],
        blocked_on: &mut Option<Arc<WaitQueue>>,
    ) -> Result<(), Errno> {
        self.0.connect(task, addr, blocked_on)
    }

    fn accept(&self, task: &Task, flags: u32) -> Result<(Arc<File>, Vec<u8>), Errno> {
        let side = self.0.accept()?;
        let from = side.peer().and_then(|p| p.name()).map_or_else(unnamed, |name| name.to_sockaddr());
        Ok((file(task, side, flags), from))
    }

    fn shutdown(&self, how: u32) -> Result<(), Errno> {
        self.0.shut_down(how)
    }

    fn name(&self) -> Result<Vec<u8>, Errno> {
        Ok(self.0.name().map_or_else(unnamed, |name| name.to_sockaddr()))
    }

    fn peer_name(&self) -> Result<Vec<u8>, Errno> {
        let peer = self.0.peer().ok_or(Errno::ENOTCONN)?;
        Ok(peer.name().map_or_else(unnamed, |name| name.to_sockaddr()))
    }

    fn send(&self, task: &Task, message: &mut Outgoing<'_>) -> Result<usize, Errno> {
        self.0.send_recorded(task, message)
    }

    fn receive(&self, dst: &mut dyn Sink, flags: u32) -> Result<Received, Errno> {
        self.0.receive_recorded(dst, flags)
    }

    fn is_stream(&self) -> bool {
        self.0.is_stream()
    }

    fn is_listening(&self) -> bool {
        matches!(*self.0.state.lock(), State::Listening { .. })
    }

    fn take_error(&self) -> i32 {
        self.0.check_error().err().map_or(0, Errno::raw)
    }

    fn peer_creds(&self) -> Option<(Credential, Vec<u32>)> {
        self.0.peer_identity.lock().clone()
    }

    fn set_send_buffer(&self, bytes: usize) {
        self.0.credit.set_limit(bytes);
    }

    fn send_buffer(&self) -> usize {
        self.0.credit.limit()
    }
}

impl FileOps for UnixSocket {
    fn read(&self, _file: &File, dst: &mut dyn Sink, _offset: u64) -> Result<usize, Errno> {
        Ok(self.0.receive_recorded(dst, 0)?.len)
    }

    fn write(&self, _file: &File, src: &mut dyn Source, _offset: u64) -> Result<usize, Errno> {
        let task = current().ok_or(Errno::ESRCH)?;
        let mut message = Outgoing { src, to: None, rights: None, creds: None, flags: 0, blocked_on: None };
        self.0.send_recorded(&task, &mut message)
    }

    fn poll(&self) -> Readiness {
        self.0.poll()
    }

    fn wait_queue(&self) -> Option<&Arc<WaitQueue>> {
        Some(&self.0.queue)
    }

    fn timeout(&self, ready: Readiness) -> Option<Duration> {
        self.0.options.timeout(ready)
    }

    fn breaks_with_signal(&self) -> bool {
        self.0.is_stream()
    }

    fn socket(&self) -> Option<&dyn Socket> {
        Some(self)
    }

    fn ioctl(&self, _file: &File, mem: &MemoryManager, request: u32, arg: u64) -> Result<u64, Errno> {
        let n = match request {
            io::FIONREAD if self.is_listening() => return Err(Errno::EINVAL),
            io::FIONREAD => {
                let inbox = self.0.inbox.lock();
                if self.0.is_datagram() { inbox.first_len() } else { inbox.bytes() }
            }
            io::TIOCOUTQ => self.0.credit.used(),
            _ => return Err(Errno::ENOTTY),
        };
        mem.copy_out(arg, &i32::try_from(n).unwrap_or(i32::MAX))?;
        Ok(0)
    }

    fn save(&self, saver: &mut Saver) -> Result<FileOpsState, Unsavable> {
        Ok(FileOpsState::UnixSocket(UnixSocketState::save(self, saver)))
    }
}
