//! System information (uname(2), sysinfo(2)) and limits (limits.h).

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// `struct new_utsname`
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[expect(missing_docs, reason = "named as in uname(2)")]
pub struct Utsname {
    pub sysname: [u8; 65],
    pub nodename: [u8; 65],
    pub release: [u8; 65],
    pub version: [u8; 65],
    pub machine: [u8; 65],
    pub domainname: [u8; 65],
}

/// `struct sysinfo`
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[expect(missing_docs, reason = "named as in sysinfo(2)")]
pub struct Sysinfo {
    pub uptime: i64,
    pub loads: [u64; 3],
    pub totalram: u64,
    pub freeram: u64,
    pub sharedram: u64,
    pub bufferram: u64,
    pub totalswap: u64,
    pub freeswap: u64,
    pub procs: u16,
    pub pad: u16,
    pub pad1: u32,
    pub totalhigh: u64,
    pub freehigh: u64,
    pub mem_unit: u32,
    pub pad2: u32,
}

/// Bytes of a path with its final zero.
pub const PATH_MAX: usize = 4096;
/// Bytes of a name.
pub const NAME_MAX: usize = 255;
/// Elements of an iovec array.
pub const IOV_MAX: usize = 1024;
/// Bytes that one read or write transfers at most.
pub const MAX_RW_COUNT: usize = 0x7fff_f000;
/// Bytes of a page.
pub const PAGE_SIZE: u64 = 4096;

/// ADDR_NO_RANDOMIZE of personality(2).
pub const ADDR_NO_RANDOMIZE: u32 = 0x0004_0000;
/// The user and group id of who has none in a user namespace (user_namespaces(7)).
pub const OVERFLOW_ID: u32 = 65534;
/// UNAME26 of personality(2).
pub const UNAME26: u32 = 0x0002_0000;
/// STICKY_TIMEOUTS of personality(2).
pub const STICKY_TIMEOUTS: u32 = 0x0400_0000;
/// READ_IMPLIES_EXEC of personality(2).
pub const READ_IMPLIES_EXEC: u32 = 0x0040_0000;
/// What of personality(2) a program with more rights does not inherit: ADDR_NO_RANDOMIZE, READ_IMPLIES_EXEC,
/// ADDR_COMPAT_LAYOUT, MMAP_PAGE_ZERO.
pub const PER_CLEAR_ON_SETID: u32 = ADDR_NO_RANDOMIZE | READ_IMPLIES_EXEC | 0x0020_0000 | 0x0010_0000;
