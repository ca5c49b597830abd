//! What can go wrong.

use std::fmt;

use stockade_abi::Errno;
use thiserror::Error;

use super::pages::PageObject;

/// Something that cannot be saved.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{what} cannot be saved: {why}")]
pub struct Unsavable {
    /// What it is, as its owner knows it: a file by its path, a process by its number.
    pub what: String,
    /// Why not.
    pub why: String,
}

impl Unsavable {
    /// `what` cannot be saved because of `why`.
    #[must_use]
    pub fn new(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self { what: what.into(), why: why.into() }
    }

    /// The answer of a kind that has no saved form; `T` is the type behind it.
    #[must_use]
    pub fn kind<T: ?Sized>(kind: &str) -> Self {
        let name = std::any::type_name::<T>();
        let short = name.rsplit("::").next().unwrap_or(name);
        Self::new(format!("{kind} ({short})"), "this kind has no saved form")
    }
}

/// Why a kernel was not saved. It goes on as before.
#[derive(Debug, Error)]
pub enum SaveError {
    /// These things cannot be saved; nothing was written.
    #[error("{}", list(.0))]
    Unsavable(Vec<Unsavable>),
    /// Threads that do not stand still.
    #[error("not all threads of the sandbox stand still: {0}")]
    Moving(String),
    /// Memory could not be read.
    #[error("the memory of {object} cannot be read at {at:#x}: {error}")]
    Memory {
        /// Whose it is.
        object: PageObject,
        /// Where.
        at: u64,
        /// What the host said.
        error: Errno,
    },
    /// What was to be written to does not take it.
    #[error("the image cannot be written: {0}")]
    Write(#[from] std::io::Error),
}

fn list(problems: &[Unsavable]) -> String {
    let lines: Vec<String> = problems.iter().map(Unsavable::to_string).collect();
    lines.join("; ")
}

/// Why a kernel was not restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoreError {
    place: Option<(&'static str, u32)>,
    what: String,
}

impl RestoreError {
    /// Something is wrong with what is read.
    #[must_use]
    pub fn new(what: impl Into<String>) -> Self {
        Self { place: None, what: what.into() }
    }

    /// The host, or this kernel, refuses something.
    #[must_use]
    pub fn refused(what: &str, error: Errno) -> Self {
        Self::new(format!("{what}: {error}"))
    }

    /// Says which entry of which table it is about, unless that is known.
    #[must_use]
    pub fn at(mut self, table: &'static str, index: u32) -> Self {
        self.place.get_or_insert((table, index));
        self
    }
}

impl fmt::Display for RestoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Some((table, index)) => write!(f, "{table} {index}: {}", self.what),
            None => f.write_str(&self.what),
        }
    }
}

impl std::error::Error for RestoreError {}
