//! `Proc`, and `containerManager.ExecuteAsync`.

use std::os::fd::BorrowedFd;

use super::{Client, Error};
use crate::types::proc::{DefaultsArgs, ExecArgs, ProcessDefaults};

impl Client {
    /// `Proc.Exec`: executes a program and waits for its end; gives what that was (wait(2)'s encoding). `files` become its
    /// descriptors, see [`ExecArgs::guest_fds`].
    ///
    /// # Errors
    /// ENOENT, EACCES, ENOEXEC … (execve(2)) with the file's name; see also [`Error`].
    pub fn exec(&mut self, args: &ExecArgs, files: &[BorrowedFd<'_>]) -> Result<u32, Error> {
        self.call("Proc.Exec", args, files)
    }

    /// `containerManager.ExecuteAsync`: executes a program and gives its PID. HOME is set if `args` do not set it.
    ///
    /// # Errors
    /// As [`exec`](Self::exec).
    pub fn execute_async(&mut self, args: &ExecArgs, files: &[BorrowedFd<'_>]) -> Result<i32, Error> {
        self.call("containerManager.ExecuteAsync", args, files)
    }

    /// `Proc.Defaults`: what the first process was started with, or has of a user of the sandbox.
    ///
    /// # Errors
    /// ENOENT for a user or group that the sandbox does not know; see also [`Error`].
    pub fn defaults(&mut self, args: &DefaultsArgs) -> Result<ProcessDefaults, Error> {
        self.call("Proc.Defaults", args, &[])
    }
}
