//! Tuning the clock (adjtimex(2)). The host's clock is not a guest's to tune, nor is its state shown: it looks like a
//! clock that no time service has set.

use stockade_abi::Errno;
use stockade_abi::general as c;
use stockade_abi::time::{Timeval, Timex};

use super::{Args, Ctx, SysResult, clock_id};
use crate::mm::UserMemory;
use crate::time::clock;

const ADJ_OFFSET_SINGLESHOT: u32 = 0x0001;
const ADJ_OFFSET_READONLY: u32 = 0x2000;
const ADJ_ADJTIME: u32 = 0x8000;
const STA_UNSYNC: i32 = 0x40;
/// The clock is not synchronized.
const TIME_ERROR: u64 = 5;
/// Microseconds that such a clock may be wrong by (`NTP_PHASE_LIMIT`).
const UNKNOWN_ERROR: i64 = 16_000_000;
/// Parts per million, shifted by 16 bits (`MAXFREQ_SCALED`).
const TOLERANCE: i64 = 500 << 16;

fn adjust(ctx: &Ctx, addr: u64) -> SysResult {
    let given: Timex = ctx.mm.copy_in(addr)?;
    if given.modes & ADJ_ADJTIME != 0 && given.modes & ADJ_OFFSET_SINGLESHOT == 0 {
        return Err(Errno::EINVAL);
    }
    let only_reads = given.modes == 0
        || given.modes & (ADJ_ADJTIME | ADJ_OFFSET_READONLY) == ADJ_ADJTIME | ADJ_OFFSET_READONLY;
    if !only_reads {
        return Err(Errno::EPERM);
    }
    let now = clock::now();
    let state = Timex {
        modes: given.modes,
        maxerror: UNKNOWN_ERROR,
        esterror: UNKNOWN_ERROR,
        status: STA_UNSYNC,
        constant: 2,
        precision: 1,
        tolerance: TOLERANCE,
        time: Timeval { sec: now.sec, usec: now.nsec / 1000 },
        tick: 10_000,
        ..Timex::default()
    };
    ctx.mm.copy_out(addr, &state)?;
    Ok(TIME_ERROR)
}

pub(super) fn adjtimex(ctx: &mut Ctx, a: &Args) -> SysResult {
    adjust(ctx, a.u64(0))
}

pub(super) fn clock_adjtime(ctx: &mut Ctx, a: &Args) -> SysResult {
    if a.u32(0) == c::CLOCK_REALTIME {
        return adjust(ctx, a.u64(1));
    }
    ctx.mm.copy_in::<Timex>(a.u64(1))?;
    match clock_id::timer_clock(ctx, a.u32(0)) {
        Err(Errno::EINVAL) => Err(Errno::EINVAL),
        _ => Err(Errno::EOPNOTSUPP),
    }
}
