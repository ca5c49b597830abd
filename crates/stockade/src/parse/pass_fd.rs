//! Descriptors to pass on: `HOST` or `HOST:GUEST`.

/// One `--pass-fd`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PassFd {
    /// Its number here.
    pub host: i32,
    /// Its number in the program.
    pub guest: i32,
}

/// Splits `HOST[:GUEST]`.
///
/// # Errors
/// When one is no number of a descriptor.
pub fn pass_fd(text: &str) -> Result<PassFd, String> {
    let number = |text: &str| {
        let plain = text.bytes().all(|b| b.is_ascii_digit());
        text.parse::<i32>().ok().filter(|_| plain).ok_or("write it as HOST or HOST:GUEST, both numbers")
    };
    let (host, guest) = text.split_once(':').unwrap_or((text, text));
    Ok(PassFd { host: number(host)?, guest: number(guest)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        assert_eq!(pass_fd("3"), Ok(PassFd { host: 3, guest: 3 }));
        assert_eq!(pass_fd("3:10"), Ok(PassFd { host: 3, guest: 10 }));
        for bad in ["", "a", "-1", "+1", "1:", ":1", "1:2:3", "2147483648"] {
            assert!(pass_fd(bad).is_err(), "{bad}");
        }
    }
}
