//! How an interrupted call goes on where it cannot simply be made again (restart_syscall(2)).

mod persist;

use stockade_abi::Errno;

use super::futex::FutexWait;
use super::poll::Poll;
use super::sleep::Sleep;
use super::{Args, Ctx, SysResult};

pub(crate) use persist::RestartState;

/// A call that was interrupted, with what is left of it.
#[derive(Clone)]
pub(crate) enum RestartBlock {
    /// nanosleep(2), clock_nanosleep(2)
    Sleep(Sleep),
    /// futex(2), FUTEX_WAIT with a time-out.
    FutexWait(FutexWait),
    /// poll(2)
    Poll(Poll),
}

impl Ctx {
    /// The call ends, to be gone on with unless a handler comes between.
    ///
    /// # Errors
    /// ERESTART_RESTARTBLOCK, always.
    pub(super) fn restart_by(&self, block: RestartBlock) -> SysResult {
        *self.task.restart.lock() = Some(block);
        Err(Errno::ERESTART_RESTARTBLOCK)
    }
}

pub(super) fn restart_syscall(ctx: &mut Ctx, _a: &Args) -> SysResult {
    let block = ctx.task.restart.lock().take();
    match block {
        Some(RestartBlock::Sleep(sleep)) => sleep.run(ctx),
        Some(RestartBlock::FutexWait(wait)) => wait.run(ctx),
        Some(RestartBlock::Poll(poll)) => poll.run(ctx),
        None => Err(Errno::EINTR),
    }
}
