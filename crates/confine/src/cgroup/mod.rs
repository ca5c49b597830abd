//! Limits that the host enforces: a control group per sandbox (cgroups(7)), version 1 or 2, where they are writable.

mod v1;
mod v2;

use std::fmt;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What a sandbox may use; `None` is without limit.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Limits {
    /// Bytes of memory, swap included where the host counts it.
    pub memory: Option<u64>,
    /// Tasks: the sentry's threads and the guests'.
    pub pids: Option<u64>,
    /// CPUs, as a share of their time.
    pub cpus: Option<f64>,
}

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// [`Limits::memory`].
    Memory,
    /// [`Limits::pids`].
    Pids,
    /// [`Limits::cpus`].
    Cpu,
}

/// A limit that the host does not enforce here, and why; the sentry's own accounting has to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no cgroup limits {limit}: {reason}")]
pub struct Unavailable {
    /// Which.
    pub limit: Limit,
    /// Why.
    pub reason: String,
}

/// What happened in a group because of its limits, since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Events {
    /// Processes that were killed for want of memory.
    pub oom_kills: u64,
    /// How often memory was at its limit, and something had to be given back first.
    pub memory_at_limit: u64,
    /// Tasks that were not made because there were too many.
    pub forks_refused: u64,
    /// Periods of 100 ms in which the group had to wait for its share of the CPUs.
    pub throttled_periods: u64,
}

/// The groups of one sandbox; removed on drop.
#[derive(Debug)]
pub struct Cgroup {
    groups: Vec<Group>,
    unavailable: Vec<Unavailable>,
}

#[derive(Debug)]
enum Group {
    V1(v1::Group),
    V2(v2::Group),
}

impl Cgroup {
    /// Makes groups for the limits that are set, beneath or beside the caller's own. `name` distinguishes sandboxes of
    /// one front. Limits that cannot be had are in [`unavailable`](Self::unavailable).
    pub fn create(name: &str, limits: &Limits) -> Self {
        let mut cgroup = Self { groups: Vec::new(), unavailable: Vec::new() };
        let wanted = limits.wanted();
        if wanted.is_empty() {
            return cgroup;
        }
        let name = format!("stockade-{}-{name}", std::process::id());
        let own = match std::fs::read_to_string("/proc/self/cgroup") {
            Ok(own) => own,
            Err(e) => {
                let missing = wanted.iter().map(|&w| w.without(format!("/proc/self/cgroup: {e}")));
                cgroup.unavailable.extend(missing);
                return cgroup;
            }
        };
        let mut rest = Vec::new();
        for setting in wanted {
            match v1::Group::create(&own, &name, setting) {
                Some(Ok(group)) => cgroup.groups.push(Group::V1(group)),
                Some(Err(reason)) => cgroup.unavailable.push(setting.without(reason)),
                None => rest.push(setting),
            }
        }
        if !rest.is_empty() {
            let (group, missing) = v2::Group::create(&own, &name, &rest);
            cgroup.groups.extend(group.map(Group::V2));
            cgroup.unavailable.extend(missing);
        }
        cgroup
    }

    /// The limits that are not enforced here.
    pub fn unavailable(&self) -> &[Unavailable] {
        &self.unavailable
    }

    /// Where its groups are.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.groups.iter().map(Group::path)
    }

    /// What its limits have done so far.
    pub fn events(&self) -> Events {
        let mut events = Events::default();
        for group in &self.groups {
            match group {
                Group::V1(g) => g.events(&mut events),
                Group::V2(g) => g.events(&mut events),
            }
        }
        events
    }

    /// The group that clone3(2) can start a process in.
    pub(crate) fn clone_into(&self) -> Option<BorrowedFd<'_>> {
        self.groups.iter().find_map(|g| if let Group::V2(g) = g { Some(g.directory()) } else { None })
    }

    /// Puts the calling thread, the only one of its process, into the groups that clone3(2) cannot.
    pub(crate) fn enter(&self) -> io::Result<()> {
        self.groups.iter().try_for_each(|g| if let Group::V1(g) = g { g.enter() } else { Ok(()) })
    }

    /// What [`enter`](Self::enter) needs.
    pub(crate) fn descriptors(&self) -> impl Iterator<Item = RawFd> {
        self.groups
            .iter()
            .filter_map(|g| if let Group::V1(g) = g { Some(g.tasks().as_raw_fd()) } else { None })
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        self.groups.iter().for_each(|group| remove(group.path()));
    }
}

impl Group {
    fn path(&self) -> &Path {
        match self {
            Self::V1(g) => g.path(),
            Self::V2(g) => g.path(),
        }
    }
}

/// A limit and its value.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Setting {
    Memory(u64),
    Pids(u64),
    Cpus(f64),
}

impl Setting {
    fn limit(self) -> Limit {
        match self {
            Self::Memory(_) => Limit::Memory,
            Self::Pids(_) => Limit::Pids,
            Self::Cpus(_) => Limit::Cpu,
        }
    }

    fn without(self, reason: String) -> Unavailable {
        Unavailable { limit: self.limit(), reason }
    }

    fn controller(self) -> &'static str {
        match self {
            Self::Memory(_) => "memory",
            Self::Pids(_) => "pids",
            Self::Cpus(_) => "cpu",
        }
    }
}

impl Limits {
    fn wanted(&self) -> Vec<Setting> {
        let all =
            [self.memory.map(Setting::Memory), self.pids.map(Setting::Pids), self.cpus.map(Setting::Cpus)];
        all.into_iter().flatten().collect()
    }
}

/// Length of the period over which CPU time is shared out, in microseconds.
const PERIOD: u32 = 100_000;

/// Microseconds of CPU time in each period; the host takes no less than 1,000.
fn quota(cpus: f64) -> u64 {
    (cpus * f64::from(PERIOD)).clamp(1000.0, 1e12) as u64
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Memory => "memory",
            Self::Pids => "the number of tasks",
            Self::Cpu => "CPU time",
        })
    }
}

/// Makes a group's directory, after removing those whose front is gone.
fn make(parent: &Path, name: &str) -> Result<PathBuf, String> {
    for entry in std::fs::read_dir(parent).into_iter().flatten().flatten() {
        let left = entry.file_name();
        let front =
            left.to_str().and_then(|n| n.strip_prefix("stockade-")?.split('-').next()?.parse::<u32>().ok());
        if front.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists()) {
            // A group that still has processes stays.
            let _ = std::fs::remove_dir(entry.path());
        }
    }
    let path = parent.join(name);
    std::fs::create_dir(&path).map_err(|e| format!("making {}: {e}", path.display()))?;
    Ok(path)
}

/// Removes a group. Its last processes may take a moment to leave it.
fn remove(path: &Path) {
    for _ in 0..20 {
        match std::fs::remove_dir(path) {
            Err(e) if e.kind() == io::ErrorKind::ResourceBusy => std::thread::sleep(Duration::from_millis(2)),
            // What is left is removed by a later sandbox.
            _ => return,
        }
    }
}

fn set(directory: &Path, file: &str, value: &str) -> Result<(), String> {
    let path = directory.join(file);
    std::fs::write(&path, value).map_err(|e| format!("writing {value} to {}: {e}", path.display()))
}

/// The number behind `key` in a file of lines `key number`.
fn counter(directory: &Path, file: &str, key: &str) -> u64 {
    let text = std::fs::read_to_string(directory.join(file)).unwrap_or_default();
    let value = text.lines().find_map(|l| l.strip_prefix(key)?.strip_prefix(' '));
    value.and_then(|v| v.trim().parse().ok()).unwrap_or(0)
}

/// Where the group of a controller (or, with `""`, of version 2) is beneath `mount`. In a container the path of the own
/// group may be the host's; then the mount itself is the own group.
fn own_group(mount: &Path, own: &str, controller: &str) -> Option<PathBuf> {
    let path = own.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next()?, fields.next()?);
        controllers.split(',').any(|c| c == controller).then_some(path)
    })?;
    let group = mount.join(path.trim_start_matches('/'));
    Some(if group.is_dir() { group } else { mount.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "9:name=systemd:/\n4:memory:/api/23\n2:cpu,cpuacct:/\n0::/user.slice\n";

    #[test]
    fn finds_the_own_group() {
        let directory = std::env::temp_dir().join(format!("stockade-cgroup-{}", std::process::id()));
        std::fs::create_dir_all(directory.join("api/23")).unwrap();
        assert_eq!(own_group(&directory, OWN, "memory"), Some(directory.join("api/23")));
        assert_eq!(own_group(&directory, OWN, "cpu"), Some(directory.join("")));
        assert_eq!(own_group(&directory, OWN, ""), Some(directory.clone()), "no such group here");
        assert_eq!(own_group(&directory, OWN, "pids"), None);
        std::fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn quotas() {
        assert_eq!(quota(1.5), 150_000);
        assert_eq!(quota(0.0), 1000);
        assert_eq!(quota(f64::NAN), 0);
    }

    #[test]
    fn groups_come_and_go() {
        let limits = Limits { memory: Some(64 << 20), pids: Some(100), cpus: Some(0.5) };
        let cgroup = Cgroup::create("unit", &limits);
        let paths: Vec<PathBuf> = cgroup.paths().map(Path::to_owned).collect();
        if paths.is_empty() {
            println!("skipped: {:?}", cgroup.unavailable());
            return;
        }
        assert!(paths.iter().all(|p| p.is_dir()));
        assert_eq!(cgroup.events(), Events::default());
        drop(cgroup);
        assert!(paths.iter().all(|p| !p.exists()));
    }
}
