//! Sockets (socket(2), unix(7), cmsg(3)).

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// `struct msghdr`
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[expect(missing_docs, reason = "named as in recvmsg(2)")]
pub struct Msghdr {
    pub name: u64,
    pub namelen: u32,
    pub pad0: u32,
    pub iov: u64,
    pub iovlen: u64,
    pub control: u64,
    pub controllen: u64,
    pub flags: u32,
    pub pad1: u32,
}

/// `struct mmsghdr`
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[expect(missing_docs, reason = "named as in recvmmsg(2)")]
pub struct Mmsghdr {
    pub hdr: Msghdr,
    pub len: u32,
    pub pad: u32,
}

/// `struct cmsghdr`
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[expect(missing_docs, reason = "named as in cmsg(3)")]
pub struct Cmsghdr {
    pub len: u64,
    pub level: i32,
    pub kind: i32,
}

/// `struct ucred`
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[expect(missing_docs, reason = "named as in unix(7)")]
pub struct Ucred {
    pub pid: i32,
    pub uid: u32,
    pub gid: u32,
}
