//! Why a method failed.

use stockade_abi::Errno;

/// Why a method failed: in gVisor's words where it has them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// In words: cause and object.
    pub message: String,
    /// The error number behind it, if there is one.
    pub errno: Option<Errno>,
}

impl Error {
    /// Without an error number.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), errno: None }
    }

    /// What the kernel said when something was done to `object`.
    #[must_use]
    pub fn on(object: &str, errno: Errno) -> Self {
        Self { message: format!("{object}: {errno}"), errno: Some(errno) }
    }
}

impl From<Errno> for Error {
    fn from(errno: Errno) -> Self {
        Self { message: errno.to_string(), errno: Some(errno) }
    }
}
