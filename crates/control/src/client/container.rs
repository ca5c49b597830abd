//! `containerManager`, and lists of processes.

use super::{Client, Error};
use crate::types::container::SignalArgs;
use crate::types::process::{Process, PsArgs};

/// What a method without a result answers.
#[derive(serde::Deserialize)]
struct Nothing {}

impl Client {
    /// `containerManager.Signal`
    ///
    /// # Errors
    /// ESRCH if nobody is there to take it; see also [`Error`].
    pub fn signal(&mut self, args: &SignalArgs) -> Result<(), Error> {
        self.call("containerManager.Signal", args, &[]).map(|Nothing {}| ())
    }

    /// `containerManager.Pause`: all guest threads stand when it returns. To pause twice is to pause once.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn pause(&mut self) -> Result<(), Error> {
        self.call("containerManager.Pause", &(), &[]).map(|Nothing {}| ())
    }

    /// `containerManager.Resume`: they go on.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn resume(&mut self) -> Result<(), Error> {
        self.call("containerManager.Resume", &(), &[]).map(|Nothing {}| ())
    }

    /// `containerManager.Processes`: those of a container, `""` for all; in the order of their numbers.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn processes(&mut self, container: &str) -> Result<Vec<Process>, Error> {
        self.call("containerManager.Processes", &container, &[])
    }

    /// `Proc.Ps`: the processes as text.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn ps(&mut self, args: &PsArgs) -> Result<String, Error> {
        self.call("Proc.Ps", args, &[])
    }
}
