//! What there is to say of all processes at one moment.

use std::collections::BTreeMap;
use std::time::Duration;

use super::kernel::Kernel;
use super::tree::Group;
use super::usage::Usage;

/// A process at one moment. Numbers are those of the root PID namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessInfo {
    /// Effective user.
    pub uid: u32,
    /// Its number.
    pub pid: i32,
    /// Its parent, 0 for none.
    pub ppid: i32,
    /// Process group.
    pub pgid: i32,
    /// Session.
    pub sid: i32,
    /// Its threads that have not ended, in order.
    pub threads: Vec<i32>,
    /// The number in `/dev/pts` of the terminal that controls it.
    pub tty: Option<u32>,
    /// How long ago it began.
    pub age: Duration,
    /// User and system time of all its threads, of those that have ended too.
    pub cpu_time: Duration,
    /// `comm`
    pub name: Vec<u8>,
    /// Whether it has ended and its parent has not asked for its status.
    pub is_zombie: bool,
}

fn sum(usage: &Usage) -> Duration {
    usage.user + usage.system
}

impl Group {
    fn info(&self, now: u64) -> ProcessInfo {
        let leader = self.threads.iter().find(|t| t.tid() == self.tg.tgid);
        let any = leader.or(self.threads.first());
        let mut threads: Vec<i32> = self.threads.iter().map(|t| t.tid()).collect();
        threads.sort_unstable();
        ProcessInfo {
            uid: any.map_or_else(|| self.zombie.map_or(0, |z| z.uid), |t| t.creds().euid.0),
            pid: self.tg.tgid,
            ppid: self.parent,
            pgid: self.pgid,
            sid: self.sid,
            threads,
            tty: self.tty.as_ref().map(|tty| tty.number),
            age: Duration::from_nanos(now.saturating_sub(self.tg.start_time)),
            cpu_time: sum(&self.tg.past.lock().threads),
            name: leader.map_or_else(|| self.tg.last_name.lock().clone(), |t| t.name.read().clone()),
            is_zombie: self.zombie.is_some(),
        }
    }
}

impl Kernel {
    /// All processes, in the order of their numbers.
    #[must_use]
    pub fn processes(&self) -> Vec<ProcessInfo> {
        let now = self.clock.monotonic_nanos();
        let tree = self.tree.lock();
        let mut all: Vec<_> = tree.groups.values().map(|g| (g.info(now), g.threads.clone())).collect();
        // The host is asked for times without the lock. Who ends meanwhile has left its own behind, and is not among the
        // dead that were counted.
        drop(tree);
        for (process, threads) in &mut all {
            process.cpu_time += threads.iter().map(|t| t.cpu_time()).sum::<Duration>();
        }
        all.into_iter().map(|(process, _)| process).collect()
    }

    /// Resident memory of all processes in bytes, by their numbers. What they share counts for each.
    #[must_use]
    pub fn resident_sizes(&self) -> BTreeMap<i32, u64> {
        let tree = self.tree.lock();
        let of = |group: &Group| Some((group.tg.tgid, group.threads.first()?.mm()?));
        let memories: Vec<_> = tree.groups.values().filter_map(of).collect();
        drop(tree);
        memories.into_iter().map(|(pid, mm)| (pid, mm.space().resident_size())).collect()
    }

    /// What all processes have used since the sandbox began.
    #[must_use]
    pub fn total_usage(&self) -> Usage {
        let tree = self.tree.lock();
        let mut sum = tree.reaped;
        for group in tree.groups.values() {
            sum += group.tg.past.lock().threads;
        }
        let alive: Vec<_> = tree.tasks.values().cloned().collect();
        drop(tree);
        for task in alive {
            sum += task.usage();
        }
        sum
    }
}
