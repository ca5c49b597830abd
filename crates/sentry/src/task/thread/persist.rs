//! The saved forms of [`Task`] and of what only tasks have.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use stockade_abi::Errno;
use stockade_abi::signal::{SigSet, StackT};
use stockade_platform::sync::{Mutex, RwLock};
use stockade_platform::{Context, FpState, GpRegs};

use super::{NsProxy, Standing, Task, TaskParts, UTS_IDS, UtsNamespace, VforkDone, work};
use crate::creds::Credentials;
use crate::mm::persist::MemoryManagerState;
use crate::persist::{Component, Id, RestoreError, Restorer, Saver, Unsavable};
use crate::signal::frame::LastFault;
use crate::signal::persist::PendingState;
use crate::syscalls::Kept;
use crate::syscalls::restart::RestartState;
use crate::task::group::ThreadGroupState;
use crate::task::pidns::PidNamespaceState;
use crate::task::usage::Usage;
use crate::time::clock::Deadline;
use crate::vfs::persist::{FdTableState, FsContextState, MountNamespaceState};

/// Bytes of `comm` without the zero.
const MAX_NAME: usize = 15;
/// Bytes of a host or domain name.
const MAX_UTS: usize = 64;
/// Bytes of a mask of CPUs at most.
const MAX_AFFINITY: usize = 1024;
/// Bytes of floating point state that no processor exceeds.
const MAX_FP: usize = 64 * 1024;
/// Work that is kept: the rest is found anew.
const KEPT_WORK: u32 = work::STOP | work::RESTORE_MASK;

/// An [`UtsNamespace`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct UtsState {
    id: u64,
    host: ByteBuf,
    domain: ByteBuf,
}

impl UtsState {
    pub(crate) fn make(self) -> Result<Arc<UtsNamespace>, RestoreError> {
        if self.host.len() > MAX_UTS || self.domain.len() > MAX_UTS {
            return Err(RestoreError::new("a name is too long"));
        }
        UTS_IDS.note(self.id);
        let names = (self.host.into_vec(), self.domain.into_vec());
        Ok(Arc::new(UtsNamespace { id: self.id, names: RwLock::new(names) }))
    }
}

impl Component for UtsState {
    type Object = Arc<UtsNamespace>;

    fn save(uts: &Self::Object, _saver: &mut Saver) -> Result<Self, Unsavable> {
        let (host, domain) = uts.names.read().clone();
        Ok(Self { id: uts.id, host: ByteBuf::from(host), domain: ByteBuf::from(domain) })
    }

    fn restore(self, _restorer: &mut Restorer<'_>) -> Result<Self::Object, RestoreError> {
        self.make()
    }
}

/// A [`VforkDone`].
#[derive(Debug, Serialize, Deserialize)]
pub struct VforkState {
    done: bool,
}

impl Component for VforkState {
    type Object = Arc<VforkDone>;

    fn save(vfork: &Self::Object, _saver: &mut Saver) -> Result<Self, Unsavable> {
        Ok(Self { done: vfork.is_done() })
    }

    fn restore(self, _restorer: &mut Restorer<'_>) -> Result<Self::Object, RestoreError> {
        Ok(Arc::new(VforkDone { done: AtomicBool::new(self.done), queue: Arc::default() }))
    }
}

/// A [`Task`].
#[derive(Debug, Serialize, Deserialize)]
pub struct TaskState {
    tid: i32,
    tg: Id<ThreadGroupState>,
    creds: Id<Credentials>,
    mm: Id<MemoryManagerState>,
    fs: Id<FsContextState>,
    files: Id<FdTableState>,
    mount_namespace: Id<MountNamespaceState>,
    uts_namespace: Id<UtsState>,
    pid_namespace_for_children: Id<PidNamespaceState>,
    standing: StandingState,
    signals: SignalsState,
    name: ByteBuf,
    work: u32,
    clear_child_tid: u64,
    robust_list: u64,
    pdeathsig: i32,
    exceeded_nproc: bool,
    last_fault: LastFault,
    restart: Option<RestartState>,
    vfork_done: Option<Id<VforkState>>,
    vfork_wait: Option<Id<VforkState>>,
    arrived_in_stop: u64,
    used: Usage,
    nice: i32,
    sched: (u32, u32),
    ioprio: u32,
    affinity: Option<ByteBuf>,
    personality: u32,
    start_time: u64,
    timer_slack: u64,
    default_timer_slack: u64,
}

/// A [`Standing`].
#[derive(Debug, Serialize, Deserialize)]
struct StandingState {
    regs: GpRegs,
    fs_base: u64,
    gs_base: u64,
    fp: ByteBuf,
    restart: Option<(u64, i32)>,
    deadline: Option<Deadline>,
    /// Bytes that the call has moved.
    #[serde(default)]
    moved: u64,
}

/// [`TaskSignals`](super::TaskSignals)
#[derive(Debug, Serialize, Deserialize)]
struct SignalsState {
    pending: PendingState,
    mask: SigSet,
    saved_mask: Option<SigSet>,
    altstack: StackT,
}

impl StandingState {
    fn save(standing: Standing) -> Self {
        let Standing { context, restart, kept } = standing;
        Self {
            regs: context.regs,
            fs_base: context.fs_base,
            gs_base: context.gs_base,
            fp: ByteBuf::from(context.fp.unwrap_or_default().0),
            restart: restart.map(|(number, error)| (number, error.raw())),
            deadline: kept.deadline.map(Deadline::of),
            moved: kept.moved,
        }
    }

    fn restore(self) -> Result<Standing, RestoreError> {
        let restart = self.restart.map(|(number, error)| (number, Errno::from_raw(error)));
        if restart.is_some_and(|(_, error)| !error.is_restart()) || self.fp.len() > MAX_FP {
            return Err(RestoreError::new("no state that a thread can stand in"));
        }
        let fp = Some(FpState(self.fp.into_vec()));
        let context = Context { regs: self.regs, fs_base: self.fs_base, gs_base: self.gs_base, fp };
        if i64::try_from(self.moved).is_err() {
            return Err(RestoreError::new("a call that has moved more than can be"));
        }
        let kept = Kept { deadline: self.deadline.map(Deadline::instant), moved: self.moved };
        Ok(Standing { context, restart, kept })
    }
}

impl Component for TaskState {
    type Object = Arc<Task>;

    fn save(task: &Self::Object, saver: &mut Saver) -> Result<Self, Unsavable> {
        let what = || format!("thread {}", task.tid());
        let standing = task.standing.lock().clone();
        let standing = standing.ok_or_else(|| Unsavable::new(what(), "it does not stand still"))?;
        let mm = task.mm().ok_or_else(|| Unsavable::new(what(), "it is about to end"))?;
        let ns = task.ns.read().clone();
        let signals = task.signals.lock();
        let vfork = |vfork: &Mutex<Option<Arc<VforkDone>>>, saver: &mut Saver| {
            vfork.lock().as_ref().map(|vfork| saver.id(vfork))
        };
        Ok(Self {
            tid: task.tid(),
            tg: saver.id(&task.tg),
            creds: saver.id(&task.creds()),
            mm: saver.id(&mm),
            fs: saver.id(&task.fs()),
            files: saver.id(&task.files()),
            mount_namespace: saver.id(&ns.mount),
            uts_namespace: saver.id(&ns.uts),
            pid_namespace_for_children: saver.id(&ns.pid_for_children),
            standing: StandingState::save(standing),
            signals: SignalsState {
                pending: PendingState::save(&signals.pending),
                mask: signals.mask,
                saved_mask: signals.saved_mask,
                altstack: signals.altstack,
            },
            name: ByteBuf::from(task.name.read().clone()),
            work: task.work() & KEPT_WORK,
            clear_child_tid: task.clear_child_tid.load(Ordering::Relaxed),
            robust_list: task.robust_list.load(Ordering::Relaxed),
            pdeathsig: task.pdeathsig.load(Ordering::Relaxed),
            exceeded_nproc: task.exceeded_nproc.load(Ordering::Relaxed),
            last_fault: *task.last_fault.lock(),
            restart: task.restart.lock().as_ref().map(|block| block.save(saver)),
            vfork_done: vfork(&task.vfork_done, saver),
            vfork_wait: vfork(&task.vfork_wait, saver),
            arrived_in_stop: task.arrived_in_stop.load(Ordering::Relaxed),
            used: task.usage(),
            nice: task.nice.load(Ordering::Relaxed),
            sched: *task.sched.lock(),
            ioprio: task.ioprio.load(Ordering::Relaxed),
            affinity: task.affinity.lock().clone().map(ByteBuf::from),
            personality: task.personality.load(Ordering::Relaxed),
            start_time: task.start_time,
            timer_slack: task.timer_slack.load(Ordering::Relaxed),
            default_timer_slack: task.default_timer_slack.load(Ordering::Relaxed),
        })
    }

    fn restore(self, restorer: &mut Restorer<'_>) -> Result<Self::Object, RestoreError> {
        let tg = restorer.get(self.tg)?;
        if tg.pidns.local(self.tid) == 0 {
            return Err(RestoreError::new("its PID namespace does not have its number"));
        }
        let is_signal = |signo: i32| signo == 0 || stockade_abi::signal::is_valid(signo);
        if self.name.len() > MAX_NAME || !is_signal(self.pdeathsig) || !(-20..=19).contains(&self.nice) {
            return Err(RestoreError::new("its name, nice value or parent's signal is out of range"));
        }
        if self.affinity.as_ref().is_some_and(|mask| mask.len() > MAX_AFFINITY) {
            return Err(RestoreError::new("its mask of CPUs is too long"));
        }
        let ns = NsProxy {
            mount: restorer.get(self.mount_namespace)?,
            uts: restorer.get(self.uts_namespace)?,
            pid_for_children: restorer.get(self.pid_namespace_for_children)?,
        };
        if !tg.pidns.contains(&ns.pid_for_children) {
            return Err(RestoreError::new("its children's PID namespace is not beneath its own"));
        }
        let parts = TaskParts {
            tid: self.tid,
            tg,
            creds: restorer.get(self.creds)?,
            mm: restorer.get(self.mm)?,
            fs: restorer.get(self.fs)?,
            files: restorer.get(self.files)?,
            ns,
            name: self.name.into_vec(),
            mask: self.signals.mask.minus(SigSet::UNBLOCKABLE),
        };
        let task = Task::begun_at(self.start_time, Arc::clone(restorer.kernel()), parts);
        {
            let mut signals = task.signals.lock();
            signals.pending = self.signals.pending.restore()?;
            signals.saved_mask = self.signals.saved_mask.map(|mask| mask.minus(SigSet::UNBLOCKABLE));
            signals.altstack = self.signals.altstack;
        }
        *task.standing.lock() = Some(self.standing.restore()?);
        if let Some(block) = self.restart {
            let task = Arc::clone(&task);
            restorer.later(move |restorer| {
                *task.restart.lock() = Some(block.restore(restorer)?);
                Ok(())
            });
        }
        // Whether one of its signals can be delivered it finds out itself.
        task.mark(self.work & KEPT_WORK | work::SIGNAL);
        task.clear_child_tid.store(self.clear_child_tid, Ordering::Relaxed);
        task.robust_list.store(self.robust_list, Ordering::Relaxed);
        task.pdeathsig.store(self.pdeathsig, Ordering::Relaxed);
        task.exceeded_nproc.store(self.exceeded_nproc, Ordering::Relaxed);
        *task.last_fault.lock() = self.last_fault;
        *task.vfork_done.lock() = self.vfork_done.map(|vfork| restorer.get(vfork)).transpose()?;
        if let Some(vfork) = self.vfork_wait {
            task.wait_for_vfork(restorer.get(vfork)?);
        }
        task.arrived_in_stop.store(self.arrived_in_stop, Ordering::Relaxed);
        task.has_used(self.used);
        task.nice.store(self.nice, Ordering::Relaxed);
        *task.sched.lock() = self.sched;
        task.ioprio.store(self.ioprio, Ordering::Relaxed);
        *task.affinity.lock() = self.affinity.map(ByteBuf::into_vec);
        task.personality.store(self.personality, Ordering::Relaxed);
        task.timer_slack.store(self.timer_slack, Ordering::Relaxed);
        task.default_timer_slack.store(self.default_timer_slack, Ordering::Relaxed);
        Ok(task)
    }
}
