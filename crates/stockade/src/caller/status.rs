//! What only /proc/self/status tells without changing it: the umask and the signal masks.

use std::io;

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Status {
    pub(super) umask: u32,
    pub(super) blocked: u64,
    pub(super) ignored: u64,
}

/// SIGPIPE's bit: Rust's runtime ignores it before `main`, whatever the caller had.
const SIGPIPE: u64 = 1 << 12;

impl Status {
    pub(super) fn read() -> io::Result<Self> {
        Self::parse(&std::fs::read_to_string("/proc/self/status")?)
    }

    fn parse(text: &str) -> io::Result<Self> {
        let field = |name: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(str::trim))
                .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, format!("no field {name}")))
        };
        let bad = |e| io::Error::new(io::ErrorKind::InvalidData, e);
        Ok(Self {
            umask: u32::from_str_radix(field("Umask")?, 8).map_err(bad)?,
            blocked: u64::from_str_radix(field("SigBlk")?, 16).map_err(bad)?,
            ignored: u64::from_str_radix(field("SigIgn")?, 16).map_err(bad)? & !SIGPIPE,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parsed() {
        let text = "Name:\tx\nUmask:\t0027\nSigBlk:\t8000000000000000\nSigIgn:\t0000000000001001\n";
        let want = Status { umask: 0o27, blocked: 1 << 63, ignored: 1 };
        assert_eq!(Status::parse(text).unwrap(), want);
        assert!(Status::parse("Umask:\t0022\n").unwrap_err().to_string().contains("SigBlk"));
        assert!(Status::parse("Umask:\t9\nSigBlk:\t0\nSigIgn:\t0\n").is_err());
    }
}
