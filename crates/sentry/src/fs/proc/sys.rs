//! `/proc/sys` (proc_sys(5)): what may be known of the kernel's parameters. Few can be set, and only for the sandbox.

use std::sync::Arc;

use stockade_abi::Errno;
use stockade_abi::general as c;

use super::ProcFs;
use super::inode::{Directory, Listed, Node, ProcInode, Text};
use crate::task::current;
use crate::vfs::quota::EPOLL_WATCHES;
use crate::vfs::{FileType, OPEN_FILES};

/// Inode numbers of this tree; its own last.
const INO: u64 = 0x1000;
pub(super) const ROOT_INO: u64 = INO - 1;

type Make = fn(&ProcFs) -> Result<String, Errno>;

/// All parameters, by path. In the order of a listing.
const PARAMETERS: &[(&str, Make)] = &[
    ("fs/epoll/max_user_watches", |_| fixed(EPOLL_WATCHES.figures().0)),
    ("fs/file-max", |_| fixed(OPEN_FILES.figures().0)),
    ("fs/file-nr", |_| {
        let (limit, used) = OPEN_FILES.figures();
        fixed(format!("{used}\t0\t{limit}"))
    }),
    ("fs/inotify/max_queued_events", |_| fixed("16384")),
    ("fs/inotify/max_user_instances", |_| fixed("128")),
    ("fs/inotify/max_user_watches", |_| fixed("65536")),
    ("fs/mount-max", |_| fixed("10000")),
    ("fs/nr_open", |_| fixed(crate::vfs::fd_table::NR_OPEN)),
    ("fs/pipe-max-size", |_| fixed("1048576")),
    ("fs/protected_hardlinks", |_| fixed("1")),
    ("fs/protected_symlinks", |_| fixed("1")),
    ("kernel/cap_last_cap", |_| fixed(stockade_abi::sched::CAP_LAST_CAP)),
    ("kernel/core_pattern", |_| fixed("core")),
    ("kernel/domainname", |_| of_uts(|names| names.1.clone())),
    ("kernel/hostname", |_| of_uts(|names| names.0.clone())),
    ("kernel/keys/maxkeys", |_| fixed("200")),
    ("kernel/ngroups_max", |_| fixed("65536")),
    ("kernel/osrelease", |_| fixed(crate::syscalls::system::RELEASE)),
    ("kernel/ostype", |_| fixed("Linux")),
    ("kernel/overflowgid", |_| fixed("65534")),
    ("kernel/overflowuid", |_| fixed("65534")),
    ("kernel/pid_max", |_| fixed(crate::task::PID_MAX)),
    ("kernel/random/boot_id", |fs| fixed(uuid(fs.kernel.boot_id))),
    ("kernel/random/entropy_avail", |_| fixed("256")),
    ("kernel/random/generation", |fs| fixed(fs.kernel.generation())),
    ("kernel/random/poolsize", |_| fixed("256")),
    ("kernel/random/uuid", |_| fixed(uuid(crate::task::kernel::random_bytes()))),
    ("kernel/randomize_va_space", |_| fixed("2")),
    ("kernel/sched_child_runs_first", |_| fixed("0")),
    ("kernel/seccomp/actions_avail", |_| fixed("")),
    ("kernel/threads-max", |fs| fixed(fs.kernel.config.max_tasks)),
    ("kernel/unprivileged_userns_clone", |_| fixed("0")),
    ("kernel/version", |_| fixed(crate::syscalls::system::VERSION)),
    ("kernel/yama/ptrace_scope", |_| fixed("0")),
    ("net/core/somaxconn", |_| fixed("4096")),
    ("net/unix/max_dgram_qlen", |_| fixed("512")),
    ("user/max_user_namespaces", |_| fixed("0")),
    ("vm/max_map_count", |_| fixed("65530")),
    ("vm/mmap_min_addr", |_| fixed("65536")),
    ("vm/overcommit_memory", |_| fixed("0")),
    ("vm/overcommit_ratio", |_| fixed("50")),
    ("vm/swappiness", |_| fixed("60")),
];

fn fixed(value: impl ToString) -> Result<String, Errno> {
    Ok(value.to_string())
}

/// The names of a UTS namespace: the host's and the domain's.
type Names = (Vec<u8>, Vec<u8>);

/// Of the caller's own UTS namespace, as Linux has it.
fn of_uts(pick: fn(&Names) -> Vec<u8>) -> Result<String, Errno> {
    let task = current().ok_or(Errno::ESRCH)?;
    let name = pick(&task.ns.read().uts.names.read());
    Ok(String::from_utf8_lossy(&name).into_owned())
}

fn uuid(mut bytes: [u8; 16]) -> String {
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let hex = bytes.map(|b| format!("{b:02x}")).concat();
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

/// sethostname(2) by way of a file.
fn set_name(bytes: &[u8], domain: bool) -> Result<(), Errno> {
    let task = current().ok_or(Errno::ESRCH)?;
    if !task.creds().has_cap(c::CAP_SYS_ADMIN) {
        return Err(Errno::EPERM);
    }
    let end = bytes.iter().position(|&b| b == b'\n' || b == 0).unwrap_or(bytes.len());
    let name = bytes[..end.min(64)].to_vec();
    let uts = Arc::clone(&task.ns.read().uts);
    let mut names = uts.names.write();
    if domain {
        names.1 = name
    } else {
        names.0 = name
    }
    Ok(())
}

pub(super) fn root(fs: &Arc<ProcFs>) -> Arc<ProcInode> {
    directory(fs, String::new())
}

fn directory(fs: &Arc<ProcFs>, prefix: String) -> Arc<ProcInode> {
    let ino = ino_of(&prefix);
    ProcInode::new(fs, ino, 0o555, Node::Dir(Box::new(Parameters(prefix))))
}

/// Directories have the number of their first entry, and 512 more.
fn ino_of(prefix: &str) -> u64 {
    if prefix.is_empty() {
        return ROOT_INO;
    }
    let first = PARAMETERS.iter().position(|(path, _)| path.starts_with(prefix)).unwrap_or(0) as u64;
    INO + 512 + first * 4 + prefix.matches('/').count() as u64
}

/// The parameters that begin in one way, which ends with a slash.
struct Parameters(String);

impl Directory for Parameters {
    fn lookup(&self, fs: &Arc<ProcFs>, name: &[u8]) -> Result<Arc<ProcInode>, Errno> {
        let path = format!("{}{}", self.0, std::str::from_utf8(name).map_err(|_| Errno::ENOENT)?);
        if let Some(index) = PARAMETERS.iter().position(|(p, _)| *p == path) {
            let (name, make) = PARAMETERS[index];
            let owner = Arc::clone(fs);
            let write: Option<super::inode::Writer> = match name {
                "kernel/hostname" => Some(Box::new(|bytes| set_name(bytes, false))),
                "kernel/domainname" => Some(Box::new(|bytes| set_name(bytes, true))),
                _ => None,
            };
            let permissions = if write.is_some() { 0o644 } else { 0o444 };
            let read = Box::new(move || Ok((make(&owner)? + "\n").into_bytes()));
            let text = Arc::new(Text { read, write, gate: None });
            return Ok(ProcInode::new(fs, INO + index as u64, permissions, Node::Text(text)));
        }
        let prefix = path + "/";
        if PARAMETERS.iter().any(|(p, _)| p.starts_with(&prefix)) {
            return Ok(directory(fs, prefix));
        }
        Err(Errno::ENOENT)
    }

    fn list(&self, _fs: &Arc<ProcFs>) -> Result<Vec<Listed>, Errno> {
        let mut list: Vec<Listed> = Vec::new();
        for (index, (path, _)) in PARAMETERS.iter().enumerate() {
            let Some(rest) = path.strip_prefix(self.0.as_str()) else { continue };
            let entry = match rest.split_once('/') {
                Some((dir, _)) => Listed {
                    name: dir.into(),
                    ino: ino_of(&format!("{}{dir}/", self.0)),
                    file_type: FileType::Directory,
                },
                None => Listed { name: rest.into(), ino: INO + index as u64, file_type: FileType::Regular },
            };
            if list.last().is_none_or(|last| last.name != entry.name) {
                list.push(entry);
            }
        }
        Ok(list)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_sorted_so_that_directories_are_listed_once() {
        assert!(PARAMETERS.is_sorted_by(|a, b| a.0 < b.0));
    }

    #[test]
    fn uuids_have_their_form() {
        assert_eq!(uuid([0xff; 16]), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    }
}
