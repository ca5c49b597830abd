//! Files (stat(2), statx(2), statfs(2), getdents64(2), fcntl(2), openat2(2)).

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// `struct stat`
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[expect(missing_docs, reason = "named as in stat(2)")]
pub struct Stat {
    pub dev: u64,
    pub ino: u64,
    pub nlink: u64,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub pad0: u32,
    pub rdev: u64,
    pub size: i64,
    pub blksize: i64,
    pub blocks: i64,
    pub atime: crate::time::Timespec,
    pub mtime: crate::time::Timespec,
    pub ctime: crate::time::Timespec,
    pub unused: [i64; 3],
}

/// `struct statx_timestamp`
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[expect(missing_docs, reason = "named as in statx(2)")]
pub struct StatxTimestamp {
    pub sec: i64,
    pub nsec: u32,
    pub reserved: i32,
}

/// `struct statx`
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[expect(missing_docs, reason = "named as in statx(2)")]
pub struct Statx {
    pub mask: u32,
    pub blksize: u32,
    pub attributes: u64,
    pub nlink: u32,
    pub uid: u32,
    pub gid: u32,
    pub mode: u16,
    pub pad1: u16,
    pub ino: u64,
    pub size: u64,
    pub blocks: u64,
    pub attributes_mask: u64,
    pub atime: StatxTimestamp,
    pub btime: StatxTimestamp,
    pub ctime: StatxTimestamp,
    pub mtime: StatxTimestamp,
    pub rdev_major: u32,
    pub rdev_minor: u32,
    pub dev_major: u32,
    pub dev_minor: u32,
    pub mnt_id: u64,
    pub dio_mem_align: u32,
    pub dio_offset_align: u32,
    pub subvol: u64,
    pub atomic_write_unit_min: u32,
    pub atomic_write_unit_max: u32,
    pub atomic_write_segments_max: u32,
    pub dio_read_offset_align: u32,
    pub spare: [u64; 9],
}

/// `struct statfs`
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[expect(missing_docs, reason = "named as in statfs(2)")]
pub struct Statfs {
    pub kind: i64,
    pub bsize: i64,
    pub blocks: u64,
    pub bfree: u64,
    pub bavail: u64,
    pub files: u64,
    pub ffree: u64,
    pub fsid: [i32; 2],
    pub namelen: i64,
    pub frsize: i64,
    pub flags: i64,
    pub spare: [i64; 4],
}

/// `struct open_how` (openat2(2))
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[expect(missing_docs, reason = "named as in openat2(2)")]
pub struct OpenHow {
    pub flags: u64,
    pub mode: u64,
    pub resolve: u64,
}

/// `struct flock` (fcntl(2))
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[expect(missing_docs, reason = "named as in fcntl(2)")]
pub struct Flock {
    pub kind: i16,
    pub whence: i16,
    pub pad0: i32,
    pub start: i64,
    pub len: i64,
    pub pid: i32,
    pub pad1: i32,
}

/// `struct f_owner_ex` (fcntl(2))
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[expect(missing_docs, reason = "named as in fcntl(2)")]
pub struct FOwnerEx {
    pub kind: i32,
    pub pid: i32,
}

/// `struct iovec`
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[expect(missing_docs, reason = "named as in readv(2)")]
pub struct Iovec {
    pub base: u64,
    pub len: u64,
}

/// Fixed part of `struct linux_dirent64`; the name and a zero byte follow, padded to 8.
pub const DIRENT64_HEADER: usize = 19;
/// Fixed part of `struct linux_dirent` (old getdents(2)), without name and type.
pub const DIRENT_HEADER: usize = 18;

/// `struct pollfd`
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[expect(missing_docs, reason = "named as in poll(2)")]
pub struct Pollfd {
    pub fd: i32,
    pub events: i16,
    pub revents: i16,
}

/// `struct epoll_event`, packed on x86-64.
#[repr(C, packed)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[expect(missing_docs, reason = "named as in epoll_ctl(2)")]
pub struct EpollEvent {
    pub events: u32,
    pub data: u64,
}

/// `struct inotify_event` without its name.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[expect(missing_docs, reason = "named as in inotify(7)")]
pub struct InotifyEvent {
    pub wd: i32,
    pub mask: u32,
    pub cookie: u32,
    pub len: u32,
}

/// `struct signalfd_siginfo`
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[expect(missing_docs, reason = "named as in signalfd(2)")]
pub struct SignalfdSiginfo {
    pub signo: u32,
    pub errno: i32,
    pub code: i32,
    pub pid: u32,
    pub uid: u32,
    pub fd: i32,
    pub tid: u32,
    pub band: u32,
    pub overrun: u32,
    pub trapno: u32,
    pub status: i32,
    pub int: i32,
    pub ptr: u64,
    pub utime: u64,
    pub stime: u64,
    pub addr: u64,
    pub addr_lsb: u16,
    pub pad2: u16,
    pub syscall: i32,
    pub call_addr: u64,
    pub arch: u32,
    pub pad: [u8; 28],
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::general;

    #[test]
    fn sizes_are_the_kernels() {
        assert_eq!(size_of::<Stat>(), size_of::<general::stat>());
        assert_eq!(size_of::<Statx>(), size_of::<general::statx>());
        assert_eq!(size_of::<Statfs>(), size_of::<general::statfs>());
        assert_eq!(size_of::<Flock>(), size_of::<general::flock>());
        assert_eq!(size_of::<EpollEvent>(), 12);
        assert_eq!(size_of::<SignalfdSiginfo>(), 128);
    }
}
