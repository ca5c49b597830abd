//! Options of the host's sockets: few are asked of the host, or set there; timeouts are the sentry's own.

use std::os::fd::AsFd;

use rustix::net::{AddressFamily, SocketType, sockopt as s};
use stockade_abi::Errno;
use stockade_abi::net as n;

use super::HostSocket;
use crate::fs::stdio::host;
use crate::net::{Kind, options};

const TCP: u32 = n::IPPROTO_TCP as u32;

/// What a descriptor of the host is, if it is a socket that guests may use as one. Others (raw, packet, netlink) reach more
/// than who is on the other side: they can be read and written, as any descriptor.
pub(super) fn kind_of(fd: impl AsFd) -> Option<Kind> {
    let domain = s::socket_domain(&fd).ok()?;
    let socket_type = s::socket_type(&fd).ok()?;
    let known = [AddressFamily::UNIX, AddressFamily::INET, AddressFamily::INET6].contains(&domain)
        && [SocketType::STREAM, SocketType::DGRAM, SocketType::SEQPACKET].contains(&socket_type);
    let protocol = s::socket_protocol(&fd).ok()?.map_or(0, |p| p.as_raw().get());
    known.then(|| Kind { domain: domain.as_raw().into(), socket_type: socket_type.as_raw(), protocol })
}

fn int(value: &[u8]) -> Result<i32, Errno> {
    value.first_chunk().map(|b| i32::from_ne_bytes(*b)).ok_or(Errno::EINVAL)
}

/// setsockopt(2). What would reach further than this one connection, or tell of the host's processes, does not exist.
pub(super) fn set(socket: &HostSocket, level: u32, option: u32, value: &[u8]) -> Result<(), Errno> {
    let number = int(value)?;
    // As on Linux, a negative size is a large one.
    let size = (number as u32).min(options::MAX_BUFFER) as usize;
    let Some(fd) = &socket.fd else {
        return match (level, option) {
            (n::SOL_SOCKET, o) if is_timeout(o) => options::set(socket, option, value, false),
            _ => Ok(()),
        };
    };
    match (level, option) {
        (n::SOL_SOCKET, n::SO_SNDBUF) => s::set_socket_send_buffer_size(fd, size).map_err(host),
        (n::SOL_SOCKET, n::SO_RCVBUF) => s::set_socket_recv_buffer_size(fd, size).map_err(host),
        (n::SOL_SOCKET, n::SO_KEEPALIVE) => s::set_socket_keepalive(fd, number != 0).map_err(host),
        (n::SOL_SOCKET, o) if is_timeout(o) => options::set(socket, option, value, false),
        (TCP, n::TCP_NODELAY) => s::set_tcp_nodelay(fd, number != 0).map_err(host),
        _ => Err(Errno::ENOPROTOOPT),
    }
}

fn is_timeout(option: u32) -> bool {
    [n::SO_RCVTIMEO, n::SO_RCVTIMEO_NEW, n::SO_SNDTIMEO, n::SO_SNDTIMEO_NEW].contains(&option)
}

/// getsockopt(2).
pub(super) fn get(socket: &HostSocket, level: u32, option: u32) -> Result<Vec<u8>, Errno> {
    let fd = socket.fd.as_ref();
    let known = [n::SO_TYPE, n::SO_DOMAIN, n::SO_PROTOCOL, n::SO_ERROR, n::SO_ACCEPTCONN, n::SO_SNDBUF];
    let number = match (level, option) {
        (n::SOL_SOCKET, o) if known.contains(&o) || is_timeout(o) => return options::get(socket, option),
        (n::SOL_SOCKET, n::SO_RCVBUF) => {
            fd.map_or(Ok(0), s::socket_recv_buffer_size).map_err(host)?.try_into().unwrap_or(i32::MAX)
        }
        (n::SOL_SOCKET, n::SO_KEEPALIVE) => fd.map_or(Ok(false), s::socket_keepalive).map_err(host)?.into(),
        (TCP, n::TCP_NODELAY) => fd.map_or(Ok(false), s::tcp_nodelay).map_err(host)?.into(),
        _ => return Err(Errno::ENOPROTOOPT),
    };
    Ok(number.to_ne_bytes().to_vec())
}
