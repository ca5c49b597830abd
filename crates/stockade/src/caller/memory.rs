//! How much memory there is to share out.

use std::fs::read_to_string;
use std::io;
use std::path::Path;

/// Bytes: the host's memory, or less where the caller's cgroup allows less.
pub(super) fn available() -> io::Result<u64> {
    let meminfo = read_to_string("/proc/meminfo")?;
    let total =
        total(&meminfo).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no field MemTotal"))?;
    let cgroups = read_to_string("/proc/self/cgroup").unwrap_or_default();
    Ok(cgroup_limits(&cgroups, Path::new("/sys/fs/cgroup")).fold(total, u64::min))
}

fn total(meminfo: &str) -> Option<u64> {
    let kib = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?.trim().strip_suffix(" kB")?;
    kib.parse::<u64>().ok()?.checked_mul(1024)
}

/// The limits of the memory cgroup (v2, or v1's memory controller) and of those above it.
fn cgroup_limits<'a>(cgroups: &'a str, mount: &'a Path) -> impl Iterator<Item = u64> + 'a {
    cgroups.lines().flat_map(move |line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
        let (base, file) = match controllers {
            "" => (mount.to_owned(), "memory.max"),
            _ if controllers.split(',').any(|c| c == "memory") => {
                (mount.join("memory"), "memory.limit_in_bytes")
            }
            _ => return Vec::new(),
        };
        let path = Path::new(path.trim_start_matches('/'));
        path.ancestors()
            .filter_map(|p| read_to_string(base.join(p).join(file)).ok()?.trim().parse().ok())
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meminfo() {
        assert_eq!(total("MemTotal:       24000 kB\nMemFree: 1 kB\n"), Some(24000 * 1024));
        assert_eq!(total("MemFree: 1 kB\n"), None);
    }

    #[test]
    fn cgroups_of_both_versions() {
        let dir = tempfile::tempdir().unwrap();
        for (name, limit) in
            [("a/memory.max", "max"), ("a/b/memory.max", "4096"), ("memory/c/memory.limit_in_bytes", "77")]
        {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, format!("{limit}\n")).unwrap();
        }
        let limits = |text: &str| cgroup_limits(text, dir.path()).collect::<Vec<u64>>();
        assert_eq!(limits("0::/a/b\n"), [4096]);
        assert_eq!(limits("5:cpu:/x\n4:hugetlb,memory:/c\n"), [77]);
        assert_eq!(limits("0::/\n"), [0u64; 0]);
    }
}
