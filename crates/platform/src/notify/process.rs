//! One stub process: what the sentry holds of it.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use parking_lot::Mutex;
use stockade_abi::Errno;

use super::channel::{Channel, Op, pair, pass_identity};
use super::control::ControlMemory;
use super::parked::Waiting;
use super::slots::Slots;
use super::zygote::{fork_op, thread_op};
use super::{Shared, filter, frame, memory};

/// A stub. Its PID stays taken, and its descriptor open, until this is dropped and the zygote has reaped it: so the PID
/// never names another process while it is in use here.
pub(crate) struct Stub {
    pub(crate) shared: Arc<Shared>,
    pub(crate) pid: i32,
    pidfd: Option<OwnedFd>,
    pub(crate) channel: Mutex<Channel>,
    /// The first is taken from the beginning.
    pub(crate) slots: Mutex<Slots>,
    pub(crate) parked: Waiting,
    /// Guest threads that it has had.
    pub(crate) threads: AtomicUsize,
    killed: AtomicBool,
}

impl Stub {
    /// Forks a stub from the process behind `parent`: the zygote's channel or another stub's.
    pub(crate) fn fork_from(
        shared: &Arc<Shared>,
        parent: &Mutex<Channel>,
        flags: i32,
    ) -> Result<Arc<Self>, Errno> {
        let memory: &Arc<ControlMemory> = &shared.control;
        let page = memory.page()?;
        let (ours, theirs) = pair()?;
        pass_identity(&ours, true)?;
        let fork = fork_op(flags, page.offset());
        let mut slots = Slots::default();
        let slot = slots.take().ok_or(Errno::EAGAIN)?;
        // Whoever wants a stub wants a guest thread in it soon.
        let mut channel = Channel::with_first(ours, page, thread_op(frame::start(slot)))?;
        let fds = [memory.descriptor(), theirs.as_fd()];
        let who = channel.born_of(&mut parent.lock(), fork, &fds)?;
        drop(theirs);
        Ok(Arc::new(Self {
            shared: Arc::clone(shared),
            pid: who.pid,
            pidfd: Some(who.pidfd),
            channel: Mutex::new(channel),
            slots: Mutex::new(slots),
            parked: Waiting::default(),
            threads: AtomicUsize::new(0),
            killed: AtomicBool::new(false),
        }))
    }

    /// A copy of this one.
    pub(crate) fn fork(&self) -> Result<Arc<Self>, Errno> {
        let child = Self::fork_from(&self.shared, &self.channel, filter::FORK_FLAGS);
        child.map_err(|e| self.failed(e))
    }

    /// Carries out a batch; a helper that does not answer as it should is the end of the stub.
    pub(crate) fn run(&self, ops: &[Op], fds: &[BorrowedFd<'_>]) -> Result<(), (usize, Errno)> {
        let result = self.channel.lock().run(ops, fds);
        result.map_err(|(i, e)| (i, self.failed(e)))
    }

    /// Carries out an operation that leaves something in the scratch memory, and reads that: guest data.
    pub(crate) fn run_and_read(&self, op: Op, at: u64, result: &mut [u8]) -> Result<(), Errno> {
        let mut channel = self.channel.lock();
        channel.run(&[op], &[]).map_err(|(_, e)| self.failed(e))?;
        memory::read_any(self.pid, at, result).map(drop)
    }

    /// Looks at a helper's failure: one that means that it cannot be relied on kills the stub.
    pub(crate) fn failed(&self, errno: Errno) -> Errno {
        if matches!(errno, Errno::ETIMEDOUT | Errno::ESRCH) {
            self.kill();
            return Errno::ESRCH;
        }
        errno
    }

    pub(crate) fn is_killed(&self) -> bool {
        self.killed.load(Ordering::Relaxed)
    }

    pub(crate) fn kill(&self) {
        if !self.killed.swap(true, Ordering::Relaxed)
            && let Some(pidfd) = &self.pidfd
        {
            // It may have died already; nothing else can go wrong.
            let _ = rustix::process::pidfd_send_signal(pidfd, rustix::process::Signal::KILL);
        }
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.kill();
        if let Some(pidfd) = self.pidfd.take() {
            self.shared.reaper.bury(&self.shared, pidfd);
        }
    }
}
