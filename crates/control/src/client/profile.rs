//! `Profile`, `debug`, `Stockade.Top` and `Stockade.Strace`. Profiles are written to a descriptor: a file, a pipe, a socket.

use std::os::fd::BorrowedFd;

use super::{Client, Error, Nothing};
use crate::types::profile::{
    BlockProfileOpts, CpuProfileOpts, HeapProfileOpts, MutexProfileOpts, ProfileOpts, TraceProfileOpts,
};
use crate::types::top::{StraceArgs, StraceLines, Top};

impl Client {
    /// `Profile.StartCPUProfile`: 100 samples per second of CPU time, until [`stop_cpu_profile`](Self::stop_cpu_profile)
    /// writes them to `file`, as profile.proto of pprof, compressed.
    ///
    /// # Errors
    /// While another one is under way; if `file` is not open for writing. See also [`Error`].
    pub fn start_cpu_profile(&mut self, file: BorrowedFd<'_>) -> Result<(), Error> {
        self.profile("StartCPUProfile", &ProfileOpts::default(), file)
    }

    /// `Profile.StopCPUProfile`
    ///
    /// # Errors
    /// If none was started, and what the host says to writing (EPIPE, ENOSPC, ETIMEDOUT after 10 s in which nobody reads):
    /// it has ended nevertheless. See also [`Error`].
    pub fn stop_cpu_profile(&mut self) -> Result<(), Error> {
        self.call("Profile.StopCPUProfile", &(), &[]).map(|Nothing {}| ())
    }

    /// `Profile.CPU`: samples for a time, then writes them to `file`.
    ///
    /// # Errors
    /// As [`start_cpu_profile`](Self::start_cpu_profile) and [`stop_cpu_profile`](Self::stop_cpu_profile).
    pub fn profile_cpu(&mut self, args: &CpuProfileOpts, file: BorrowedFd<'_>) -> Result<(), Error> {
        self.profile("CPU", args, file)
    }

    /// `Profile.HeapProfile`: what the sentry has allocated and not freed, by who allocated it, sampled; as
    /// profile.proto of pprof, compressed.
    ///
    /// # Errors
    /// What the host says to writing. See also [`Error`].
    pub fn profile_heap(&mut self, file: BorrowedFd<'_>) -> Result<(), Error> {
        self.profile("HeapProfile", &ProfileOpts::default(), file)
    }

    /// `Profile.Heap`: the same after a while.
    ///
    /// # Errors
    /// As [`profile_heap`](Self::profile_heap).
    pub fn profile_heap_later(&mut self, args: &HeapProfileOpts, file: BorrowedFd<'_>) -> Result<(), Error> {
        self.profile("Heap", args, file)
    }

    /// `Profile.Block`: where calls of guests wait in the sentry, for a time; as profile.proto of pprof, compressed.
    ///
    /// # Errors
    /// While another one is under way; what the host says to writing. See also [`Error`].
    pub fn profile_block(&mut self, args: &BlockProfileOpts, file: BorrowedFd<'_>) -> Result<(), Error> {
        self.profile("Block", args, file)
    }

    /// `Profile.Mutex`: where the sentry's threads wait for its locks, for a time; as profile.proto of pprof, compressed.
    ///
    /// # Errors
    /// As [`profile_block`](Self::profile_block).
    pub fn profile_mutex(&mut self, args: &MutexProfileOpts, file: BorrowedFd<'_>) -> Result<(), Error> {
        self.profile("Mutex", args, file)
    }

    /// `Profile.Goroutine`: the stacks of the sentry's threads and what each waits for, as text.
    ///
    /// # Errors
    /// What the host says to writing. See also [`Error`].
    pub fn profile_stacks(&mut self, file: BorrowedFd<'_>) -> Result<(), Error> {
        self.profile("Goroutine", &ProfileOpts::default(), file)
    }

    /// `debug.Stacks`: the same as a string.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn stacks(&mut self) -> Result<String, Error> {
        self.call("debug.Stacks", &(), &[])
    }

    /// `Profile.StartTrace`: what tasks do and when, written to `file` until [`stop_trace`](Self::stop_trace), in the
    /// Trace Event Format that Perfetto's and Chrome's viewers open.
    ///
    /// # Errors
    /// While another one is under way; if `file` is not open for writing. See also [`Error`].
    pub fn start_trace(&mut self, file: BorrowedFd<'_>) -> Result<(), Error> {
        self.profile("StartTrace", &ProfileOpts::default(), file)
    }

    /// `Profile.StopTrace`
    ///
    /// # Errors
    /// If none was started, and what the host has said to writing: it has ended nevertheless. See also [`Error`].
    pub fn stop_trace(&mut self) -> Result<(), Error> {
        self.call("Profile.StopTrace", &(), &[]).map(|Nothing {}| ())
    }

    /// `Profile.Trace`: the same for a time.
    ///
    /// # Errors
    /// As [`start_trace`](Self::start_trace) and [`stop_trace`](Self::stop_trace).
    pub fn trace(&mut self, args: &TraceProfileOpts, file: BorrowedFd<'_>) -> Result<(), Error> {
        self.profile("Trace", args, file)
    }

    /// `Stockade.Top`: figures of processes and calls.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn top(&mut self) -> Result<Top, Error> {
        self.call("Stockade.Top", &(), &[])
    }

    /// `Stockade.Strace`: what one process did since line number `since`.
    ///
    /// # Errors
    /// ESRCH; see also [`Error`].
    pub fn strace(&mut self, pid: i32, since: u64) -> Result<StraceLines, Error> {
        self.call("Stockade.Strace", &StraceArgs { pid, since }, &[])
    }

    fn profile(
        &mut self,
        what: &str,
        args: &impl serde::Serialize,
        file: BorrowedFd<'_>,
    ) -> Result<(), Error> {
        self.call(&format!("Profile.{what}"), args, &[file]).map(|Nothing {}| ())
    }
}
