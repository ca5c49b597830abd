//! Addresses of the host's sockets, as guests see them.

use rustix::net::{AddressFamily, SocketAddrAny, SocketAddrUnix, SocketAddrV4, SocketAddrV6};

/// A family alone: an address without a name.
pub(super) fn unnamed(family: u32) -> Vec<u8> {
    (family as u16).to_ne_bytes().to_vec()
}

/// A `struct sockaddr`; of a family that is not known here, the family alone.
pub(super) fn to_sockaddr(address: SocketAddrAny) -> Vec<u8> {
    let family = address.address_family();
    let mut out = unnamed(family.as_raw().into());
    match family {
        AddressFamily::INET => {
            if let Ok(v4) = SocketAddrV4::try_from(address) {
                out.extend_from_slice(&v4.port().to_be_bytes());
                out.extend_from_slice(&v4.ip().octets());
                out.extend_from_slice(&[0; 8]);
            }
        }
        AddressFamily::INET6 => {
            if let Ok(v6) = SocketAddrV6::try_from(address) {
                out.extend_from_slice(&v6.port().to_be_bytes());
                out.extend_from_slice(&v6.flowinfo().to_ne_bytes());
                out.extend_from_slice(&v6.ip().octets());
                out.extend_from_slice(&v6.scope_id().to_ne_bytes());
            }
        }
        AddressFamily::UNIX => {
            if let Ok(unix) = SocketAddrUnix::try_from(address) {
                if let Some(path) = unix.path_bytes() {
                    out.extend_from_slice(path);
                    out.push(0);
                } else if let Some(name) = unix.abstract_name().filter(|name| !name.is_empty()) {
                    out.push(0);
                    out.extend_from_slice(name);
                }
            }
        }
        _ => {}
    }
    out
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    #[test]
    fn addresses_are_laid_out_as_in_ip_7_and_unix_7() {
        let v4 = SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, 1), 0x1234);
        assert_eq!(to_sockaddr(v4.into()), [2, 0, 0x12, 0x34, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
        let v6 = to_sockaddr(SocketAddrV6::new(Ipv6Addr::LOCALHOST, 80, 0, 7).into());
        assert_eq!((v6.len(), &v6[..4], v6[23], v6[24]), (28, &[10, 0, 0, 80][..], 1, 7));
        let path = SocketAddrUnix::new("/a").unwrap();
        assert_eq!(to_sockaddr(path.into()), [1, 0, b'/', b'a', 0]);
        let name = SocketAddrUnix::new_abstract_name(b"x").unwrap();
        assert_eq!(to_sockaddr(name.into()), [1, 0, 0, b'x']);
        assert_eq!(to_sockaddr(SocketAddrUnix::new_unnamed().into()), [1, 0]);
    }
}
