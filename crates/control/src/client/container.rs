//! `containerManager`, and lists of processes.

use super::{Client, Error, Nothing};
use crate::types::container::{ContainerStatus, SignalArgs, WaitPidArgs};
use crate::types::process::{Process, PsArgs};

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

    /// `containerManager.Status`: whether they run. Not gVisor's.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn status(&mut self) -> Result<ContainerStatus, Error> {
        self.call("containerManager.Status", &"", &[])
    }

    /// `containerManager.Wait`: waits for the end of the sandbox; gives that of its first process, in wait(2)'s encoding.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn wait(&mut self) -> Result<u32, Error> {
        self.call("containerManager.Wait", &"", &[])
    }

    /// `containerManager.WaitPID`: waits for the end of a process; gives it in wait(2)'s encoding.
    ///
    /// # Errors
    /// ESRCH if there is no such process, or if it has ended and its end was told to somebody else. See also [`Error`].
    pub fn wait_pid(&mut self, pid: i32) -> Result<u32, Error> {
        self.call("containerManager.WaitPID", &WaitPidArgs { pid, ..WaitPidArgs::default() }, &[])
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
