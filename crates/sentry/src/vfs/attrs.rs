//! What an inode says of itself (inode(7)).

use serde::{Deserialize, Serialize};
use stockade_abi::file::{Stat, Statx, StatxTimestamp};
use stockade_abi::general as c;
use stockade_abi::time::Timespec;

/// The type of a file, with its S_IF bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "named as in inode(7)")]
pub enum FileType {
    #[default]
    Regular,
    Directory,
    Symlink,
    Fifo,
    Socket,
    CharDevice,
    BlockDevice,
}

impl FileType {
    /// S_IF bits.
    #[must_use]
    pub const fn mode_bits(self) -> u32 {
        match self {
            Self::Regular => c::S_IFREG,
            Self::Directory => c::S_IFDIR,
            Self::Symlink => c::S_IFLNK,
            Self::Fifo => c::S_IFIFO,
            Self::Socket => c::S_IFSOCK,
            Self::CharDevice => c::S_IFCHR,
            Self::BlockDevice => c::S_IFBLK,
        }
    }

    /// From the S_IF bits of a mode; unknown ones are regular files.
    #[must_use]
    pub const fn from_mode(mode: u32) -> Self {
        match mode & c::S_IFMT {
            c::S_IFDIR => Self::Directory,
            c::S_IFLNK => Self::Symlink,
            c::S_IFIFO => Self::Fifo,
            c::S_IFSOCK => Self::Socket,
            c::S_IFCHR => Self::CharDevice,
            c::S_IFBLK => Self::BlockDevice,
            _ => Self::Regular,
        }
    }

    /// `d_type` of getdents64(2).
    #[must_use]
    pub const fn d_type(self) -> u8 {
        (self.mode_bits() >> 12) as u8
    }
}

/// The attributes of an inode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "named as in stat(2)")]
pub struct Attrs {
    pub dev: u64,
    pub ino: u64,
    /// Type and permissions.
    pub mode: u32,
    pub nlink: u32,
    pub uid: u32,
    pub gid: u32,
    pub rdev: u64,
    pub size: u64,
    pub blksize: u32,
    /// Units of 512 bytes.
    pub blocks: u64,
    pub atime: Timespec,
    pub mtime: Timespec,
    pub ctime: Timespec,
    pub btime: Option<Timespec>,
}

/// Device number from major and minor, as the kernel's `new_encode_dev` for stat(2).
#[must_use]
pub const fn make_dev(major: u32, minor: u32) -> u64 {
    (minor as u64 & 0xff)
        | ((major as u64 & 0xfff) << 8)
        | ((minor as u64 & !0xff) << 12)
        | ((major as u64 & !0xfff) << 32)
}

/// Major number of a device number.
#[must_use]
pub const fn dev_major(dev: u64) -> u32 {
    (((dev >> 8) & 0xfff) | ((dev >> 32) & !0xfff)) as u32
}

/// Minor number of a device number.
#[must_use]
pub const fn dev_minor(dev: u64) -> u32 {
    ((dev & 0xff) | ((dev >> 12) & !0xff)) as u32
}

impl Attrs {
    /// The file's type.
    #[must_use]
    pub const fn file_type(&self) -> FileType {
        FileType::from_mode(self.mode)
    }

    /// As stat(2) gives it.
    #[must_use]
    pub fn to_stat(&self) -> Stat {
        Stat {
            dev: self.dev,
            ino: self.ino,
            nlink: u64::from(self.nlink),
            mode: self.mode,
            uid: self.uid,
            gid: self.gid,
            rdev: self.rdev,
            size: self.size as i64,
            blksize: i64::from(self.blksize),
            blocks: self.blocks as i64,
            atime: self.atime,
            mtime: self.mtime,
            ctime: self.ctime,
            ..Stat::default()
        }
    }

    /// As statx(2) gives it: the basic fields, the birth time if known, and the mount.
    #[must_use]
    pub fn to_statx(&self, mnt_id: u64) -> Statx {
        let stamp = |t: Timespec| StatxTimestamp { sec: t.sec, nsec: t.nsec as u32, reserved: 0 };
        let btime = if self.btime.is_some() { c::STATX_BTIME } else { 0 };
        Statx {
            mask: c::STATX_BASIC_STATS | btime | c::STATX_MNT_ID,
            blksize: self.blksize,
            nlink: self.nlink,
            uid: self.uid,
            gid: self.gid,
            mode: self.mode as u16,
            ino: self.ino,
            size: self.size,
            blocks: self.blocks,
            atime: stamp(self.atime),
            btime: stamp(self.btime.unwrap_or_default()),
            ctime: stamp(self.ctime),
            mtime: stamp(self.mtime),
            rdev_major: dev_major(self.rdev),
            rdev_minor: dev_minor(self.rdev),
            dev_major: dev_major(self.dev),
            dev_minor: dev_minor(self.dev),
            mnt_id,
            ..Statx::default()
        }
    }
}

/// What to make a directory entry of.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as in mknod(2)")]
pub enum NodeKind {
    Regular,
    Directory,
    Symlink(Vec<u8>),
    Fifo,
    Socket,
    CharDevice(u64),
    BlockDevice(u64),
}

impl NodeKind {
    /// The type it will have.
    #[must_use]
    pub const fn file_type(&self) -> FileType {
        match self {
            Self::Regular => FileType::Regular,
            Self::Directory => FileType::Directory,
            Self::Symlink(_) => FileType::Symlink,
            Self::Fifo => FileType::Fifo,
            Self::Socket => FileType::Socket,
            Self::CharDevice(_) => FileType::CharDevice,
            Self::BlockDevice(_) => FileType::BlockDevice,
        }
    }
}

/// A new inode: umask and set-group-id directories are accounted for already.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct NewNode {
    pub kind: NodeKind,
    /// Permission bits only.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
}

/// A time to set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeSet {
    /// The current one.
    Now,
    /// A given one.
    At(Timespec),
}

/// Attributes to change; who may was checked before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as in inode(7)")]
pub struct SetAttrs {
    /// Permission bits only.
    pub mode: Option<u32>,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    pub size: Option<u64>,
    pub atime: Option<TimeSet>,
    pub mtime: Option<TimeSet>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_numbers_round_trip() {
        for (major, minor) in [(1, 3), (136, 7), (0xfff, 0xff), (0x1234, 0x54321)] {
            let dev = make_dev(major, minor);
            assert_eq!((dev_major(dev), dev_minor(dev)), (major, minor));
        }
        assert_eq!(FileType::Directory.d_type(), 4);
    }
}
