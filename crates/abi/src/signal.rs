//! Signals (signal(7), sigaction(2), sigaltstack(2)).

use std::fmt;
use std::ops::{BitAnd, BitAndAssign, BitOr, BitOrAssign, Not};

use serde::{Deserialize, Serialize};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

macro_rules! signals {
    ($($name:ident = $nr:literal;)*) => {
        $(#[doc = concat!(stringify!($name), ", signal(7)")] pub const $name: i32 = $nr;)*

        /// The symbol of a standard signal.
        #[must_use]
        pub const fn standard_name(signo: i32) -> Option<&'static str> {
            match signo { $($nr => Some(stringify!($name)),)* _ => None }
        }
    };
}

signals! {
    SIGHUP = 1; SIGINT = 2; SIGQUIT = 3; SIGILL = 4; SIGTRAP = 5; SIGABRT = 6; SIGBUS = 7; SIGFPE = 8;
    SIGKILL = 9; SIGUSR1 = 10; SIGSEGV = 11; SIGUSR2 = 12; SIGPIPE = 13; SIGALRM = 14; SIGTERM = 15;
    SIGSTKFLT = 16; SIGCHLD = 17; SIGCONT = 18; SIGSTOP = 19; SIGTSTP = 20; SIGTTIN = 21; SIGTTOU = 22;
    SIGURG = 23; SIGXCPU = 24; SIGXFSZ = 25; SIGVTALRM = 26; SIGPROF = 27; SIGWINCH = 28; SIGIO = 29;
    SIGPWR = 30; SIGSYS = 31;
}

/// The first real-time signal, as the kernel counts.
pub const SIGRTMIN: i32 = 32;
/// The last real-time signal.
pub const SIGRTMAX: i32 = 64;

/// The symbol of any valid signal, as strace(1) spells it.
#[must_use]
pub fn name(signo: i32) -> Option<String> {
    match standard_name(signo) {
        Some(name) => Some(name.to_owned()),
        None if signo == SIGRTMIN => Some("SIGRTMIN".to_owned()),
        None if (SIGRTMIN..=SIGRTMAX).contains(&signo) => Some(format!("SIGRT_{}", signo - SIGRTMIN)),
        None => None,
    }
}

/// Whether a number names a signal.
#[must_use]
pub const fn is_valid(signo: i32) -> bool {
    signo >= 1 && signo <= SIGRTMAX
}

/// A set of signals, as the kernel's 64-bit sigset_t.
#[repr(transparent)]
#[derive(
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    Hash,
    FromBytes,
    IntoBytes,
    KnownLayout,
    Immutable,
    Serialize,
    Deserialize,
)]
pub struct SigSet(pub u64);

impl SigSet {
    /// No signal.
    pub const EMPTY: Self = Self(0);
    /// Every signal.
    pub const FULL: Self = Self(!0);
    /// Those that cannot be caught, blocked or ignored.
    pub const UNBLOCKABLE: Self = Self::of(SIGKILL).union(Self::of(SIGSTOP));
    /// Those that stop by default.
    pub const STOPS: Self =
        Self::of(SIGSTOP).union(Self::of(SIGTSTP)).union(Self::of(SIGTTIN)).union(Self::of(SIGTTOU));
    /// Those that hardware exceptions raise; delivered before others.
    pub const SYNCHRONOUS: Self = Self::of(SIGSEGV)
        .union(Self::of(SIGBUS))
        .union(Self::of(SIGILL))
        .union(Self::of(SIGTRAP))
        .union(Self::of(SIGFPE))
        .union(Self::of(SIGSYS));

    /// The set of one signal; empty for an invalid number.
    #[must_use]
    pub const fn of(signo: i32) -> Self {
        if is_valid(signo) { Self(1 << (signo - 1)) } else { Self(0) }
    }

    /// Both sets' signals.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The signals of this set that the other lacks.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether a signal is in it.
    #[must_use]
    pub const fn contains(self, signo: i32) -> bool {
        self.0 & Self::of(signo).0 != 0
    }

    /// Whether it has no signal.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Adds a signal.
    pub const fn insert(&mut self, signo: i32) {
        self.0 |= Self::of(signo).0;
    }

    /// Takes a signal out.
    pub const fn remove(&mut self, signo: i32) {
        self.0 &= !Self::of(signo).0;
    }

    /// The lowest-numbered signal.
    #[must_use]
    pub const fn lowest(self) -> Option<i32> {
        if self.0 == 0 { None } else { Some(self.0.trailing_zeros() as i32 + 1) }
    }

    /// All signals, in order.
    pub fn iter(self) -> impl Iterator<Item = i32> {
        (1..=SIGRTMAX).filter(move |&s| self.contains(s))
    }
}

impl BitOr for SigSet {
    type Output = Self;
    fn bitor(self, o: Self) -> Self {
        Self(self.0 | o.0)
    }
}
impl BitOrAssign for SigSet {
    fn bitor_assign(&mut self, o: Self) {
        self.0 |= o.0;
    }
}
impl BitAnd for SigSet {
    type Output = Self;
    fn bitand(self, o: Self) -> Self {
        Self(self.0 & o.0)
    }
}
impl BitAndAssign for SigSet {
    fn bitand_assign(&mut self, o: Self) {
        self.0 &= o.0;
    }
}
impl Not for SigSet {
    type Output = Self;
    fn not(self) -> Self {
        Self(!self.0)
    }
}

impl fmt::Debug for SigSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().filter_map(name)).finish()
    }
}

bitflags::bitflags! {
    /// SA_ flags (sigaction(2)).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct SaFlags: u64 {
        /// SA_NOCLDSTOP
        const NOCLDSTOP = 1;
        /// SA_NOCLDWAIT
        const NOCLDWAIT = 2;
        /// SA_SIGINFO
        const SIGINFO = 4;
        /// SA_UNSUPPORTED
        const UNSUPPORTED = 0x400;
        /// SA_EXPOSE_TAGBITS
        const EXPOSE_TAGBITS = 0x800;
        /// SA_RESTORER
        const RESTORER = 0x0400_0000;
        /// SA_ONSTACK
        const ONSTACK = 0x0800_0000;
        /// SA_RESTART
        const RESTART = 0x1000_0000;
        /// SA_NODEFER
        const NODEFER = 0x4000_0000;
        /// SA_RESETHAND
        const RESETHAND = 0x8000_0000;
    }
}

/// SIG_DFL
pub const SIG_DFL: u64 = 0;
/// SIG_IGN
pub const SIG_IGN: u64 = 1;

/// SIG_BLOCK
pub const SIG_BLOCK: i32 = 0;
/// SIG_UNBLOCK
pub const SIG_UNBLOCK: i32 = 1;
/// SIG_SETMASK
pub const SIG_SETMASK: i32 = 2;

/// `struct sigaction` as rt_sigaction(2) takes it.
#[repr(C)]
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    FromBytes,
    IntoBytes,
    KnownLayout,
    Immutable,
    Serialize,
    Deserialize,
)]
pub struct SigAction {
    /// Address of the handler, SIG_DFL or SIG_IGN.
    pub handler: u64,
    /// SA_ flags.
    pub flags: u64,
    /// Address of the code that calls rt_sigreturn(2).
    pub restorer: u64,
    /// Blocked while the handler runs.
    pub mask: SigSet,
}

/// SS_ONSTACK
pub const SS_ONSTACK: i32 = 1;
/// SS_DISABLE
pub const SS_DISABLE: i32 = 2;
/// SS_AUTODISARM
pub const SS_AUTODISARM: i32 = i32::MIN;
/// MINSIGSTKSZ of the kernel's x86-64 ABI.
pub const MINSIGSTKSZ: u64 = 2048;

/// `stack_t` (sigaltstack(2)).
#[repr(C)]
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    FromBytes,
    IntoBytes,
    KnownLayout,
    Immutable,
    Serialize,
    Deserialize,
)]
pub struct StackT {
    /// Lowest address.
    pub sp: u64,
    /// SS_ flags.
    pub flags: i32,
    /// Zero.
    pub pad: i32,
    /// Length in bytes.
    pub size: u64,
}

/// si_code values (sigaction(2)).
pub mod si {
    /// kill(2)
    pub const SI_USER: i32 = 0;
    /// The kernel.
    pub const SI_KERNEL: i32 = 0x80;
    /// sigqueue(3)
    pub const SI_QUEUE: i32 = -1;
    /// A POSIX timer.
    pub const SI_TIMER: i32 = -2;
    /// A message queue.
    pub const SI_MESGQ: i32 = -3;
    /// Asynchronous I/O.
    pub const SI_ASYNCIO: i32 = -4;
    /// Queued SIGIO.
    pub const SI_SIGIO: i32 = -5;
    /// tkill(2), tgkill(2)
    pub const SI_TKILL: i32 = -6;
    /// A child exited.
    pub const CLD_EXITED: i32 = 1;
    /// A child was killed.
    pub const CLD_KILLED: i32 = 2;
    /// A child was killed and dumped core.
    pub const CLD_DUMPED: i32 = 3;
    /// A traced child trapped.
    pub const CLD_TRAPPED: i32 = 4;
    /// A child stopped.
    pub const CLD_STOPPED: i32 = 5;
    /// A stopped child continued.
    pub const CLD_CONTINUED: i32 = 6;
    /// SIGSEGV: nothing mapped there.
    pub const SEGV_MAPERR: i32 = 1;
    /// SIGSEGV: not permitted there.
    pub const SEGV_ACCERR: i32 = 2;
    /// SIGBUS: alignment.
    pub const BUS_ADRALN: i32 = 1;
    /// SIGBUS: no such physical address.
    pub const BUS_ADRERR: i32 = 2;
    /// SIGIO: data to read, room to write, a message, an error, urgent data, a hang-up.
    pub const POLL_IN: i32 = 1;
    /// See above.
    pub const POLL_OUT: i32 = 2;
    /// See above.
    pub const POLL_MSG: i32 = 3;
    /// See above.
    pub const POLL_ERR: i32 = 4;
    /// See above.
    pub const POLL_PRI: i32 = 5;
    /// See above.
    pub const POLL_HUP: i32 = 6;
    /// SIGSYS: seccomp(2).
    pub const SYS_SECCOMP: i32 = 1;
}

/// `siginfo_t`: 128 bytes, of which the meaning from byte 16 on depends on signal and code.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
pub struct SigInfo {
    /// si_signo
    pub signo: i32,
    /// si_errno
    pub errno: i32,
    /// si_code
    pub code: i32,
    /// Alignment.
    pub pad: i32,
    /// The union.
    pub fields: [u8; 112],
}

impl Default for SigInfo {
    fn default() -> Self {
        Self { signo: 0, errno: 0, code: 0, pad: 0, fields: [0; 112] }
    }
}

impl fmt::Debug for SigInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigInfo {{ {:?}, code {}, errno {} }}", name(self.signo), self.code, self.errno)
    }
}

impl SigInfo {
    /// A signal with nothing but number and code.
    #[must_use]
    pub fn new(signo: i32, code: i32) -> Self {
        Self { signo, code, ..Self::default() }
    }

    /// From kill(2), tkill(2), or the like: si_pid and si_uid.
    #[must_use]
    pub fn from_user(signo: i32, code: i32, pid: i32, uid: u32) -> Self {
        let mut info = Self::new(signo, code);
        info.set_pid(pid);
        info.set_uid(uid);
        info
    }

    /// A hardware exception: si_addr.
    #[must_use]
    pub fn fault(signo: i32, code: i32, addr: u64) -> Self {
        let mut info = Self::new(signo, code);
        info.put(0, &addr.to_ne_bytes());
        info
    }

    /// A file became ready: si_band and si_fd.
    #[must_use]
    pub fn polled(signo: i32, code: i32, band: i64, fd: i32) -> Self {
        let mut info = Self::new(signo, code);
        info.put(0, &band.to_ne_bytes());
        info.put(8, &fd.to_ne_bytes());
        info
    }

    /// SIGCHLD: si_pid, si_uid, si_status, and times in clock ticks.
    #[must_use]
    pub fn child(signo: i32, code: i32, pid: i32, uid: u32, status: i32, utime: i64, stime: i64) -> Self {
        let mut info = Self::from_user(signo, code, pid, uid);
        info.put(8, &status.to_ne_bytes());
        info.put(16, &utime.to_ne_bytes());
        info.put(24, &stime.to_ne_bytes());
        info
    }

    /// A POSIX timer: si_timerid, si_overrun, si_value.
    #[must_use]
    pub fn timer(signo: i32, id: i32, overrun: i32, value: u64) -> Self {
        let mut info = Self::new(signo, si::SI_TIMER);
        info.put(0, &id.to_ne_bytes());
        info.put(4, &overrun.to_ne_bytes());
        info.put(8, &value.to_ne_bytes());
        info
    }

    /// sigqueue(3) and friends: si_pid, si_uid, si_value.
    #[must_use]
    pub fn queued(signo: i32, pid: i32, uid: u32, value: u64) -> Self {
        let mut info = Self::from_user(signo, si::SI_QUEUE, pid, uid);
        info.put(8, &value.to_ne_bytes());
        info
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        self.fields[at..at + bytes.len()].copy_from_slice(bytes);
    }

    fn word(&self, at: usize) -> i32 {
        let mut b = [0; 4];
        b.copy_from_slice(&self.fields[at..at + 4]);
        i32::from_ne_bytes(b)
    }

    fn long(&self, at: usize) -> u64 {
        let mut b = [0; 8];
        b.copy_from_slice(&self.fields[at..at + 8]);
        u64::from_ne_bytes(b)
    }

    /// si_pid
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.word(0)
    }

    /// Sets si_pid.
    pub fn set_pid(&mut self, pid: i32) {
        self.put(0, &pid.to_ne_bytes());
    }

    /// si_uid
    #[must_use]
    pub fn uid(&self) -> u32 {
        self.word(4) as u32
    }

    /// Sets si_uid.
    pub fn set_uid(&mut self, uid: u32) {
        self.put(4, &uid.to_ne_bytes());
    }

    /// si_status of SIGCHLD.
    #[must_use]
    pub fn status(&self) -> i32 {
        self.word(8)
    }

    /// si_utime of SIGCHLD, in clock ticks.
    #[must_use]
    pub fn utime(&self) -> u64 {
        self.long(16)
    }

    /// si_stime of SIGCHLD, in clock ticks.
    #[must_use]
    pub fn stime(&self) -> u64 {
        self.long(24)
    }

    /// si_value of a queued or timer signal.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.long(8)
    }

    /// si_addr of a fault.
    #[must_use]
    pub fn addr(&self) -> u64 {
        self.long(0)
    }

    /// si_timerid of a timer signal.
    #[must_use]
    pub fn timer_id(&self) -> i32 {
        self.word(0)
    }

    /// si_overrun of a timer signal.
    #[must_use]
    pub fn overrun(&self) -> i32 {
        self.word(4)
    }

    /// Sets si_overrun.
    pub fn set_overrun(&mut self, overrun: i32) {
        self.put(4, &overrun.to_ne_bytes());
    }

    /// si_band of SIGIO.
    #[must_use]
    pub fn band(&self) -> u64 {
        self.long(0)
    }

    /// si_fd of SIGIO.
    #[must_use]
    pub fn fd(&self) -> i32 {
        self.word(8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts() {
        assert_eq!(size_of::<SigInfo>(), 128);
        assert_eq!(size_of::<SigAction>(), 32);
        assert_eq!(size_of::<StackT>(), 24);
    }

    #[test]
    fn sets() {
        let mut set = SigSet::of(SIGINT) | SigSet::of(SIGRTMAX);
        assert_eq!(set.lowest(), Some(SIGINT));
        set.remove(SIGINT);
        assert_eq!(set.lowest(), Some(64));
        assert!(SigSet::of(0).is_empty() && SigSet::of(65).is_empty());
        assert_eq!(name(34).as_deref(), Some("SIGRT_2"));
    }
}
