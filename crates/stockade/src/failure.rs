//! What Stockade says when it cannot do what it was asked: the cause, the object, and the next step.

use std::fmt;
use std::io;

/// Exit status of `stockade do` for Stockade's own errors, as podman and docker use it.
pub const OWN_ERROR: u8 = 125;

/// A failure as the user reads it.
#[derive(Debug)]
pub struct Failure {
    /// Object and cause: `--root /srv/x: No such file or directory`.
    pub cause: String,
    /// What to do about it; empty when nothing helps.
    pub hint: String,
}

impl Failure {
    /// From object and cause, and what to do.
    pub fn new(cause: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { cause: cause.into(), hint: hint.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.cause)?;
        if !self.hint.is_empty() {
            write!(f, "\n  hint: {}", self.hint)?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}

/// The text of an error without the number that std appends.
#[must_use]
pub fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error") {
        Some((reason, _)) => reason.to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_as_cause_and_hint() {
        let missing = io::Error::from_raw_os_error(2);
        let failure = Failure::new(format!("--root /x: {}", reason(&missing)), "create it");
        assert_eq!(failure.to_string(), "--root /x: No such file or directory\n  hint: create it");
        assert_eq!(Failure::new("a", "").to_string(), "a");
    }
}
