//! The kernel's version, for what cannot be tried, and small features.

#![expect(unsafe_code, reason = "calls that rustix lacks")]

use std::os::fd::{FromRawFd as _, OwnedFd};

use super::Probe;

/// The oldest line of kernels that Stockade is tested on, and the releases that fixed a race in user notification.
const OLDEST: Version = Version(6, 12, 0);
const FIXED: &[Version] = &[Version(6, 12, 53), Version(6, 17, 3)];
const FIXED_FOR_GOOD: Version = Version(6, 18, 0);

const NAME: &str = "Linux 6.12 or later";
const WHY: &str = "older kernels lose or repeat guest system calls in rare cases";

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Version(u32, u32, u32);

impl Version {
    /// From a release as uname(2) has it: "6.12.53-1-amd64".
    fn parse(release: &str) -> Option<Self> {
        let mut numbers = release.split(['.', '-', '+', '_', '~']).map(str::parse);
        let (Some(Ok(major)), Some(Ok(minor))) = (numbers.next(), numbers.next()) else { return None };
        Some(Self(major, minor, numbers.next().and_then(Result::ok).unwrap_or(0)))
    }

    /// Whether a signal that meets a fast answer is handled right (WAIT_KILLABLE_RECV).
    fn is_fixed(self) -> bool {
        self >= FIXED_FOR_GOOD
            || FIXED.iter().any(|fix| (self.0, self.1) == (fix.0, fix.1) && self.2 >= fix.2)
    }
}

/// The release.
pub(super) fn version() -> Probe {
    let uname = rustix::system::uname();
    judge(&uname.release().to_string_lossy())
}

fn judge(release: &str) -> Probe {
    let detail = format!("running {release}");
    let upgrade = "install Linux 6.18, or 6.12.53 or a later 6.12, unless your distribution has the fixes";
    match Version::parse(release) {
        Some(version) if version.is_fixed() => Probe::present(NAME, WHY, detail),
        Some(version) if version >= OLDEST => Probe::degraded(
            NAME,
            WHY,
            format!("{detail}, where a signal at the wrong moment may interrupt a guest's system call twice"),
            upgrade,
        ),
        // The features themselves are tried below: those decide.
        _ => Probe::degraded(NAME, WHY, detail, upgrade),
    }
}

/// Whether a thread that leads no process can be referred to by a pidfd (PIDFD_THREAD, pidfd_open(2)).
pub(super) fn has_thread_pidfds() -> bool {
    // SAFETY: no pointers.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, libc::gettid(), libc::PIDFD_THREAD) };
    if fd < 0 {
        return false;
    }
    // SAFETY: a new descriptor, which nobody else owns.
    drop(unsafe { OwnedFd::from_raw_fd(fd as i32) });
    true
}

pub(super) fn thread_pidfds() -> Probe {
    const NAME: &str = "pidfds of threads (PIDFD_THREAD)";
    const WHY: &str = "the listener of a guest thread is fetched through one";
    if has_thread_pidfds() {
        Probe::present(NAME, WHY, "pidfd_open of a thread works")
    } else {
        let error = std::io::Error::last_os_error();
        Probe::missing(
            NAME,
            WHY,
            format!("pidfd_open of a thread failed: {error}"),
            "install Linux 6.9 or later",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    #[test]
    fn reads_releases() {
        assert_eq!(Version::parse("6.18.44-fc-v595"), Some(Version(6, 18, 44)));
        assert_eq!(Version::parse("6.12-rc3"), Some(Version(6, 12, 0)));
        assert_eq!(Version::parse("7.0"), Some(Version(7, 0, 0)));
        assert_eq!(Version::parse("linux"), None);
    }

    #[test]
    fn knows_the_fixed_ones() {
        let state = |release| judge(release).state;
        for good in ["6.18.0", "6.12.53", "6.12.60-amd64", "6.17.3", "7.1.2"] {
            assert_eq!(state(good), State::Present, "{good}");
        }
        for risky in ["6.12.52", "6.13.99", "6.17.2", "6.6.112", "5.10.0", "what"] {
            assert_eq!(state(risky), State::Degraded, "{risky}");
        }
    }
}
