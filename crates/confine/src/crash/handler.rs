//! Signals that end a sentry.

#![expect(unsafe_code, reason = "signal handlers")]

use std::io;
use std::mem;
use std::os::fd::{IntoRawFd as _, OwnedFd};
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};

use super::out::{REPORT, line};
use super::{CRASH_STATUS, call, panic, stack, threads};

/// What a crash raises. SIGSYS: a host call that the sentry's filter does not allow.
const FATAL: [(i32, &str); 7] = [
    (libc::SIGSEGV, "SIGSEGV"),
    (libc::SIGBUS, "SIGBUS"),
    (libc::SIGILL, "SIGILL"),
    (libc::SIGFPE, "SIGFPE"),
    (libc::SIGTRAP, "SIGTRAP"),
    (libc::SIGABRT, "SIGABRT"),
    (libc::SIGSYS, "SIGSYS"),
];

/// Seconds after which a report that hangs is given up.
const PATIENCE: u32 = 5;

/// The thread that writes the report; 0 while there is none.
static REPORTER: AtomicI32 = AtomicI32::new(0);

type Handler = extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void);

/// From now on, whatever ends this process by its own fault (a signal, a panic on any thread) leaves a report in `report` and
/// ends it with [`CRASH_STATUS`].
///
/// # Errors
/// ENOMEM for the alternate stack.
pub(crate) fn install(report: OwnedFd) -> io::Result<()> {
    REPORT.store(report.into_raw_fd(), Ordering::SeqCst);
    stack::guard_main_thread()?;
    for (signal, _) in FATAL {
        // Those that an overflow raises cannot be handled on the stack that has overflowed.
        let apart = matches!(signal, libc::SIGSEGV | libc::SIGBUS);
        handle(signal, on_fault, if apart { libc::SA_ONSTACK } else { 0 })?;
    }
    handle(threads::SHOW, threads::on_show, 0)?;
    panic::install();
    Ok(())
}

fn handle(signal: i32, handler: Handler, flags: i32) -> io::Result<()> {
    // SAFETY: plain data, for which zero is "none".
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    action.sa_sigaction = handler as usize;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART | flags;
    // SAFETY: the set is a local.
    unsafe { libc::sigfillset(&raw mut action.sa_mask) };
    // SAFETY: the handler has the signature that SA_SIGINFO asks for, and touches nothing that a signal may find half done.
    match unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

extern "C" fn on_fault(signal: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    begin();
    let name = FATAL.iter().find(|(number, _)| *number == signal).map_or("?", |(_, name)| name);
    // SAFETY: the kernel passes both to a handler installed with SA_SIGINFO.
    let (info, context) = unsafe { (&*info, &*context.cast::<libc::ucontext_t>()) };
    match signal {
        libc::SIGSYS => refused(info, context),
        libc::SIGABRT => line!("cause: {name}"),
        // SAFETY: the other signals, when a fault raises them, carry an address.
        _ => line!("cause: {name}, code {}, address {:#x}", info.si_code, unsafe { info.si_addr() }.addr()),
    }
    if let Some((pointer, address)) = overflow(signal, info, context) {
        line!("the stack pointer {pointer:#x} is close to the address {address:#x}: a stack overflow");
    }
    if stack::is_small() {
        line!("thread {}, serving {}: its signal stack is too small to walk it", own_tid(), call::current());
        end_with_others()
    }
    end(program_counter(context))
}

/// Starts the report: one only, of the thread that comes first.
pub(super) fn begin() {
    let own = own_tid();
    match REPORTER.compare_exchange(0, own, Ordering::SeqCst, Ordering::SeqCst) {
        Ok(_) => {}
        // A crash while writing the report.
        Err(reporter) if reporter == own => {
            line!("the report itself failed");
            exit()
        }
        // The first thread ends the process; nothing may go on until then.
        Err(_) => loop {
            // SAFETY: waits.
            unsafe { libc::pause() };
        },
    }
    if handle(libc::SIGALRM, on_alarm, 0).is_ok() {
        // SAFETY: no pointers; an empty mask but for what the handler of this signal has set.
        unsafe {
            let mut alarm: libc::sigset_t = mem::zeroed();
            libc::sigaddset(&raw mut alarm, libc::SIGALRM);
            libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const alarm, ptr::null_mut());
            libc::alarm(PATIENCE);
        }
    }
    line!("Stockade {}: the sentry crashed", env!("CARGO_PKG_VERSION"));
}

/// Completes the report and ends the process. `at` is where the fault was, if it was one.
pub(super) fn end(at: Option<usize>) -> ! {
    threads::write_own(own_tid(), call::current(), at);
    end_with_others()
}

fn end_with_others() -> ! {
    threads::write_others(own_tid());
    line!("end of the report");
    exit()
}

extern "C" fn on_alarm(_: i32, _: *mut libc::siginfo_t, _: *mut libc::c_void) {
    line!("the report was given up: it took too long");
    exit()
}

fn exit() -> ! {
    // SAFETY: ends the process without running anything more of it.
    unsafe { libc::_exit(CRASH_STATUS.into()) }
}

pub(super) fn own_tid() -> i32 {
    // SAFETY: no pointers.
    unsafe { libc::gettid() }
}

/// The part of `siginfo_t` that SIGSYS has (sigaction(2)).
#[repr(C)]
struct Sigsys {
    signo: i32,
    errno: i32,
    code: i32,
    call_address: usize,
    call: i32,
    arch: u32,
}

/// A host call that the filter does not allow.
fn refused(info: &libc::siginfo_t, context: &libc::ucontext_t) {
    // SAFETY: the kernel fills this part for SIGSYS; it is shorter than the whole.
    let info = unsafe { &*ptr::from_ref(info).cast::<Sigsys>() };
    let [a, b, c, d, e, f] = arguments(context);
    line!("cause: SIGSYS, the sentry's seccomp filter refused a host call");
    line!("host call: {} {a:#x} {b:#x} {c:#x} {d:#x} {e:#x} {f:#x}", info.call);
}

#[cfg(target_arch = "x86_64")]
fn arguments(context: &libc::ucontext_t) -> [u64; 6] {
    use libc::{REG_R8, REG_R9, REG_R10, REG_RDI, REG_RDX, REG_RSI};
    [REG_RDI, REG_RSI, REG_RDX, REG_R10, REG_R8, REG_R9]
        .map(|register| context.uc_mcontext.gregs[register as usize].cast_unsigned())
}

#[cfg(target_arch = "x86_64")]
fn program_counter(context: &libc::ucontext_t) -> Option<usize> {
    Some(context.uc_mcontext.gregs[libc::REG_RIP as usize] as usize)
}

/// Stack pointer and fault address, if they say that the stack was too small.
#[cfg(target_arch = "x86_64")]
fn overflow(signal: i32, info: &libc::siginfo_t, context: &libc::ucontext_t) -> Option<(usize, usize)> {
    const NEAR: usize = 64 * 1024;
    let pointer = context.uc_mcontext.gregs[libc::REG_RSP as usize] as usize;
    // SAFETY: only looked at for a signal that carries an address.
    let address = (signal == libc::SIGSEGV).then(|| unsafe { info.si_addr() }.addr())?;
    (pointer.abs_diff(address) < NEAR).then_some((pointer, address))
}

#[cfg(target_arch = "aarch64")]
fn arguments(context: &libc::ucontext_t) -> [u64; 6] {
    let registers = &context.uc_mcontext.regs;
    [registers[0], registers[1], registers[2], registers[3], registers[4], registers[5]]
}

#[cfg(target_arch = "aarch64")]
fn program_counter(context: &libc::ucontext_t) -> Option<usize> {
    Some(context.uc_mcontext.pc as usize)
}

#[cfg(target_arch = "aarch64")]
fn overflow(signal: i32, info: &libc::siginfo_t, context: &libc::ucontext_t) -> Option<(usize, usize)> {
    const NEAR: usize = 64 * 1024;
    let pointer = context.uc_mcontext.sp as usize;
    // SAFETY: only looked at for a signal that carries an address.
    let address = (signal == libc::SIGSEGV).then(|| unsafe { info.si_addr() }.addr())?;
    (pointer.abs_diff(address) < NEAR).then_some((pointer, address))
}
