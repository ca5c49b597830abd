//! Samples of where the sentry's threads use CPU time.
//!
//! The host's timer of this process's CPU time (ITIMER_PROF of setitimer(2)) sends SIGPROF each time the threads together
//! have used so much, and gives it to the one that runs at that moment. Its handler walks the stack. Threads that wait are
//! left alone. The host looks at the timer at its ticks only, so that there are at most as many samples per second and CPU
//! as it has ticks (CONFIG_HZ; 250 is usual).

#![expect(unsafe_code, reason = "a signal handler")]

use std::io;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::channel::{Channel, Collector, Sample};
use super::{stacks, unwind};

/// Samples per second of CPU time, if nobody says another number.
pub const DEFAULT_RATE: u32 = 100;

/// The most that can be asked for.
pub const MAX_RATE: u32 = 1000;

static CHANNEL: Channel = Channel::new();

/// Sampling under way, until it is dropped.
pub struct CpuSampling {
    collector: Collector,
    rate: u32,
    begun: Duration,
    /// Another one may have begun since: its timer is not this one's to stop.
    is_over: AtomicBool,
}

impl CpuSampling {
    /// Begins to take `rate` samples (at most [`MAX_RATE`]) for each second of CPU time; none if this goes on already.
    ///
    /// # Errors
    /// What the host says to setitimer(2).
    pub fn start(rate: u32) -> io::Result<Option<Self>> {
        let rate = rate.clamp(1, MAX_RATE);
        let Some(collector) = CHANNEL.open() else { return Ok(None) };
        handle_signal()?;
        let sampling = Self { collector, rate, begun: cpu_time(), is_over: AtomicBool::new(false) };
        set_timer(1_000_000 / rate)?;
        Ok(Some(sampling))
    }

    /// Samples per second of CPU time.
    #[must_use]
    pub fn rate(&self) -> u32 {
        self.rate
    }

    /// Gives `take` what has arrived since it was last asked.
    pub fn drain(&self, take: impl FnMut(&Sample)) {
        self.collector.drain(take);
    }

    /// Ends it; what arrived last can still be drained.
    pub fn stop(&self) {
        if self.is_over.swap(true, Ordering::AcqRel) {
            return;
        }
        // Fails for no valid interval.
        let _ = set_timer(0);
        self.collector.close();
    }

    /// Samples that found no room.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.collector.lost()
    }

    /// CPU time that the sentry has used since the beginning.
    #[must_use]
    pub fn cpu_time(&self) -> Duration {
        cpu_time().saturating_sub(self.begun)
    }
}

impl Drop for CpuSampling {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Of all threads of this process.
fn cpu_time() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs() as u32)
}

fn set_timer(micros: u32) -> io::Result<()> {
    let every = libc::timeval { tv_sec: (micros / 1_000_000).into(), tv_usec: (micros % 1_000_000).into() };
    let timer = libc::itimerval { it_interval: every, it_value: every };
    // SAFETY: reads a local.
    match unsafe { libc::setitimer(libc::ITIMER_PROF, &raw const timer, ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Installs the handler, which stays: a late signal would end the process.
pub(super) fn handle_signal() -> io::Result<()> {
    // SAFETY: plain data, for which zero is "none".
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = on_signal as *const () as usize;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART;
    // SAFETY: the set is a local.
    unsafe { libc::sigfillset(&raw mut action.sa_mask) };
    // SAFETY: the handler has the signature that SA_SIGINFO asks for, and touches nothing that a signal may find half done.
    match unsafe { libc::sigaction(libc::SIGPROF, &raw const action, ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

extern "C" fn on_signal(_: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: this thread's location.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: as above, and the kernel passes both to a handler installed with SA_SIGINFO.
    let (before, code, context) = unsafe { (*errno, (*info).si_code, &*context.cast::<libc::ucontext_t>()) };
    let at = Some(unwind::interrupted_at(context));
    if code == libc::SI_TKILL {
        stacks::answer(at);
    } else {
        CHANNEL.add(0, at);
    }
    // SAFETY: this thread's location.
    unsafe { *errno = before };
}
