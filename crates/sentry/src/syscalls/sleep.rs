//! Sleeping (nanosleep(2), clock_nanosleep(2)).

use std::time::{Duration, Instant};

use stockade_abi::Errno;
use stockade_abi::general as c;
use stockade_abi::time::Timespec;

use super::restart::RestartBlock;
use super::{Args, Ctx, SysResult, clock_id};
use crate::mm::UserMemory;
use crate::time::interval::{after, nanos};
use crate::time::{Base, Slot, TimerClock};

/// A sleep for a relative time.
#[derive(Clone)]
pub(crate) struct Sleep {
    /// Its end.
    pub(crate) until: Until,
    /// Where what is left is stored, 0 for nowhere.
    pub(crate) left_at: u64,
}

/// How long to sleep.
#[derive(Clone)]
pub(crate) enum Until {
    /// The thread's own patience.
    Instant(Option<Instant>),
    /// Until a clock shows this much.
    Clock(TimerClock, u64),
}

impl Until {
    /// Sleeps; EAGAIN is not among the outcomes.
    fn wait(&self, ctx: &Ctx) -> SysResult {
        let (clock, at) = match self {
            Self::Instant(deadline) => return ctx.task.block_on::<u64>(*deadline, || Err(Errno::EAGAIN)),
            Self::Clock(clock, at) => (clock, *at),
        };
        let kernel = &ctx.task.kernel;
        let slot = Slot::default();
        let waited = ctx.task.block_on(None, || {
            // Anew each time, because the clock may have been set. Whose time ended is waited for in vain.
            if clock.now(kernel).is_some_and(|now| now >= at) {
                return Ok(0);
            }
            clock.schedule(kernel, &slot, at, &ctx.task.waiter);
            Err(Errno::EAGAIN)
        });
        clock.cancel(kernel, &slot);
        waited
    }

    fn left(&self, ctx: &Ctx) -> Duration {
        match self {
            Self::Instant(deadline) => {
                deadline.map_or(Duration::ZERO, |d| d.saturating_duration_since(Instant::now()))
            }
            Self::Clock(clock, at) => {
                Duration::from_nanos(at.saturating_sub(clock.now(&ctx.task.kernel).unwrap_or(0)))
            }
        }
    }
}

impl Sleep {
    /// Sleeps; on interruption stores what is left, and leaves a restart block.
    pub(super) fn run(self, ctx: &Ctx) -> SysResult {
        match self.until.wait(ctx) {
            Err(Errno::ETIMEDOUT) => Ok(0),
            Err(Errno::ERESTARTSYS) => {
                if self.left_at != 0 {
                    ctx.mm.copy_out(self.left_at, &Timespec::from_duration(self.until.left(ctx)))?;
                }
                ctx.restart_by(RestartBlock::Sleep(self))
            }
            other => other,
        }
    }
}

pub(super) fn nanosleep(ctx: &mut Ctx, a: &Args) -> SysResult {
    let time = ctx.mm.copy_in::<Timespec>(a.u64(0))?.to_duration()?;
    Sleep { until: Until::Instant(Instant::now().checked_add(time)), left_at: a.u64(1) }.run(ctx)
}

pub(super) fn clock_nanosleep(ctx: &mut Ctx, a: &Args) -> SysResult {
    let (id, absolute) = (a.u32(0), a.u32(1) & c::TIMER_ABSTIME != 0);
    if id == c::CLOCK_THREAD_CPUTIME_ID {
        return Err(Errno::EOPNOTSUPP);
    }
    // That there is no such clock comes before the time; that there is nobody of that number, after it.
    match clock_id::timer_clock(ctx, id) {
        Err(e) if e == Errno::EOPNOTSUPP || id as i32 >= 0 => return Err(e),
        _ => {}
    }
    let time = ctx.mm.copy_in::<Timespec>(a.u64(2))?.to_duration()?;
    if clock_id::is_own_thread(ctx, id) {
        return Err(Errno::EINVAL);
    }
    let clock = clock_id::timer_clock(ctx, id)?;
    if !absolute {
        let until = match &clock {
            TimerClock::Base(_) => Until::Instant(Instant::now().checked_add(time)),
            TimerClock::Cpu(cpu) => {
                let now = cpu.now(&ctx.task.kernel).ok_or(Errno::EINVAL)?;
                Until::Clock(clock, after(now, nanos(time)))
            }
        };
        return Sleep { until, left_at: a.u64(3) }.run(ctx);
    }
    let until = match clock {
        TimerClock::Base(Base::Monotonic) => {
            Until::Instant(Some(crate::time::clock::instant_of_monotonic(time)))
        }
        clock => Until::Clock(clock, nanos(time)),
    };
    match until.wait(ctx) {
        Err(Errno::ETIMEDOUT) => Ok(0),
        // An absolute sleep is simply begun again.
        Err(Errno::ERESTARTSYS) => Err(Errno::ERESTARTNOHAND),
        other => other,
    }
}
