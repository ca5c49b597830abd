//! Burying dead stubs. Only the zygote, their parent, can reap them; it is told which, so that none is reaped before
//! the sentry has let go of its PID.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use parking_lot::Mutex;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::Shared;
use super::channel::Op;
use super::layout::MAX_FDS;

/// Dead stubs that may wait before the zygote is woken for them alone.
const WAITING: usize = MAX_FDS - 2;
/// Dead stubs that are worth it when the zygote is needed anyway, but in a batch of its own.
const WORTH_IT: usize = WAITING / 2;

/// The stubs that are dead or dying and have not been reaped.
#[derive(Debug, Default)]
pub(crate) struct Reaper {
    waiting: Mutex<Vec<OwnedFd>>,
}

impl Reaper {
    /// Takes over a killed stub. Reaps a batch if enough have gathered.
    pub(crate) fn bury(&self, shared: &Arc<Shared>, pidfd: OwnedFd) {
        let mut waiting = self.waiting.lock();
        waiting.push(pidfd);
        let full = waiting.len() >= WAITING;
        drop(waiting);
        if full {
            self.reap(shared);
        }
    }

    /// Has the zygote reap those that have ended, if it is worth it.
    pub(crate) fn reap_some(&self, shared: &Arc<Shared>) {
        if self.waiting.lock().len() >= WORTH_IT {
            self.reap(shared);
        }
    }

    /// Has the zygote reap those that have ended. One by one where several fail: a batch ends at its first failure, and
    /// nothing else may depend on it.
    fn reap(&self, shared: &Arc<Shared>) {
        let dead = self.dead();
        let mut rest = dead.as_slice();
        while !rest.is_empty() {
            let (ops, fds) = reap_ops(rest, 1);
            match shared.zygote.lock().run(&ops, &fds) {
                Ok(()) => break,
                Err((failed, error)) => {
                    tracing::debug!(%error, "a stub could not be reaped and stays a zombie until the sandbox ends");
                    rest = rest.get(failed + 1..).unwrap_or_default();
                }
            }
        }
    }

    /// Takes those that have ended, as many as one batch can carry beside a fork.
    fn dead(&self) -> Vec<OwnedFd> {
        let mut waiting = self.waiting.lock();
        if waiting.is_empty() {
            return Vec::new();
        }
        let mut polls: Vec<PollFd<'_>> = waiting.iter().map(|fd| PollFd::new(fd, PollFlags::IN)).collect();
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        if poll(&mut polls, Some(&now)).is_err() {
            return Vec::new();
        }
        let ended: Vec<bool> = polls.iter().map(|p| p.revents().contains(PollFlags::IN)).collect();
        let mut dead = Vec::new();
        let mut alive = Vec::with_capacity(waiting.len());
        for (fd, ended) in waiting.drain(..).zip(ended) {
            if ended && dead.len() < WAITING { dead.push(fd) } else { alive.push(fd) }
        }
        *waiting = alive;
        dead
    }
}

/// Whether a process has ended.
pub(crate) fn has_ended(pidfd: &OwnedFd) -> bool {
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut [PollFd::new(pidfd, PollFlags::IN)], Some(&now)).is_ok_and(|ready| ready > 0)
}

/// The operations that reap these, if their descriptors arrive as `first` and following.
fn reap_ops(dead: &[OwnedFd], first: u64) -> (Vec<Op>, Vec<BorrowedFd<'_>>) {
    let flags = (libc::WEXITED | libc::WNOHANG) as u64;
    let ops = (first..)
        .zip(dead)
        .map(|(fd, _)| Op::call(libc::SYS_waitid, [libc::P_PIDFD.into(), fd, 0, flags, 0, 0]));
    (ops.collect(), dead.iter().map(AsFd::as_fd).collect())
}
