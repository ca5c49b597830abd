//! Version 2: one hierarchy. Limits need a group whose parent hands controllers down, and one that hands controllers down
//! has no processes of its own; so the new group is beneath the nearest ancestor of the caller's that does or can.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, open, statfs};

use super::{Events, PERIOD, Setting, Unavailable, counter, make, own_group, quota, remove, set};

/// A group in the one hierarchy.
#[derive(Debug)]
pub(super) struct Group {
    path: PathBuf,
    directory: OwnedFd,
}

impl Group {
    /// A group for as many of the settings as can be had, and why not for the others.
    pub(super) fn create(own: &str, name: &str, settings: &[Setting]) -> (Option<Self>, Vec<Unavailable>) {
        let all = |reason: String| settings.iter().map(|s| s.without(reason.clone())).collect();
        let mount = Path::new("/sys/fs/cgroup");
        if statfs(mount).map(|s| s.f_type).ok() != Some(libc::CGROUP2_SUPER_MAGIC) {
            return (None, all("/sys/fs/cgroup has no such controller".into()));
        }
        let Some(own) = own_group(mount, own, "") else {
            return (None, all("this process is in no group".into()));
        };
        let mut reason = String::from("no group of the caller's hands controllers down");
        for parent in own.ancestors().take_while(|p| p.starts_with(mount)) {
            match Self::beneath(parent, name, settings) {
                Ok((group, missing)) => return (Some(group), missing),
                Err(e) => reason = e,
            }
        }
        (None, all(reason))
    }

    fn beneath(parent: &Path, name: &str, settings: &[Setting]) -> Result<(Self, Vec<Unavailable>), String> {
        if !settings.iter().any(|s| hands_down(parent, s.controller())) {
            return Err(format!("{} hands no controllers down", parent.display()));
        }
        let path = make(parent, name)?;
        let opened = open(&path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
        let directory =
            opened.map_err(|e| format!("opening {}: {e}", path.display())).inspect_err(|_| remove(&path))?;
        let mut missing = Vec::new();
        for &setting in settings {
            if let Err(reason) = apply(&path, setting) {
                missing.push(setting.without(reason));
            }
        }
        Ok((Self { path, directory }, missing))
    }

    pub(super) fn directory(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn events(&self, events: &mut Events) {
        events.oom_kills += counter(&self.path, "memory.events", "oom_kill");
        events.memory_at_limit += counter(&self.path, "memory.events", "max");
        events.forks_refused += counter(&self.path, "pids.events", "max");
        events.throttled_periods += counter(&self.path, "cpu.stat", "nr_throttled");
    }
}

/// Whether children of a group get this controller, after asking for it.
fn hands_down(group: &Path, controller: &str) -> bool {
    let file = "cgroup.subtree_control";
    let has = || {
        let text = std::fs::read_to_string(group.join(file)).unwrap_or_default();
        text.split_ascii_whitespace().any(|c| c == controller)
    };
    has() || (set(group, file, &format!("+{controller}")).is_ok() && has())
}

fn apply(path: &Path, setting: Setting) -> Result<(), String> {
    match setting {
        Setting::Memory(bytes) => {
            set(path, "memory.max", &bytes.to_string())?;
            let swap = "memory.swap.max";
            if path.join(swap).exists() { set(path, swap, "0") } else { Ok(()) }
        }
        Setting::Pids(count) => set(path, "pids.max", &count.to_string()),
        Setting::Cpus(cpus) => set(path, "cpu.max", &format!("{} {PERIOD}", quota(cpus))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_land_in_their_files() {
        let group = std::env::temp_dir().join(format!("stockade-cgroup2-{}", std::process::id()));
        std::fs::create_dir_all(&group).unwrap();
        std::fs::write(group.join("memory.swap.max"), "max").unwrap();
        for setting in [Setting::Memory(4096), Setting::Pids(7), Setting::Cpus(2.5)] {
            apply(&group, setting).unwrap();
        }
        let read = |file: &str| std::fs::read_to_string(group.join(file)).unwrap();
        let files = ["memory.max", "memory.swap.max", "pids.max", "cpu.max"];
        assert_eq!(files.map(read), ["4096", "0", "7", "250000 100000"]);
        std::fs::write(group.join("memory.events"), "low 0\nmax 5\noom_kill 2\noom_group_kill 9\n").unwrap();
        let directory = OwnedFd::from(std::fs::File::open(&group).unwrap());
        let mut events = Events::default();
        Group { path: group.clone(), directory }.events(&mut events);
        assert_eq!((events.oom_kills, events.memory_at_limit), (2, 5));
        std::fs::remove_dir_all(&group).unwrap();
    }
}
