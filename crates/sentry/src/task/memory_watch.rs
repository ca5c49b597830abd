//! Holding guests to a bound on memory where the host's control groups cannot.
//!
//! A thread looks at what processes use, the more often the closer that is to the bound, and kills the largest once it is
//! beyond. Between two looks a process can take more: at most what it can touch in [`SHORTEST`], some tens of megabytes.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use stockade_abi::Errno;
use stockade_abi::signal::{SIGKILL, SigInfo, si};

use super::Kernel;
use crate::diagnosis;
use crate::mm::MemoryManager;

/// How fast memory can be touched, in bytes a second: a guess on the safe side.
const RATE: u64 = 8 << 30;
/// Between two looks.
const SHORTEST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_secs(1);

/// Holds the processes of a kernel, and its files in memory, to so many bytes.
///
/// # Errors
/// EAGAIN if the host has no more threads.
pub fn start(kernel: &Arc<Kernel>, limit: u64) -> Result<(), Errno> {
    let kernel = Arc::downgrade(kernel);
    diagnosis::spawn("memory", 128 * 1024, move || watch(&kernel, limit)).map_err(|_| Errno::EAGAIN)
}

fn watch(kernel: &Weak<Kernel>, limit: u64) {
    while let Some(kernel) = kernel.upgrade() {
        let used = {
            let _changing = kernel.changing();
            look(&kernel, limit)
        };
        drop(kernel);
        let room = limit.saturating_sub(used);
        let pause = Duration::from_nanos((u128::from(room) * 1_000_000_000 / u128::from(RATE)) as u64);
        thread::sleep(pause.clamp(SHORTEST, LONGEST));
    }
}

/// Looks once; what is used.
fn look(kernel: &Kernel, limit: u64) -> u64 {
    let processes = processes(kernel);
    let files = kernel.memory_files.figures().1;
    let sum = |divided| -> u64 { processes.iter().map(|(_, mm)| mm.space().private_size(divided)).sum() };
    let rough = files + sum(false);
    if rough <= limit {
        return rough;
    }
    // What forks share was counted more than once.
    let sizes = processes.iter().map(|(tgid, mm)| (mm.space().private_size(true), tgid, mm));
    let sizes: Vec<_> = sizes.collect();
    let exact = files + sizes.iter().map(|(size, ..)| size).sum::<u64>();
    if exact > limit
        && let Some((_, &tgid, mm)) = sizes.into_iter().max_by_key(|(size, ..)| *size)
    {
        kernel.memory_kills.fetch_add(1, Ordering::Relaxed);
        let _ = kernel.tree.lock().send_group(tgid, &SigInfo::new(SIGKILL, si::SI_KERNEL));
        // At once, whatever its threads are in.
        mm.space().kill();
    }
    exact
}

impl Kernel {
    /// Private memory of all guests, in bytes; what forks share is counted once for each.
    #[must_use]
    pub fn guest_memory(&self) -> u64 {
        processes(self).iter().map(|(_, mm)| mm.space().private_size(false)).sum()
    }
}

/// A process of each address space.
fn processes(kernel: &Kernel) -> Vec<(i32, Arc<MemoryManager>)> {
    let tree = kernel.tree.lock();
    let with_memory = |tgid: &i32| {
        let group = tree.groups.get(tgid)?;
        group.threads.first().and_then(|task| task.mm())
    };
    let mut found: Vec<(i32, Arc<MemoryManager>)> =
        tree.groups.keys().filter_map(|tgid| Some((*tgid, with_memory(tgid)?))).collect();
    drop(tree);
    found.sort_by_key(|(_, mm)| mm.id());
    found.dedup_by_key(|(_, mm)| mm.id());
    found
}
