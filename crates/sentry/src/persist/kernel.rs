//! Saving and restoring as a whole.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use stockade_platform::Platform;

use super::error::{RestoreError, SaveError};
use super::id::Id;
use super::pages::{HostResources, PageSink, PageSource};
use super::restorer::Restorer;
use super::saver::Saver;
use super::state::KernelState;
use crate::mm::persist::MemoryManagerState;
use crate::task::persist::{PidNamespaceState, TreeState, UtsState};
use crate::task::{Frozen, Kernel, KernelConfig, KernelRoots};
use crate::time::Base;
use crate::vfs::persist::DentryState;

/// What there is once in a kernel.
#[derive(Debug, Serialize, Deserialize)]
pub struct KernelInfo {
    /// What it was made with.
    pub config: KernelConfig,
    /// What its clocks showed when it was saved.
    pub clocks: Clocks,
    /// The number of the first process, 0 for none.
    pub init: i32,
    root_pidns: Id<PidNamespaceState>,
    root_uts: Id<UtsState>,
    tree: TreeState,
    /// How many processes were killed for want of memory.
    memory_kills: u64,
    /// How many tasks were refused.
    tasks_refused: u64,
    /// Whether it was paused.
    paused: bool,
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
        self.collect().map(|(state, _)| state)
    }

    /// Saves the kernel: first finds out whether everything can be saved, then gives the pages to `sink`, and returns the
    /// rest.
    ///
    /// # Errors
    /// What cannot be saved (nothing was written then), or why pages could not be read or written.
    pub fn save(&self, sink: &mut dyn PageSink) -> Result<KernelState, SaveError> {
        let (state, mut saver) = self.collect()?;
        for (mm, space) in saver.objects::<MemoryManagerState>().into_iter().zip(0..) {
            mm.save_pages(space, sink)?;
        }
        Ok(state)
    }

    fn collect(&self) -> Result<(KernelState, Saver), SaveError> {
        let kernel = self.kernel();
        let mut saver = Saver::new(kernel);
        let (memory_kills, tasks_refused) = kernel.refusals();
        let info = KernelInfo {
            config: kernel.config.clone(),
            clocks: Clocks::now(),
            init: kernel.init_tgid(),
            root_pidns: saver.id(&kernel.root_pidns),
            root_uts: saver.id(&kernel.root_uts),
            tree: TreeState::save(&kernel.tree.lock(), &mut saver),
            memory_kills: memory_kills as u64,
            tasks_refused: tasks_refused as u64,
            paused: kernel.is_paused(),
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
}

impl Restored {
    /// The kernel.
    #[must_use]
    pub fn kernel(&self) -> &Arc<Kernel> {
        self.frozen.kernel()
    }

    /// Lets it go on.
    #[must_use]
    pub fn go(self) -> Arc<Kernel> {
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
        let roots = state.roots()?;
        let (pidns, uts) = (Arc::clone(&roots.pidns), Arc::clone(&roots.uts));
        let kernel = Self::with_roots(platform, config, roots);
        let kernel = kernel.map_err(|e| RestoreError::refused("the kernel cannot be made", e))?;
        let mut restorer = Restorer::new(Arc::clone(&kernel), pages, host);
        let info = state.hand_over(&mut restorer);
        restorer.supply(info.root_pidns, pidns)?;
        restorer.supply(info.root_uts, uts)?;
        restorer.chain::<DentryState>(DentryState::parent)?;
        let tree = info.tree.restore(&mut restorer)?;
        restorer.finish()?;
        for (mm, space) in restorer.all::<MemoryManagerState>()?.into_iter().zip(0..) {
            mm.restore_pages(space, restorer.pages)?;
        }
        kernel.count_refusals(info.memory_kills, info.tasks_refused);
        let frozen = kernel.thaw(tree, info.init, info.paused)?;
        Ok(Restored { frozen })
    }
}

impl KernelState {
    /// What a kernel has from its beginning.
    fn roots(&self) -> Result<KernelRoots, RestoreError> {
        let missing = |what: &str| RestoreError::new(format!("there is no first {what} namespace"));
        let pidns = self.pid_namespaces.get(self.info.root_pidns.index());
        let uts = self.uts_namespaces.get(self.info.root_uts.index());
        Ok(KernelRoots {
            pidns: pidns.ok_or_else(|| missing("PID"))?.clone().make(None)?,
            uts: uts.ok_or_else(|| missing("UTS"))?.clone().make()?,
        })
    }
}
