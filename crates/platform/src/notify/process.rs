//! One stub process: what the sentry holds of it.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use stockade_abi::Errno;

use super::channel::{Channel, Identity, NOBODY, Op, pair};
use super::control::ControlMemory;
use super::parked::Waiting;
use super::procfs::{self, Stat};
use super::slots::Slots;
use super::zygote::fork_op;
use super::{Shared, filter, memory, reaper};

/// A stub. Its PID stays taken, and its descriptor open, until this is dropped and the zygote has reaped it: so the PID
/// never names another process while it is in use here.
pub(crate) struct Stub {
    pub(crate) shared: Arc<Shared>,
    /// Who it is: it says so itself, and is not waited for before somebody needs to know.
    identity: OnceLock<Identity>,
    channel: Mutex<Channel>,
    /// The listener of the guest thread that it has made of its own accord.
    first: Mutex<Option<Result<OwnedFd, Errno>>>,
    /// The first is taken from the beginning.
    pub(crate) slots: Mutex<Slots>,
    pub(crate) parked: Waiting,
    /// Guest threads that it has had.
    pub(crate) threads: AtomicUsize,
    /// The thread of the host that its first guest thread was.
    pub(crate) first_tid: OnceLock<i32>,
    /// What the helper had used when a second guest thread was first seen.
    helper_time: OnceLock<Duration>,
    killed: AtomicBool,
}

impl Stub {
    /// Forks a stub from the process behind `parent`: the zygote's channel or another stub's.
    fn fork_from(shared: &Arc<Shared>, parent: &Mutex<Channel>, flags: i32) -> Result<Arc<Self>, Errno> {
        let memory: &Arc<ControlMemory> = &shared.control;
        let page = memory.page()?;
        let (ours, theirs) = pair()?;
        let fork = fork_op(flags, page.offset());
        let mut slots = Slots::default();
        // Whoever wants a stub wants a guest thread in it soon: that takes the first slot.
        slots.take().ok_or(Errno::EAGAIN)?;
        let fds = [memory.descriptor(), theirs.as_fd()];
        let channel = Channel::born_of(&mut parent.lock(), fork, &fds, ours, page)?;
        Ok(Arc::new(Self {
            shared: Arc::clone(shared),
            identity: OnceLock::new(),
            channel: Mutex::new(channel),
            first: Mutex::new(None),
            slots: Mutex::new(slots),
            parked: Waiting::default(),
            threads: AtomicUsize::new(0),
            first_tid: OnceLock::new(),
            helper_time: OnceLock::new(),
            killed: AtomicBool::new(false),
        }))
    }

    /// A new one.
    pub(crate) fn from_zygote(shared: &Arc<Shared>) -> Result<Arc<Self>, Errno> {
        let made = Self::fork_from(shared, &shared.zygote, filter::ZYGOTE_FORK_FLAGS);
        made.inspect_err(|error| tracing::debug!(%error, "no new stub from the zygote"))
    }

    /// Whether it is known to have died.
    pub(crate) fn has_died(&self) -> bool {
        self.identity().is_none_or(|who| reaper::has_ended(&who.pidfd))
    }

    /// What commands its helper, once it is there.
    pub(crate) fn channel(&self) -> MutexGuard<'_, Channel> {
        let mut channel = self.channel.lock();
        match channel.hello() {
            Some(Ok(hello)) => {
                // Comes once.
                let _ = self.identity.set(hello.identity);
                *self.first.lock() = Some(hello.listener);
            }
            Some(Err(e)) => *self.first.lock() = Some(Err(e)),
            None => {}
        }
        channel
    }

    fn identity(&self) -> Option<&Identity> {
        self.identity.get().or_else(|| {
            drop(self.channel());
            self.identity.get()
        })
    }

    /// Its number on the host; one that nobody has if it died before it could tell.
    pub(crate) fn pid(&self) -> i32 {
        self.identity().map_or(NOBODY, |who| who.pid)
    }

    /// The listener of the guest thread that it has made of its own accord, once.
    pub(crate) fn first_thread(&self) -> Result<OwnedFd, Errno> {
        drop(self.channel());
        self.first.lock().take().unwrap_or(Err(Errno::EAGAIN))
    }

    /// A copy of this one.
    pub(crate) fn fork(&self) -> Result<Arc<Self>, Errno> {
        let child = Self::fork_from(&self.shared, &self.channel, filter::FORK_FLAGS);
        child.map_err(|e| self.failed(e))
    }

    /// Carries out a batch; a helper that does not answer as it should is the end of the stub.
    pub(crate) fn run(&self, ops: &[Op], fds: &[BorrowedFd<'_>]) -> Result<(), (usize, Errno)> {
        let result = self.channel().run(ops, fds);
        result.map_err(|(i, e)| (i, self.failed(e)))
    }

    /// Carries out an operation that leaves something in the scratch memory, and reads that: guest data.
    pub(crate) fn run_and_read(&self, op: Op, at: u64, result: &mut [u8]) -> Result<(), Errno> {
        let pid = self.pid();
        let mut channel = self.channel();
        let done = channel.run(&[op], &[]).map(|()| memory::read_any(pid, at, result));
        drop(channel);
        done.map_err(|(_, e)| self.failed(e))?.map(drop)
    }

    /// Looks at a helper's failure: one that means that it cannot be relied on kills the stub.
    pub(crate) fn failed(&self, errno: Errno) -> Errno {
        if matches!(errno, Errno::ETIMEDOUT | Errno::ESRCH) {
            self.kill();
            return Errno::ESRCH;
        }
        errno
    }

    /// Whether it has had one guest thread: what the process has used, that has.
    fn is_simple(&self) -> bool {
        self.threads.load(Ordering::Relaxed) <= 1
    }

    /// CPU time that a thread has used. As long as there is no other, the whole process's, which is one call instead of
    /// three and counts what the helper did for it; that stays its own when others come, lest its clock go back.
    pub(crate) fn run_time(&self, tid: i32) -> Option<Duration> {
        let pid = self.pid();
        if self.is_simple() {
            return procfs::process_time(pid);
        }
        let time = procfs::run_time(&self.shared.proc, pid, tid)?;
        if self.first_tid.get() != Some(&tid) {
            return Some(time);
        }
        let helper = || procfs::run_time(&self.shared.proc, pid, pid).unwrap_or_default();
        Some(time + *self.helper_time.get_or_init(helper))
    }

    /// How a thread has spent its time, and on what else.
    pub(crate) fn stat(&self, tid: i32) -> Option<Stat> {
        procfs::stat(&self.shared.proc, self.pid(), (!self.is_simple()).then_some(tid))
    }

    pub(crate) fn is_killed(&self) -> bool {
        self.killed.load(Ordering::Relaxed)
    }

    pub(crate) fn kill(&self) {
        if !self.killed.swap(true, Ordering::Relaxed)
            && let Some(who) = self.identity()
        {
            // It may have died already; nothing else can go wrong.
            let _ = rustix::process::pidfd_send_signal(&who.pidfd, rustix::process::Signal::KILL);
        }
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.kill();
        if let Some(who) = self.identity.take() {
            self.shared.reaper.bury(&self.shared, who.pidfd);
        }
    }
}
