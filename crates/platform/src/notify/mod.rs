//! The `notify` platform: guest code runs natively in stub processes, its system calls become seccomp notifications.
//!
//! # Processes
//!
//! ```text
//! sentry ── zygote (init of the stubs' PID namespace; holds nothing but the stub's code; reaps what it is told to)
//!             ├─ stub: helper thread + guest threads        one per guest address space
//!             └─ stub …                                     all siblings, also when one stub forks another
//! ```
//!
//! The **zygote** (`zygote`) is forked from the sentry by way of a vfork child, so that nothing the C library has
//! registered with the host (rseq) comes along, into namespaces of its own. It enters the stub's code at once and is from
//! then on commanded like any helper: to move the host's vDSO aside, to unmap everything that was the sentry's, to drop
//! its privileges, and last to put itself under the helpers' filter. Every step that fails has a name ([`StartError`]).
//! When its socket closes, because the sentry has died by whatever cause, it exits, and the host kills all stubs with it.
//!
//! A stub's **helper** (`channel`, `stub.s`) is its first thread. It lives in registers: all signals blocked but its own
//! faults, no stack, commands from a page that the stub maps for reading only (`control`), one socket to wake it and to
//! pass descriptors. It carries out a batch of mmap-family calls, an atomic update, clone(2) for a fork or a thread, and
//! answers with a datagram of zeros whose *length* says how many operations succeeded and why the next did not.
//!
//! From the second program on, a stub is forked ahead for the next (`pool`).
//!
//! A new stub makes its first **guest thread** at once; the message with that one's listener is the first word that the
//! sentry hears of it, and nobody waits for it before it is needed. A guest thread that ends leaves
//! the host's thread in its last stop, with filter and listener, for the next of the same stub (`parked`): that one goes on
//! from a frame written anew, as a thread that is new to the host does.
//!
//! # Life of a call
//!
//! 1. A guest thread's `syscall` meets its filter (`filter`): USER_NOTIF for nearly all numbers. The host hands the CPU
//!    directly to the one sentry thread blocked in NOTIF_RECV on this thread's own listener (`listener`).
//! 2. [`Thread::next_event`](crate::GuestThread::next_event) gives it to the kernel as `Syscall`.
//! 3. `complete` answers by NOTIF_SEND, which wakes the guest thread on this CPU as soon as we wait again. 2.6 µs in all.
//!
//! Calls of which the kernel needs the registers (clone, rt_sigreturn, execve, exit …) trap instead (SIGSYS), and
//! hardware exceptions and kicks are signals too. One **handler** takes all: it makes a notified call whose arguments say
//! where the signal frame is, which signal, and the segment bases. The sentry copies the frame out, the kernel looks at
//! registers and changes them, and what has changed is written back into the frame; the answer says "return", "load the
//! segment bases, then return" or "exit". `rt_sigreturn` and `exit`, each at one address, are the only calls a guest
//! thread can make natively. A new thread starts the same way: with a frame that the sentry has written.
//!
//! `stop` turns a call under way into such a stop: kick, answer ERESTARTSYS; the host delivers the signal with the call
//! rewound.
//!
//! # Who trusts what
//!
//! - Guests can write all writable memory of their stub: signal stacks, the helper's scratch page, its signal stack.
//!   Frames are guest data, read once, from inside the thread's own slot or not at all (that kills the stub).
//! - A guest can forge its signal mask or stack through the native rt_sigreturn and so ignore kicks. A watchdog
//!   (`kick`) kills the stub of a kicked thread that has used 20 ms of CPU time without stopping.
//! - The helper believes nothing that guests can write. Of a message header they can spoil between its writing and the
//!   host's reading, the worst that comes is the loss of descriptors (the operation fails with EBADF), or the stub's end.
//! - The sentry believes no result that comes from a stub's memory, except as guest data (old words, mincore(2)). PIDs
//!   come with credentials that the host attaches. All waits for a helper end when the stub dies or after 30 s, with its
//!   death.
//! - A stub's PID stays taken (as a zombie that only the zygote can reap, when told to: `reaper`) as long as the
//!   sentry holds its `process::Stub`: process_vm_readv(2) and tgkill(2) never hit another process.
//! - Guest threads inherit the helper's filter, where KILL, TRAP and ERRNO would outrank their own USER_NOTIF: it denies
//!   with TRACE. A filter that the sentry itself has inherited may answer numbers with an error: these are found by
//!   trying all numbers (`probe`), and trapped. Where it kills, the guest's process dies.
//! - The host passes uretprobe(2) and uprobe(2) (335, 336) around all filters. Without a probe the first is SIGILL, the
//!   second returns ENXIO.
//!
//! # What the sentry calls on the host after the start
//!
//! Without capabilities; the stubs' user namespace is a child of the sentry's and owned by its user, which is all that
//! process_vm_*, tgkill and sched_setaffinity need.
//!
//! | call | arguments |
//! |---|---|
//! | ioctl | listener; SECCOMP_IOCTL_NOTIF_RECV 0xc0502100, _SEND 0xc0182101, _SET_FLAGS 0x40082104 |
//! | process_vm_readv, process_vm_writev | a stub's PID; flags 0 |
//! | sendmsg | helper's socket; MSG_NOSIGNAL; SCM_RIGHTS with at most 16 descriptors |
//! | recvmsg | helper's socket; MSG_TRUNC, MSG_CMSG_CLOEXEC |
//! | socketpair | AF_UNIX, SOCK_SEQPACKET, SOCK_CLOEXEC |
//! | setsockopt | SOL_SOCKET; SO_RCVTIMEO (20), SO_PASSCRED (16), SO_PASSPIDFD (76) |
//! | sched_setaffinity | a stub's thread; 128 bytes |
//! | tgkill | a stub's PID and thread; SIGURG |
//! | pidfd_send_signal | SIGKILL; null; 0 |
//! | poll or ppoll | listener or pidfds; no wait |
//! | openat, read, close | the proc directory: `PID/task/TID/schedstat`, `…/stat`, `PID/stat`, `PID/statm`; O_RDONLY, O_CLOEXEC |
//! | clock_gettime | the CPU clock of a stub |
//! | clone3 and what std makes of a thread, clock_nanosleep, futex | the watchdog, the pool |
//! | kill, wait4 | the zygote, SIGKILL and `__WALL`, when the platform is dropped |
//!
//! # What it costs
//!
//! On two CPUs of a virtual machine, Linux 6.18: a call 2.6 µs, trapped 5.4 µs, stopped 11 µs; mmap or munmap 6 µs; an
//! atomic update 5 µs; fork 55-70 µs and the end of one 30 µs; a new thread 31-65 µs. The start takes 1.3 ms; a
//! network namespace of the stubs' own adds 0.3 to 2 ms, the other namespaces together less than 0.1. Per stub 2 descriptors, per
//! thread 1, those that wait for another guest thread included (four at most for each stub).

mod channel;
mod control;
mod error;
mod filter;
mod frame;
mod host_vdso;
mod image;
mod kick;
mod layout;
mod listener;
mod memory;
mod ops;
mod options;
mod pagemap;
mod parked;
mod pool;
mod probe;
mod process;
mod procfs;
mod reaper;
mod slots;
mod space;
mod stub;
mod thread;
mod xstate;
mod zygote;

use std::os::fd::OwnedFd;
use std::sync::Arc;

use parking_lot::Mutex;
use stockade_abi::Errno;

pub use error::StartError;
pub use options::Options;

use crate::{AddressSpace, Layout, Platform};
use channel::Channel;
use control::ControlMemory;
use error::Step;
use pool::Pool;
use process::Stub;
use reaper::Reaper;
use space::Space;

/// The signal by which the sentry stops a guest thread. One that is ignored by default, so that a stray one does nothing.
const KICK_SIGNAL: i32 = libc::SIGURG;

/// What all stubs share.
pub(crate) struct Shared {
    pub(crate) layout: Layout,
    pub(crate) xstate: xstate::Xstate,
    pub(crate) control: Arc<ControlMemory>,
    pub(crate) zygote: Mutex<Channel>,
    zygote_pid: i32,
    pub(crate) reaper: Reaper,
    pub(crate) watchdog: kick::Watchdog,
    pub(crate) proc: OwnedFd,
}

/// The platform.
pub struct Notify {
    shared: Arc<Shared>,
    pool: Pool,
}

impl Notify {
    /// Starts it: makes the zygote. To be called after the sentry has entered its namespaces and Landlock domain, and
    /// before it drops its capabilities.
    ///
    /// # Errors
    /// Which step failed, and what the host said.
    pub fn new(options: Options) -> Result<Self, StartError> {
        let shared = Shared::start(&options, &[])?;
        if !probe::filtered() {
            return Ok(Self { shared, pool: Pool::default() });
        }
        let trapped =
            probe::answered_by_others(|| shared.new_space()).step("probing an inherited seccomp filter")?;
        drop(shared);
        Ok(Self { shared: Shared::start(&options, &trapped)?, pool: Pool::default() })
    }

    /// The process on the host that all stubs are forked from; what it has (scores, groups), they inherit.
    #[must_use]
    pub fn host_pid(&self) -> i32 {
        self.shared.zygote_pid
    }
}

impl Shared {
    fn start(options: &Options, also_trapped: &[u32]) -> Result<Arc<Self>, StartError> {
        let image = image::create(also_trapped).step("making the stub's code")?;
        let control = ControlMemory::new().step("making the control memory")?;
        let zygote = zygote::start(options, &control, &image)?;
        let xstate = xstate::detect();
        let layout = Layout {
            usable: layout::GUEST_BEGIN..layout::STUB_BEGIN,
            reserved: zygote.reserved,
            host_vdso: zygote.host_vdso,
            xsave_size: xstate.size,
            xfeatures: xstate.features,
        };
        Ok(Arc::new(Self {
            layout,
            xstate,
            control,
            zygote: Mutex::new(zygote.channel),
            zygote_pid: zygote.pid,
            reaper: Reaper::default(),
            watchdog: kick::Watchdog::default(),
            proc: rustix::io::fcntl_dupfd_cloexec(&options.proc, 0).step("duplicating a descriptor")?,
        }))
    }

    fn new_space(self: &Arc<Self>) -> Result<Space, Errno> {
        Ok(Space(Stub::from_zygote(self)?))
    }
}

impl Platform for Notify {
    fn layout(&self) -> &Layout {
        &self.shared.layout
    }

    fn new_address_space(&self) -> Result<Arc<dyn AddressSpace>, Errno> {
        Ok(Arc::new(Space(self.pool.take(&self.shared)?)))
    }
}

impl Drop for Shared {
    /// The zygote is the init of the stubs' PID namespace: with it, all that is left there ends.
    fn drop(&mut self) {
        if let Some(pid) = rustix::process::Pid::from_raw(self.zygote_pid) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            let _ = zygote::reap(self.zygote_pid);
        }
    }
}
