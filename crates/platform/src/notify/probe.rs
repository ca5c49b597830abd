//! Which calls an inherited seccomp filter answers before the sentry can: some container engines put everything they
//! start under one. An answer with an error outranks a notification, but not a trap.
#![expect(unsafe_code, reason = "symbols of assembled code can only be declared as unsafe externs")]

use std::arch::global_asm;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use stockade_abi::{Errno, nr};

use super::error::errno;
use super::layout as l;
use crate::{AddressSpace, Backing, Context, Event, GpRegs, MemoryOp, Prot, StopCause};

/// Numbers that are tried: all there are, and room to grow.
const NUMBERS: u32 = 512;
/// Calls for which an inherited filter may kill before we give up.
const DEATHS: usize = 64;
/// The host passes these around all filters; outside of its own probes they are SIGILL.
const NEVER_FILTERED: [u32; 2] = [nr::uretprobe, nr::uprobe];

/// Where the probe runs.
const CODE: u64 = l::GUEST_BEGIN;
/// Where it says how far it has come.
const PROGRESS: u64 = l::GUEST_BEGIN + 2 * l::PAGE;

global_asm!(include_str!("probe.s"));

unsafe extern "C" {
    safe static stockade_probe_begin: u8;
    safe static stockade_probe_end: u8;
}

fn code() -> &'static [u8] {
    let (begin, end) = (&raw const stockade_probe_begin, &raw const stockade_probe_end);
    // SAFETY: the two symbols enclose the code, which is constant and lives as long as the program.
    unsafe { std::slice::from_raw_parts(begin, end as usize - begin as usize) }
}

/// Whether this thread is under a filter.
pub(crate) fn filtered() -> bool {
    // SAFETY: no pointers.
    unsafe { libc::prctl(libc::PR_GET_SECCOMP, 0, 0, 0, 0) != 0 }
}

/// Tries all numbers in address spaces that `make` makes; returns those that must be trapped to be seen.
pub(crate) fn answered_by_others<S: AddressSpace>(
    make: impl Fn() -> Result<S, Errno>,
) -> Result<Vec<u32>, Errno> {
    let progress = memfd_create("stockade-probe", MemfdFlags::CLOEXEC).map_err(errno)?;
    ftruncate(&progress, l::PAGE).map_err(errno)?;
    let mut reached = vec![false; NUMBERS as usize];
    let mut from = 0;
    for _ in 0..DEATHS {
        try_numbers(&make()?, from, &progress, &mut reached)?;
        let mut at = [0; 4];
        rustix::io::pread(&progress, &mut at, 0).map_err(errno)?;
        let at = u32::from_ne_bytes(at);
        if at >= NUMBERS {
            let unseen =
                (0..NUMBERS).zip(&reached).filter(|&(nr, &seen)| !seen && !NEVER_FILTERED.contains(&nr));
            // Usual filters judge the first two by their arguments.
            return Ok([nr::socket, nr::personality].into_iter().chain(unseen.map(|(nr, _)| nr)).collect());
        }
        // Nothing outranks a kill: a guest that makes this call takes its own process with it.
        let call = nr::name(at.into()).unwrap_or("?");
        tracing::warn!(call, nr = at, "an inherited seccomp filter kills for this call");
        from = at + 1;
    }
    Err(Errno::EPERM)
}

/// Tries numbers from `from` on and notes which the sentry got to see; ends early at one that kills.
fn try_numbers(
    space: &dyn AddressSpace,
    from: u32,
    progress: &OwnedFd,
    reached: &mut [bool],
) -> Result<(), Errno> {
    let map = |at: u64, backing| MemoryOp::Map {
        range: at..at + l::PAGE,
        prot: Prot::READ | Prot::WRITE,
        backing,
        no_reserve: false,
        populate: false,
    };
    let ops = [map(CODE, Backing::Anonymous), map(PROGRESS, Backing::Shared(progress.as_fd(), 0))];
    space.apply(&ops).map_err(|(_, e)| e)?;
    space.write(CODE, code())?;
    space.apply(&[MemoryOp::Protect(CODE..CODE + l::PAGE, Prot::READ | Prot::EXEC)]).map_err(|(_, e)| e)?;
    let mut thread = space.new_thread()?;
    let end = CODE + code().len() as u64 - 2;
    let mut see = |nr: u64| {
        if let Some(seen) = usize::try_from(nr).ok().and_then(|nr| reached.get_mut(nr)) {
            *seen = true;
        }
    };
    loop {
        match thread.next_event() {
            Event::Stopped(StopCause::Start) => {
                let regs = GpRegs {
                    rip: CODE,
                    r12: from.into(),
                    r13: NUMBERS.into(),
                    rbx: PROGRESS,
                    eflags: 0x202,
                    ..GpRegs::default()
                };
                *thread.context_mut() = Context { regs, ..Context::default() };
                thread.resume()?;
            }
            Event::Syscall(request) => {
                see(request.nr);
                thread.complete(0);
            }
            Event::Stopped(StopCause::Syscall(request)) => {
                see(request.nr);
                thread.resume()?;
            }
            Event::Stopped(StopCause::Fault(_)) if thread.context().regs.rip == end => {
                thread.exit();
                return Ok(());
            }
            Event::Stopped(_) => thread.resume()?,
            Event::Died => return Ok(()),
        }
    }
}
