//! Whether limits can be set by control groups.

use std::fs;
use std::path::{Path, PathBuf};

use super::Probe;

/// The controllers that limits need.
const CONTROLLERS: [&str; 3] = ["memory", "pids", "cpu"];

pub(super) fn limits() -> Probe {
    const NAME: &str = "control groups";
    const WHY: &str = "memory, tasks and CPU time of a sandbox are bounded by one";
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let lacking: Vec<_> = CONTROLLERS
        .into_iter()
        .filter_map(|controller| Some((controller, refusal(&groups, controller)?)))
        .collect();
    match &lacking[..] {
        [] => Probe::present(NAME, WHY, "memory, pids and cpu are writable"),
        [(first, reason), ..] => {
            let names: Vec<_> = lacking.iter().map(|(name, _)| *name).collect();
            Probe::degraded(
                NAME,
                WHY,
                format!("not for {} ({first}: {reason}): the sentry keeps account itself", names.join(", ")),
                "run as root, or in a group delegated to the user (`systemd-run --user --scope -p Delegate=yes`)",
            )
        }
    }
}

/// Why `controller` cannot be used, from the text of /proc/self/cgroup; None if it can.
fn refusal(groups: &str, controller: &str) -> Option<String> {
    let Some((v1, path)) = find(groups, controller) else {
        return Some("no such controller".to_owned());
    };
    let root = Path::new("/sys/fs/cgroup");
    let group = if v1 { root.join(controller).join(&path) } else { root.join(&path) };
    if !v1 {
        let available = fs::read_to_string(group.join("cgroup.controllers")).unwrap_or_default();
        if !available.split_ascii_whitespace().any(|name| name == controller) {
            return Some("not delegated".to_owned());
        }
    }
    // Trying says more than the mode: the file system may be read-only.
    let trial = group.join(format!("stockade-probe-{}", std::process::id()));
    match fs::create_dir(&trial) {
        Ok(()) => fs::remove_dir(&trial).err().map(|error| error.to_string()),
        Err(error) => Some(format!("{}: {error}", group.display())),
    }
}

/// The group of a controller, relative to its mount, and whether it is a version 1 controller.
fn find(groups: &str, controller: &str) -> Option<(bool, PathBuf)> {
    let mut unified = None;
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':');
        let (Some(id), Some(names), Some(path)) = (fields.next(), fields.next(), fields.next()) else {
            continue;
        };
        let path = PathBuf::from(path.trim_start_matches('/'));
        if names.split(',').any(|name| name == controller) {
            return Some((true, path));
        }
        if id == "0" && names.is_empty() {
            unified = Some((false, path));
        }
    }
    unified
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefers_version_1_where_the_controller_is_there() {
        let hybrid = "4:memory:/a/b\n1:cpu,cpuacct:/\n0::/user.slice\n";
        assert_eq!(find(hybrid, "memory"), Some((true, PathBuf::from("a/b"))));
        assert_eq!(find(hybrid, "cpu"), Some((true, PathBuf::new())));
        assert_eq!(find(hybrid, "pids"), Some((false, PathBuf::from("user.slice"))));
        assert_eq!(find("", "pids"), None);
    }
}
