//! `Logging`.

use super::{Client, Error};
use crate::types::logging::{LoggingArgs, LoggingSettings};

impl Client {
    /// `Logging.Change`: what the sentry's log and readers of events are told of, from now on. What the arguments do not set
    /// stays as it is.
    ///
    /// # Errors
    /// A name that is no system call's, with near ones; nothing is changed then. See also [`Error`].
    pub fn change_logging(&mut self, args: &LoggingArgs) -> Result<(), Error> {
        self.call("Logging.Change", args, &[]).map(|_: i32| ())
    }

    /// `Logging.Settings`: what they are told of now.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn logging_settings(&mut self) -> Result<LoggingSettings, Error> {
        self.call("Logging.Settings", &(), &[])
    }
}
