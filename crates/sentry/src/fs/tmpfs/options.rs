//! Mount options (tmpfs(5)).

use stockade_abi::Errno;

use crate::vfs::{NewNode, NodeKind};

/// What `mount -o` may say of a new instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Bytes; 0 for no limit but the sandbox's. `None`: not said, which is that too until another is said.
    pub size: Option<u64>,
    /// Permissions of the root directory.
    pub mode: u32,
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self { size: None, mode: 0o1777, uid: 0, gid: 0 }
    }
}

/// A number with K, M or G behind it.
fn size(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "" => 1,
        "k" | "K" => 1 << 10,
        "m" | "M" => 1 << 20,
        "g" | "G" => 1 << 30,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(unit)
}

impl Options {
    /// Reads `name=value,…`. `total` is what a percentage is of.
    ///
    /// # Errors
    /// EINVAL for what tmpfs(5) does not know.
    pub fn parse(text: &[u8], total: u64) -> Result<Self, Errno> {
        let text = std::str::from_utf8(text).map_err(|_| Errno::EINVAL)?;
        let mut options = Self::default();
        for option in text.split(',').filter(|o| !o.is_empty()) {
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            let octal = || u32::from_str_radix(value, 8).map_err(|_| Errno::EINVAL);
            let id = || value.parse::<u32>().map_err(|_| Errno::EINVAL);
            match name {
                "size" if value.ends_with('%') => {
                    let percent = value[..value.len() - 1].parse::<u64>().map_err(|_| Errno::EINVAL)?;
                    options.size = Some(total / 100 * percent.min(100));
                }
                "size" => options.size = Some(size(value).ok_or(Errno::EINVAL)?),
                "nr_blocks" => {
                    let blocks = size(value).ok_or(Errno::EINVAL)?;
                    options.size = Some(blocks.checked_mul(4096).ok_or(Errno::EINVAL)?);
                }
                "mode" => options.mode = octal()? & 0o7777,
                "uid" => options.uid = id()?,
                "gid" => options.gid = id()?,
                // Inodes count as bytes here, and where pages lie is the host's business.
                "nr_inodes" | "huge" | "mpol" | "inode32" | "inode64" | "noswap" => {}
                _ => return Err(Errno::EINVAL),
            }
        }
        Ok(options)
    }

    pub(super) fn root(&self) -> NewNode {
        NewNode { kind: NodeKind::Directory, mode: self.mode, uid: self.uid, gid: self.gid }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read() {
        let options = Options::parse(b"size=2m,mode=755,uid=7,,gid=8", 0);
        assert_eq!(options, Ok(Options { size: Some(2 << 20), mode: 0o755, uid: 7, gid: 8 }));
        assert_eq!(Options::parse(b"", 0), Ok(Options::default()));
        assert_eq!(Options::parse(b"size=50%", 1000).map(|o| o.size), Ok(Some(500)));
        assert_eq!(Options::parse(b"size=0", 0).map(|o| o.size), Ok(Some(0)));
        for bad in [
            &b"size=x"[..],
            b"size=99999999999999999999",
            b"size=9223372036854775807g",
            b"what",
            b"uid=-1",
            b"\xff",
        ] {
            assert_eq!(Options::parse(bad, 0), Err(Errno::EINVAL), "{bad:?}");
        }
    }
}
