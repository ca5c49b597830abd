//! Version 1: a hierarchy for each controller.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use rustix::fs::statfs;

use super::{Events, PERIOD, Setting, counter, make, own_group, quota, remove, set};

/// A group in one hierarchy.
#[derive(Debug)]
pub(super) struct Group {
    path: PathBuf,
    controller: &'static str,
    tasks: File,
}

impl Group {
    /// `None` if this host has no such hierarchy.
    pub(super) fn create(own: &str, name: &str, setting: Setting) -> Option<Result<Self, String>> {
        let controller = setting.controller();
        let mount = Path::new("/sys/fs/cgroup").join(controller);
        if statfs(&mount).ok()?.f_type != libc::CGROUP_SUPER_MAGIC {
            return None;
        }
        let parent = own_group(&mount, own, controller)?;
        Some(make(&parent, name).and_then(|path| {
            Self::fill(&path, setting).inspect_err(|_| remove(&path)).map(|tasks| Self {
                path,
                controller,
                tasks,
            })
        }))
    }

    fn fill(path: &Path, setting: Setting) -> Result<File, String> {
        match setting {
            Setting::Memory(bytes) => {
                set(path, "memory.limit_in_bytes", &bytes.to_string())?;
                // There only if the host counts swap.
                let both = "memory.memsw.limit_in_bytes";
                if path.join(both).exists() {
                    set(path, both, &bytes.to_string())?;
                }
            }
            Setting::Pids(count) => set(path, "pids.max", &count.to_string())?,
            Setting::Cpus(cpus) => {
                set(path, "cpu.cfs_period_us", &PERIOD.to_string())?;
                set(path, "cpu.cfs_quota_us", &quota(cpus).to_string())?;
            }
        }
        let tasks = path.join("tasks");
        OpenOptions::new().write(true).open(&tasks).map_err(|e| format!("opening {}: {e}", tasks.display()))
    }

    /// Moves the calling thread. This file, and the number 0, spare the wait of several milliseconds for all forks of the
    /// host that `cgroup.procs` begins with.
    pub(super) fn enter(&self) -> io::Result<()> {
        (&self.tasks).write_all(b"0")
    }

    pub(super) fn tasks(&self) -> BorrowedFd<'_> {
        self.tasks.as_fd()
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn events(&self, events: &mut Events) {
        match self.controller {
            "memory" => {
                events.oom_kills += counter(&self.path, "memory.oom_control", "oom_kill");
                let failures = std::fs::read_to_string(self.path.join("memory.failcnt")).unwrap_or_default();
                events.memory_at_limit += failures.trim().parse().unwrap_or(0);
            }
            "pids" => events.forks_refused += counter(&self.path, "pids.events", "max"),
            _ => events.throttled_periods += counter(&self.path, "cpu.stat", "nr_throttled"),
        }
    }
}
