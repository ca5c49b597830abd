//! Saving and restoring as a whole.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use stockade_platform::Platform;

use super::component::Listed;
use super::error::{RestoreError, SaveError, Unsavable};
use super::id::Id;
use super::pages::{HostResources, PageObject, PageSink, PageSource};
use super::restorer::Restorer;
use super::saver::Saver;
use super::state::KernelState;
use crate::fs::stdio::Bridge;
use crate::fs::tmpfs::TmpFsState;
use crate::mm::Twins;
use crate::mm::persist::MemoryManagerState;
use crate::strace::TracingState;
use crate::task::persist::{PidNamespaceState, TreeState, UtsState};
use crate::task::{Frozen, Kernel, KernelConfig, KernelRoots, ThreadGroup};
use crate::time::Base;
use crate::tty::Tty;
use crate::vfs::persist::{InodeState, make_trees};

/// What there is once in a kernel.
#[derive(Debug, Serialize, Deserialize)]
pub struct KernelInfo {
    /// What it was made with.
    pub config: KernelConfig,
    /// What its clocks showed when it was saved.
    pub clocks: Clocks,
    /// States of the processor that its threads have, as in XCR0.
    pub xfeatures: u64,
    /// The number of the first process, 0 for none.
    pub init: i32,
    root_pidns: Id<PidNamespaceState>,
    root_uts: Id<UtsState>,
    /// The file system of files in memory without a name.
    shm: Id<TmpFsState>,
    tree: TreeState,
    /// How many processes were killed for want of memory.
    memory_kills: u64,
    /// How many tasks were refused.
    tasks_refused: u64,
    /// How often it had been restored.
    #[serde(default)]
    generation: u64,
    /// Whether it was paused.
    paused: bool,
    /// Processes that went on and whose parents do not know yet.
    #[serde(default)]
    continued: Vec<i32>,
    #[serde(default)]
    tracing: TracingState,
    /// What those keep who use the kernel, by their names.
    #[serde(default)]
    pub beside: BTreeMap<String, ByteBuf>,
}

/// Clocks at one moment, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Clocks {
    /// CLOCK_MONOTONIC
    pub monotonic: u64,
    /// CLOCK_BOOTTIME
    pub boottime: u64,
    /// CLOCK_REALTIME
    pub realtime: u64,
}

impl Clocks {
    fn now() -> Self {
        let [monotonic, boottime, realtime] = Base::ALL.map(Base::now);
        Self { monotonic, boottime, realtime }
    }
}

impl Frozen {
    /// All that the kernel is, but for the pages of its memory.
    ///
    /// # Errors
    /// Everything that cannot be saved, at once.
    pub fn state(&self) -> Result<KernelState, SaveError> {
        self.collect(false).map(|(state, _)| state)
    }

    /// Saves the kernel: first finds out whether everything can be saved, then gives the pages to `sink`, and returns the
    /// rest.
    ///
    /// # Errors
    /// What cannot be saved (nothing was written then), or why pages could not be read or written.
    pub fn save(&self, sink: &mut dyn PageSink) -> Result<KernelState, SaveError> {
        self.save_with(sink, false).map(|(state, _)| state)
    }

    /// As [`save`](Self::save), but with `force` an open file that cannot be saved does not keep the rest from it: in the
    /// restored kernel it is at its end, or hung up. Those are told of.
    ///
    /// # Errors
    /// As [`save`](Self::save).
    pub fn save_with(
        &self,
        sink: &mut dyn PageSink,
        force: bool,
    ) -> Result<(KernelState, Vec<Unsavable>), SaveError> {
        let (state, mut saver) = self.collect(force)?;
        for (inode, index) in saver.objects::<InodeState>().into_iter().zip(0..) {
            inode.save_pages(PageObject::File(index), sink)?;
        }
        let spaces = saver.objects::<MemoryManagerState>();
        let mut twins = Twins::among(spaces.len());
        for (mm, index) in spaces.into_iter().zip(0..) {
            mm.save_pages(PageObject::Space(index), sink, &mut twins)?;
        }
        Ok((state, saver.closed()))
    }

    fn collect(&self, force: bool) -> Result<(KernelState, Saver), SaveError> {
        let kernel = self.kernel();
        let mut saver = Saver::new(kernel);
        if force {
            saver.close_others();
        }
        let (memory_kills, tasks_refused) = kernel.refusals();
        let info = KernelInfo {
            config: kernel.config.clone(),
            clocks: Clocks::now(),
            xfeatures: kernel.platform.layout().xfeatures,
            init: kernel.init_tgid(),
            root_pidns: saver.id(&kernel.root_pidns),
            root_uts: saver.id(&kernel.root_uts),
            shm: saver.id(&kernel.shm),
            tree: TreeState::save(&kernel.tree.lock(), &mut saver),
            memory_kills: memory_kills as u64,
            tasks_refused: tasks_refused as u64,
            generation: kernel.generation(),
            paused: kernel.is_paused(),
            continued: kernel.continued.lock().clone(),
            tracing: kernel.tracing.save(),
            beside: BTreeMap::new(),
        };
        saver.run();
        let problems = saver.problems();
        if problems.is_empty() {
            Ok((KernelState::collect(info, &mut saver), saver))
        } else {
            Err(SaveError::Unsavable(problems))
        }
    }
}

/// A kernel made anew, in which all threads stand.
pub struct Restored {
    frozen: Frozen,
    bridges: Vec<(Arc<ThreadGroup>, Arc<Bridge>)>,
}

impl Restored {
    /// The kernel.
    #[must_use]
    pub fn kernel(&self) -> &Arc<Kernel> {
        self.frozen.kernel()
    }

    /// The terminal that the first process was started on, and what is between that and one of the host, if it is the
    /// sandbox's own and there is one in the place of the old one.
    #[must_use]
    pub fn terminal(&self) -> (Option<Arc<Tty>>, Option<Arc<Bridge>>) {
        let init = self.kernel().init_tgid();
        let tree = self.kernel().tree.lock();
        let terminal = tree.group(init).ok().and_then(|group| group.tg.terminal.get());
        let bridge = self.bridges.iter().find(|(leader, _)| leader.tgid == init);
        (terminal.map(|terminal| Arc::clone(terminal.tty())), bridge.map(|(_, bridge)| Arc::clone(bridge)))
    }

    /// Lets it go on.
    #[must_use]
    pub fn go(self) -> Arc<Kernel> {
        for (leader, bridge) in self.bridges {
            // One without a thread is hung up when it is dropped.
            if let Err(error) = bridge.start(&leader) {
                tracing::warn!(%error, "a terminal cannot be served");
            }
        }
        Arc::clone(self.frozen.kernel())
    }
}

impl Kernel {
    /// Makes a kernel of what was saved of another. `config` is that of the state ([`KernelState::info`]), but for what the
    /// host decides.
    ///
    /// # Errors
    /// What is wrong with the state, or what the host refuses. Nothing of the kernel is left then.
    pub fn restore(
        platform: Arc<dyn Platform>,
        config: KernelConfig,
        state: KernelState,
        pages: &mut dyn PageSource,
        host: &mut dyn HostResources,
    ) -> Result<Restored, RestoreError> {
        check_processor(state.info.xfeatures, platform.layout().xfeatures)?;
        // Each takes a thread, or a process, of the host.
        let (tasks, spaces) = (state.tasks.len(), state.memory_managers.len());
        if tasks > config.max_tasks || spaces > tasks {
            let most = config.max_tasks;
            return Err(RestoreError::new(format!(
                "{tasks} tasks with {spaces} address spaces cannot be; {most} tasks may"
            )));
        }
        let roots = state.roots()?;
        let (pidns, uts) = (Arc::clone(&roots.pidns), Arc::clone(&roots.uts));
        let kernel = Self::with_roots(platform, config, roots);
        let kernel = kernel.map_err(|e| RestoreError::refused("the kernel cannot be made", e))?;
        let mut restorer = Restorer::new(Arc::clone(&kernel), pages, host);
        let info = state.hand_over(&mut restorer);
        restorer.supply(info.root_pidns, pidns)?;
        restorer.supply(info.root_uts, uts)?;
        restorer.supply(info.shm, Arc::clone(&kernel.shm))?;
        let frozen = kernel.hold();
        match info.restore(&mut restorer).and_then(|()| frozen.thaw()) {
            Ok(()) => Ok(Restored { frozen, bridges: std::mem::take(&mut restorer.bridges) }),
            Err(e) => {
                frozen.give_up();
                Err(e)
            }
        }
    }
}

impl KernelInfo {
    /// Makes everything that processes have, but for their threads.
    fn restore(self, restorer: &mut Restorer<'_>) -> Result<(), RestoreError> {
        let kernel = Arc::clone(restorer.kernel());
        make_trees(restorer)?;
        let tree = self.tree.restore(restorer)?;
        if self.init != 0 && !tree.groups.contains_key(&self.init) || tree.tasks.is_empty() {
            return Err(RestoreError::new("there is no first process, or no process at all"));
        }
        *kernel.continued.lock() = self.continued;
        kernel.tracing.restore(self.tracing);
        let (kills, refused) = (self.memory_kills, self.tasks_refused);
        kernel.goes_on_with(self.init, self.paused, kills, refused, self.generation.saturating_add(1));
        *kernel.tree.lock() = tree;
        restorer.finish()?;
        // What is mapped of files is no part of their budget, but of the sandbox's memory.
        let mut room = kernel.config.memory.saturating_add(kernel.config.disk);
        for (inode, index) in restorer.all::<InodeState>()?.into_iter().zip(0..) {
            let runs = restorer.pages.runs(PageObject::File(index));
            let left = runs.iter().try_fold(room, |room, run| room.checked_sub(run.length));
            room = left.ok_or_else(|| RestoreError::new("files hold more than the sandbox may have"))?;
            let restored = inode.restore_pages(PageObject::File(index), restorer.pages, &kernel);
            restored.map_err(|e| e.at(InodeState::TABLE, index))?;
        }
        for (mm, index) in restorer.all::<MemoryManagerState>()?.into_iter().zip(0..) {
            let restored = mm.restore_pages(PageObject::Space(index), restorer.pages, &kernel);
            restored.map_err(|e| e.at(MemoryManagerState::TABLE, index))?;
        }
        Ok(())
    }
}

/// Whether a processor has all states that threads have (XSAVE).
fn check_processor(needed: u64, has: u64) -> Result<(), RestoreError> {
    const NAMES: [(u64, &str); 5] = [
        (1 << 2, "AVX"),
        (0b111 << 5, "AVX-512"),
        (1 << 9, "protection keys"),
        (0b11 << 17, "AMX"),
        (1 << 19, "APX"),
    ];
    let missing = needed & !has;
    if missing == 0 {
        return Ok(());
    }
    let names: Vec<&str> =
        NAMES.iter().filter(|(bits, _)| missing & bits != 0).map(|&(_, name)| name).collect();
    let names = if names.is_empty() { format!("{missing:#x}") } else { names.join(", ") };
    Err(RestoreError::new(format!("this processor lacks what the saved one had: {names}")))
}

impl KernelState {
    /// What a kernel has from its beginning.
    fn roots(&self) -> Result<KernelRoots, RestoreError> {
        let missing = |what: &str| RestoreError::new(format!("there is no first {what} namespace"));
        let pidns = self.pid_namespaces.get(self.info.root_pidns.index());
        let uts = self.uts_namespaces.get(self.info.root_uts.index());
        let shm = self.tmp_file_systems.get(self.info.shm.index());
        Ok(KernelRoots {
            pidns: pidns.ok_or_else(|| missing("PID"))?.clone().make(None)?,
            uts: uts.ok_or_else(|| missing("UTS"))?.clone().make()?,
            shm: Some(shm.ok_or_else(|| RestoreError::new("there are no files in memory"))?.numbers()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_processor_may_have_more() {
        assert!(check_processor(7, 7).is_ok() && check_processor(3, 0xe7).is_ok());
        let error = check_processor(0xe7, 3).err().map(|e| e.to_string());
        assert_eq!(error.as_deref(), Some("this processor lacks what the saved one had: AVX, AVX-512"));
        assert!(check_processor(1 << 40, 3).is_err());
    }
}
