//! Why the platform could not start.

pub(crate) use crate::host::errno;
use stockade_abi::Errno;

/// A step of the start that failed.
#[derive(Debug, thiserror::Error)]
#[error("{step}: {errno}")]
pub struct StartError {
    /// What was being done, in words for the user.
    pub step: &'static str,
    /// What the host said.
    pub errno: Errno,
}

/// Names the step that a host call belongs to.
pub(crate) trait Step<T> {
    fn step(self, step: &'static str) -> Result<T, StartError>;
}

impl<T> Step<T> for Result<T, Errno> {
    fn step(self, step: &'static str) -> Result<T, StartError> {
        self.map_err(|errno| StartError { step, errno })
    }
}

impl<T> Step<T> for rustix::io::Result<T> {
    fn step(self, step: &'static str) -> Result<T, StartError> {
        self.map_err(|e| StartError { step, errno: errno(e) })
    }
}

/// The error number of a libc call that has just failed.
pub(crate) fn last_errno() -> Errno {
    Errno::from(std::io::Error::last_os_error())
}
