//! The `notify` platform: guest code runs natively in stub processes, its system calls become seccomp notifications.

mod channel;
mod control;
mod error;
mod filter;
mod frame;
mod hostmaps;
mod image;
mod kick;
mod layout;
mod listener;
mod memory;
mod ops;
mod options;
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
use process::Stub;
use reaper::{Reaper, reap_ops};
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
pub struct Notify(Arc<Shared>);

impl Notify {
    /// Starts it: makes the zygote. To be called after the sentry has entered its namespaces and Landlock domain, and
    /// before it drops its capabilities.
    ///
    /// # Errors
    /// Which step failed, and what the host said.
    pub fn new(options: Options) -> Result<Self, StartError> {
        let shared = Shared::start(&options, &[])?;
        if !probe::filtered() {
            return Ok(Self(shared));
        }
        let trapped =
            probe::answered_by_others(|| shared.new_space()).step("probing an inherited seccomp filter")?;
        drop(shared);
        Ok(Self(Shared::start(&options, &trapped)?))
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
        let dead = self.reaper.dead();
        let (ops, fds) = reap_ops(&dead, 3);
        Ok(Space(Stub::fork_from(self, &self.zygote, filter::ZYGOTE_FORK_FLAGS, &ops, &fds)?))
    }
}

impl Platform for Notify {
    fn layout(&self) -> &Layout {
        &self.0.layout
    }

    fn new_address_space(&self) -> Result<Arc<dyn AddressSpace>, Errno> {
        Ok(Arc::new(self.0.new_space()?))
    }
}

impl Drop for Shared {
    /// The zygote is the init of the stubs' PID namespace: with it, all that is left there ends.
    fn drop(&mut self) {
        if let Some(pid) = rustix::process::Pid::from_raw(self.zygote_pid) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            let _ = rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty());
        }
    }
}
