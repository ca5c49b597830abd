//! What an archive says of one file.

/// Rights, owner and time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Meta {
    /// Permissions, set-id and sticky bits.
    pub mode: u32,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// Seconds since 1970.
    pub mtime: i64,
    /// Nanoseconds beyond these.
    pub mtime_nsec: u32,
}

/// What kind of file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A regular file of this size. Of one with holes, only these pieces (offset, length) are there, in order.
    File {
        /// Bytes.
        size: u64,
        /// Where there is data; none if everywhere.
        pieces: Option<Vec<(u64, u64)>>,
    },
    /// A symbolic link to this.
    Symlink(Vec<u8>),
    /// Another name of what an entry before had this path.
    HardLink(Vec<u8>),
    /// A FIFO.
    Fifo,
    /// What is not taken along: devices, sockets.
    Other,
}
