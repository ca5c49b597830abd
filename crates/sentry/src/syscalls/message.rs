//! Messages (send(2), recv(2), sendmmsg(2), recvmmsg(2)).

use std::time::{Duration, Instant};

use stockade_abi::Errno;
use stockade_abi::misc::IOV_MAX;
use stockade_abi::net as n;
use stockade_abi::signal::SIGPIPE;
use stockade_abi::socket::{Mmsghdr, Msghdr};
use stockade_abi::time::Timespec;

use super::control::{self, ControlOut};
use super::rw::{moved_so_far, wait_on};
use super::socket::{ADDRESS_MAX, sockaddr_in, while_blocked};
use super::{Args, Ctx, SysResult};
use crate::io::Sink;
use crate::mm::{UserMemory, UserSink, UserSource};
use crate::net::{Outgoing, Received, Socket, socket_of};
use crate::vfs::File;
use crate::wait::Readiness;

/// Set by whom the call came; not the guest's to set.
const MSG_CMSG_COMPAT: u32 = 0x8000_0000;

fn send(ctx: &Ctx, file: &File, message: &mut Outgoing<'_>) -> SysResult {
    let socket = socket_of(file)?;
    let waits = !file.is_nonblocking() && message.flags & n::MSG_DONTWAIT == 0;
    let mut done = message.src.skip(ctx.patience.moved_before() as usize) as u64;
    if done > 0 {
        // They went with the first byte.
        message.rights = None;
    }
    let result = loop {
        match send_some(ctx, file, socket, message, waits) {
            Ok(n) => {
                done += n as u64;
                if n == 0 || !socket.is_stream() || message.src.remaining() == 0 {
                    break Ok(done);
                }
            }
            Err(e) => break Err(e),
        }
    };
    match result {
        Err(e) if done > 0 => moved_so_far(ctx, done, e),
        Err(Errno::EPIPE) => {
            if socket.is_stream() && message.flags & n::MSG_NOSIGNAL == 0 {
                ctx.task.raise(SIGPIPE);
            }
            Err(Errno::EPIPE)
        }
        other => other,
    }
}

fn send_some(
    ctx: &Ctx,
    file: &File,
    socket: &dyn Socket,
    message: &mut Outgoing<'_>,
    waits: bool,
) -> Result<usize, Errno> {
    while_blocked(ctx, file, waits, |queue| {
        let sent = socket.send(&ctx.task, message);
        *queue = message.blocked_on.take();
        sent
    })
}

/// Receives; `Received::len` counts everything that a stream gave.
fn receive(ctx: &Ctx, file: &File, dst: &mut dyn Sink, flags: u32) -> Result<Received, Errno> {
    let socket = socket_of(file)?;
    let waits = !file.is_nonblocking() && flags & n::MSG_DONTWAIT == 0;
    let before = dst.skip(ctx.patience.moved_before() as usize);
    let mut once = || match socket.receive(dst, flags) {
        Err(Errno::EAGAIN) if waits => {
            let queue = file.ops().wait_queue().ok_or(Errno::EAGAIN)?;
            let timeout = file.ops().timeout(Readiness::READABLE);
            wait_on(ctx, queue, Readiness::READABLE, timeout, || socket.receive(dst, flags))
        }
        other => other,
    };
    let mut received = match once() {
        Ok(received) => received,
        Err(e) if before > 0 => {
            moved_so_far(ctx, before as u64, e)?;
            Received::default()
        }
        Err(e) => return Err(e),
    };
    received.len += before;
    received.full_len += before;
    if waits && socket.is_stream() && flags & n::MSG_WAITALL != 0 && flags & n::MSG_PEEK == 0 {
        while received.len > 0 && received.files.is_empty() {
            match once() {
                Ok(more) if more.len > 0 => {
                    received.len += more.len;
                    received.full_len += more.full_len;
                    received.files = more.files;
                }
                Err(e) => {
                    moved_so_far(ctx, received.len as u64, e)?;
                    break;
                }
                Ok(_) => break,
            }
        }
    }
    Ok(received)
}

/// What recv(2) and its like return.
fn result_of(received: &Received, flags: u32) -> u64 {
    (if flags & n::MSG_TRUNC != 0 { received.full_len } else { received.len }) as u64
}

pub(super) fn sendto(ctx: &mut Ctx, a: &Args) -> SysResult {
    let file = ctx.file(a.i32(0))?;
    socket_of(&file)?;
    let mut src = UserSource::new(&ctx.mm, a.u64(1), a.u64(2))?;
    let to = if a.u64(4) == 0 { None } else { Some(sockaddr_in(ctx, a.u64(4), a.u32(5))?) };
    let mut message = Outgoing {
        src: &mut src,
        to: to.as_deref(),
        rights: None,
        creds: None,
        flags: a.u32(3) & !MSG_CMSG_COMPAT,
        blocked_on: None,
    };
    send(ctx, &file, &mut message)
}

pub(super) fn recvfrom(ctx: &mut Ctx, a: &Args) -> SysResult {
    let file = ctx.file(a.i32(0))?;
    socket_of(&file)?;
    let mut dst = UserSink::new(&ctx.mm, a.u64(1), a.u64(2))?;
    let flags = a.u32(3);
    let received = receive(ctx, &file, &mut dst, flags)?;
    if a.u64(4) != 0 {
        let from = received.from.as_deref().unwrap_or_default();
        let room: i32 = ctx.mm.copy_in(a.u64(5))?;
        let room = usize::try_from(room).map_err(|_| Errno::EINVAL)?;
        ctx.mm.write_exact(a.u64(4), &from[..from.len().min(room)])?;
        ctx.mm.copy_out(a.u64(5), &(from.len() as i32))?;
    }
    Ok(result_of(&received, flags))
}

/// Sends one message, its header copied in.
fn send_message(ctx: &Ctx, file: &File, header: &Msghdr, flags: u32) -> SysResult {
    if header.iovlen > IOV_MAX as u64 {
        return Err(Errno::EMSGSIZE);
    }
    let to = match (header.name, header.namelen) {
        (0, _) | (_, 0) => None,
        (_, len) if (len as i32) < 0 => return Err(Errno::EINVAL),
        // Of what is longer than any address no more is looked at.
        (at, len) => Some(sockaddr_in(ctx, at, len.min(ADDRESS_MAX as u32))?),
    };
    let mut src = UserSource::vectored(&ctx.mm, header.iov, header.iovlen)?;
    let (rights, creds) = control::parse(ctx, header.control, header.controllen)?;
    let mut message = Outgoing {
        src: &mut src,
        to: to.as_deref(),
        rights,
        creds,
        flags: flags & !MSG_CMSG_COMPAT,
        blocked_on: None,
    };
    send(ctx, file, &mut message)
}

pub(super) fn sendmsg(ctx: &mut Ctx, a: &Args) -> SysResult {
    let file = ctx.file(a.i32(0))?;
    socket_of(&file)?;
    let header: Msghdr = ctx.mm.copy_in(a.u64(1))?;
    send_message(ctx, &file, &header, a.u32(2))
}

/// Receives one message and completes its header, which the caller stores.
fn receive_message(ctx: &Ctx, file: &File, header: &mut Msghdr, flags: u32) -> SysResult {
    if header.iovlen > IOV_MAX as u64 {
        return Err(Errno::EMSGSIZE);
    }
    if header.name != 0 && (header.namelen as i32) < 0 {
        return Err(Errno::EINVAL);
    }
    let mut dst = UserSink::vectored(&ctx.mm, header.iov, header.iovlen)?;
    let received = receive(ctx, file, &mut dst, flags)?;
    let mut out_flags = flags & n::MSG_CMSG_CLOEXEC;
    if received.full_len > received.len {
        out_flags |= n::MSG_TRUNC;
    }
    if header.name != 0 {
        let from = received.from.as_deref().unwrap_or_default();
        ctx.mm.write_exact(header.name, &from[..from.len().min(header.namelen as usize)])?;
        header.namelen = from.len() as u32;
    }
    let result = result_of(&received, flags);
    let is_cut = received.control_is_cut;
    let mut out = ControlOut::new(ctx, header.control, header.controllen);
    if let Some(creds) = &received.creds {
        out.put_creds(creds)?;
    }
    out.put_rights(received.files, flags & n::MSG_CMSG_CLOEXEC != 0)?;
    header.controllen = out.used();
    header.flags = out_flags | if out.is_truncated() || is_cut { n::MSG_CTRUNC } else { 0 };
    Ok(result)
}

/// Bytes of a `struct msghdr` before its flags, and its length.
const MSGHDR: u64 = size_of::<Msghdr>() as u64;
const NAMELEN_AT: u64 = 8;
const CONTROLLEN_AT: u64 = 40;
const FLAGS_AT: u64 = 48;

/// Stores what recvmsg(2) changes of a header.
fn store_header(ctx: &Ctx, at: u64, header: &Msghdr) -> Result<(), Errno> {
    let field = |offset: u64| at.checked_add(offset).ok_or(Errno::EFAULT);
    if header.name != 0 {
        ctx.mm.copy_out(field(NAMELEN_AT)?, &header.namelen)?;
    }
    ctx.mm.copy_out(field(FLAGS_AT)?, &header.flags)?;
    ctx.mm.copy_out(field(CONTROLLEN_AT)?, &header.controllen)
}

pub(super) fn recvmsg(ctx: &mut Ctx, a: &Args) -> SysResult {
    let file = ctx.file(a.i32(0))?;
    socket_of(&file)?;
    let mut header: Msghdr = ctx.mm.copy_in(a.u64(1))?;
    let n = receive_message(ctx, &file, &mut header, a.u32(2))?;
    store_header(ctx, a.u64(1), &header)?;
    Ok(n)
}

/// Where the header of message `i` is.
fn mmsghdr_at(base: u64, i: u64) -> Result<u64, Errno> {
    i.checked_mul(size_of::<Mmsghdr>() as u64).and_then(|o| base.checked_add(o)).ok_or(Errno::EFAULT)
}

pub(super) fn sendmmsg(ctx: &mut Ctx, a: &Args) -> SysResult {
    let file = ctx.file(a.i32(0))?;
    socket_of(&file)?;
    let mut done = 0;
    while done < u64::from(a.u32(2)).min(IOV_MAX as u64) {
        let one = || {
            let at = mmsghdr_at(a.u64(1), done)?;
            let header: Msghdr = ctx.mm.copy_in(at)?;
            let n = send_message(ctx, &file, &header, a.u32(3))?;
            ctx.mm.copy_out(at + MSGHDR, &(n as u32))
        };
        match one() {
            Ok(()) => done += 1,
            Err(_) if done > 0 => break,
            Err(e) => return Err(e),
        }
    }
    Ok(done)
}

/// MSG_WAITFORONE: only the first message is waited for.
const MSG_WAITFORONE: u32 = 0x10000;

pub(super) fn recvmmsg(ctx: &mut Ctx, a: &Args) -> SysResult {
    let file = ctx.file(a.i32(0))?;
    socket_of(&file)?;
    let deadline = if a.u64(4) == 0 {
        None
    } else {
        let t: Timespec = ctx.mm.copy_in(a.u64(4))?;
        let nanos = u32::try_from(t.nsec).ok().filter(|&n| n < 1_000_000_000).ok_or(Errno::EINVAL)?;
        let seconds = u64::try_from(t.sec).map_err(|_| Errno::EINVAL)?;
        Instant::now().checked_add(Duration::new(seconds, nanos))
    };
    let mut flags = a.u32(3) & !MSG_WAITFORONE;
    let mut done = 0;
    while done < u64::from(a.u32(2)).min(IOV_MAX as u64) {
        let one = || {
            let at = mmsghdr_at(a.u64(1), done)?;
            let mut header: Msghdr = ctx.mm.copy_in(at)?;
            let n = receive_message(ctx, &file, &mut header, flags)?;
            store_header(ctx, at, &header)?;
            ctx.mm.copy_out(at + MSGHDR, &(n as u32))
        };
        match one() {
            Ok(()) => done += 1,
            Err(_) if done > 0 => break,
            Err(e) => return Err(e),
        }
        if a.u32(3) & MSG_WAITFORONE != 0 {
            flags |= n::MSG_DONTWAIT;
        }
        // As on Linux, the time is looked at after each message only.
        if deadline.is_some_and(|d| Instant::now() >= d) {
            break;
        }
    }
    Ok(done)
}
