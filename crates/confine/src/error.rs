//! What can go wrong while a sandbox is set up.

use std::io;

use crate::probe::Missing;

/// A step that failed, and why.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A call to the host failed.
    #[error("{step}: {source}")]
    Host {
        /// What was being done.
        step: String,
        /// What the host answered.
        source: io::Error,
    },
    /// The sentry could not set itself up; the text names step and cause.
    #[error("{0}")]
    Sentry(String),
    /// The host lacks something that is needed.
    #[error(transparent)]
    Missing(#[from] Missing),
}

impl Error {
    pub(crate) fn new(step: impl Into<String>, source: impl Into<io::Error>) -> Self {
        Self::Host { step: step.into(), source: source.into() }
    }
}

/// Adds the step to a host error.
pub(crate) trait Step<T> {
    fn step(self, step: &str) -> Result<T, Error>;
    fn step_with(self, step: impl FnOnce() -> String) -> Result<T, Error>;
}

impl<T, E: Into<io::Error>> Step<T> for Result<T, E> {
    fn step(self, step: &str) -> Result<T, Error> {
        self.map_err(|e| Error::new(step, e))
    }

    fn step_with(self, step: impl FnOnce() -> String) -> Result<T, Error> {
        self.map_err(|e| Error::new(step(), e))
    }
}
