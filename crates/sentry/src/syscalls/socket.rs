//! Making, naming and connecting sockets (socket(2), bind(2), connect(2), accept(2), getsockopt(2)).

use std::sync::Arc;

use stockade_abi::Errno;
use stockade_abi::general as c;
use stockade_abi::net as n;
use stockade_abi::socket::Ucred;
use zerocopy::IntoBytes;

use super::rw::{blocking, wait_on};
use super::{Args, Ctx, SysResult};
use crate::fs::pidfd::{self, PidFd};
use crate::mm::UserMemory;
use crate::net::{Credential, socket_of, unix};
use crate::vfs::File;
use crate::wait::{Readiness, WaitQueue};

/// SOCK_CLOEXEC and SOCK_NONBLOCK are open(2)'s flags.
const TYPE_FLAGS: u32 = c::O_CLOEXEC | c::O_NONBLOCK;
/// Bits of a type that are not flags.
const TYPE_MASK: u32 = 0xf;
/// One more than the greatest type there is.
const TYPE_MAX: u32 = 11;
/// Bytes of the longest address of any family (`struct sockaddr_storage`).
pub(super) const ADDRESS_MAX: usize = 128;
/// Bytes of the longest option that is set.
const OPTION_MAX: usize = 256;

/// Type and flags of socket(2).
fn checked_type(a: &Args) -> Result<(u32, u32), Errno> {
    let (domain, kind, protocol) = (a.u32(0), a.u32(1), a.i32(2));
    let flags = kind & !TYPE_MASK;
    if flags & !TYPE_FLAGS != 0 {
        return Err(Errno::EINVAL);
    }
    // Linux without IP, netlink and all the others.
    if domain != n::AF_UNIX {
        return Err(Errno::EAFNOSUPPORT);
    }
    if kind & TYPE_MASK >= TYPE_MAX {
        return Err(Errno::EINVAL);
    }
    Ok((unix::socket_type(kind & TYPE_MASK, protocol as u32)?, flags))
}

fn install(ctx: &Ctx, file: Arc<File>, flags: u32) -> SysResult {
    Ok(ctx.files.add(file, flags & c::O_CLOEXEC != 0, ctx.task.fd_limit())? as u64)
}

pub(super) fn socket(ctx: &mut Ctx, a: &Args) -> SysResult {
    let (kind, flags) = checked_type(a)?;
    install(ctx, unix::create(&ctx.task, kind, flags & c::O_NONBLOCK), flags)
}

pub(super) fn socketpair(ctx: &mut Ctx, a: &Args) -> SysResult {
    let (kind, flags) = checked_type(a)?;
    let (first, second) = unix::pair(&ctx.task, kind, flags & c::O_NONBLOCK);
    let first = install(ctx, first, flags)? as i32;
    let second = install(ctx, second, flags).inspect_err(|_| drop(ctx.files.remove(first)))? as i32;
    ctx.mm.copy_out(a.u64(3), &[first, second]).inspect_err(|_| {
        drop(ctx.files.remove(first));
        drop(ctx.files.remove(second));
    })?;
    Ok(0)
}

/// Copies a `struct sockaddr` in.
pub(super) fn sockaddr_in(ctx: &Ctx, addr: u64, len: u32) -> Result<Vec<u8>, Errno> {
    let len = usize::try_from(len as i32).ok().filter(|&n| n <= ADDRESS_MAX).ok_or(Errno::EINVAL)?;
    let mut bytes = vec![0; len];
    ctx.mm.read_exact(addr, &mut bytes)?;
    Ok(bytes)
}

/// Copies a `struct sockaddr` out, as much of it as there is room, and its whole length.
fn sockaddr_out(ctx: &Ctx, address: &[u8], addr: u64, len_at: u64) -> Result<(), Errno> {
    let room: i32 = ctx.mm.copy_in(len_at)?;
    let room = usize::try_from(room).map_err(|_| Errno::EINVAL)?;
    ctx.mm.write_exact(addr, &address[..address.len().min(room)])?;
    ctx.mm.copy_out(len_at, &(address.len() as i32))
}

pub(super) fn bind(ctx: &mut Ctx, a: &Args) -> SysResult {
    let file = ctx.file(a.i32(0))?;
    let socket = socket_of(&file)?;
    let addr = sockaddr_in(ctx, a.u64(1), a.u32(2))?;
    socket.bind(&ctx.task, &addr).map(|()| 0)
}

pub(super) fn listen(ctx: &mut Ctx, a: &Args) -> SysResult {
    let file = ctx.file(a.i32(0))?;
    socket_of(&file)?.listen(&ctx.task, a.u32(1)).map(|()| 0)
}

pub(super) fn connect(ctx: &mut Ctx, a: &Args) -> SysResult {
    let file = ctx.file(a.i32(0))?;
    let socket = socket_of(&file)?;
    let addr = sockaddr_in(ctx, a.u64(1), a.u32(2))?;
    while_blocked(ctx, &file, !file.is_nonblocking(), |queue| socket.connect(&ctx.task, &addr, queue))?;
    Ok(0)
}

/// Tries until it does not say EAGAIN, waiting for room in between: on the queue that the attempt names, which can be
/// another each time, or on the file's own.
pub(super) fn while_blocked<T>(
    ctx: &Ctx,
    file: &File,
    waits: bool,
    mut attempt: impl FnMut(&mut Option<Arc<WaitQueue>>) -> Result<T, Errno>,
) -> Result<T, Errno> {
    let timeout = file.ops().timeout(Readiness::WRITABLE);
    loop {
        let mut named = None;
        match attempt(&mut named) {
            Err(Errno::EAGAIN) if waits => {}
            other => return other,
        }
        let own = file.ops().wait_queue().ok_or(Errno::EAGAIN)?;
        let queue = named.take().unwrap_or_else(|| Arc::clone(own));
        let tried = wait_on(ctx, &queue, Readiness::WRITABLE, timeout, || {
            named = None;
            match attempt(&mut named) {
                Err(Errno::EAGAIN) if !Arc::ptr_eq(named.as_ref().unwrap_or(own), &queue) => Ok(None),
                other => other.map(Some),
            }
        })?;
        if let Some(done) = tried {
            return Ok(done);
        }
    }
}

fn do_accept(ctx: &Ctx, fd: i32, addr: u64, len_at: u64, flags: u32) -> SysResult {
    if flags & !TYPE_FLAGS != 0 {
        return Err(Errno::EINVAL);
    }
    let file = ctx.file(fd)?;
    let socket = socket_of(&file)?;
    let (accepted, from) =
        blocking(ctx, &file, Readiness::READABLE, || socket.accept(&ctx.task, flags & c::O_NONBLOCK))?;
    if addr != 0 {
        sockaddr_out(ctx, &from, addr, len_at)?;
    }
    install(ctx, accepted, flags)
}

pub(super) fn accept(ctx: &mut Ctx, a: &Args) -> SysResult {
    do_accept(ctx, a.i32(0), a.u64(1), a.u64(2), 0)
}

pub(super) fn accept4(ctx: &mut Ctx, a: &Args) -> SysResult {
    do_accept(ctx, a.i32(0), a.u64(1), a.u64(2), a.u32(3))
}

pub(super) fn shutdown(ctx: &mut Ctx, a: &Args) -> SysResult {
    let file = ctx.file(a.i32(0))?;
    socket_of(&file)?.shutdown(a.u32(1)).map(|()| 0)
}

pub(super) fn getsockname(ctx: &mut Ctx, a: &Args) -> SysResult {
    let file = ctx.file(a.i32(0))?;
    sockaddr_out(ctx, &socket_of(&file)?.name()?, a.u64(1), a.u64(2)).map(|()| 0)
}

pub(super) fn getpeername(ctx: &mut Ctx, a: &Args) -> SysResult {
    let file = ctx.file(a.i32(0))?;
    sockaddr_out(ctx, &socket_of(&file)?.peer_name()?, a.u64(1), a.u64(2)).map(|()| 0)
}

pub(super) fn setsockopt(ctx: &mut Ctx, a: &Args) -> SysResult {
    let (level, option, at, len) = (a.u32(1), a.u32(2), a.u64(3), a.i32(4));
    let len = usize::try_from(len).map_err(|_| Errno::EINVAL)?;
    let file = ctx.file(a.i32(0))?;
    let socket = socket_of(&file)?;
    if !socket.has_options_of(level) {
        return Err(Errno::EOPNOTSUPP);
    }
    let mut value = vec![0; len.min(OPTION_MAX)];
    if len >= 4 {
        ctx.mm.read_exact(at, &mut value)?;
    }
    let privileged = ctx.task.creds().has_cap(c::CAP_NET_ADMIN);
    socket.set_option(level, option, &value, privileged).map(|()| 0)
}

/// `struct ucred`, as the caller sees the numbers.
pub(super) fn ucred(ctx: &Ctx, creds: &Credential) -> Ucred {
    let pid = if creds.pid == 0 { 0 } else { ctx.task.tg.pidns.local(creds.pid) };
    Ucred { pid, uid: creds.uid, gid: creds.gid }
}

pub(super) fn getsockopt(ctx: &mut Ctx, a: &Args) -> SysResult {
    let (level, option, at, len_at) = (a.u32(1), a.u32(2), a.u64(3), a.u64(4));
    let file = ctx.file(a.i32(0))?;
    let socket = socket_of(&file)?;
    if !socket.has_options_of(level) {
        return Err(Errno::EOPNOTSUPP);
    }
    let room: i32 = ctx.mm.copy_in(len_at)?;
    let room = usize::try_from(room).map_err(|_| Errno::EINVAL)?;
    let value = match option {
        _ if level != n::SOL_SOCKET => socket.option(level, option)?,
        n::SO_PEERCRED => {
            let creds = socket.peer_creds().map_or(Credential::NONE, |(creds, _)| creds);
            ucred(ctx, &creds).as_bytes().to_vec()
        }
        n::SO_PEERGROUPS => {
            let (_, groups) = socket.peer_creds().ok_or(Errno::ENODATA)?;
            let bytes = groups.as_bytes().to_vec();
            if bytes.len() > room {
                ctx.mm.copy_out(len_at, &(bytes.len() as i32))?;
                return Err(Errno::ERANGE);
            }
            bytes
        }
        n::SO_PEERPIDFD => {
            let (creds, _) = socket.peer_creds().ok_or(Errno::ENODATA)?;
            let tg = {
                let tree = ctx.task.kernel.tree.lock();
                Arc::clone(&tree.group(creds.pid)?.tg)
            };
            pidfd::install(&ctx.task, PidFd::of_process(&ctx.task.kernel, &tg), 0)?.to_ne_bytes().to_vec()
        }
        n::SO_PEERNAME => {
            let name = socket.peer_name()?;
            if name.len() < room {
                return Err(Errno::EINVAL);
            }
            name
        }
        _ => socket.option(level, option)?,
    };
    let value = &value[..value.len().min(room)];
    ctx.mm.write_exact(at, value)?;
    ctx.mm.copy_out(len_at, &(value.len() as i32))?;
    Ok(0)
}
