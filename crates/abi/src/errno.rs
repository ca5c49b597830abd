//! Error numbers (errno(3)).

/// A Linux error number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Errno(i32);

impl Errno {
    /// No such process.
    pub const ESRCH: Self = Self(3);

    /// The number.
    #[must_use]
    pub const fn raw(self) -> i32 {
        self.0
    }
}
