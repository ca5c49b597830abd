//! `/proc/PID/ns` (namespaces(7)) and `/proc/PID/net`.

use std::sync::Arc;

use stockade_abi::Errno;

use super::inode::{Directory, Listed, Node, ProcInode};
use super::process::{ino, owner};
use super::{ProcFs, Subject};
use crate::fs::nsfs;
use crate::task::namespaces::Namespace;
use crate::vfs::FileType;

const INO: u64 = 0x4_0000;
const NET_INO: u64 = 0x4_1000;

/// The kinds of namespaces. Those that a sandbox has one of only have the numbers of a first one.
const KINDS: [&str; 10] =
    ["cgroup", "ipc", "mnt", "net", "pid", "pid_for_children", "time", "time_for_children", "user", "uts"];

pub(super) struct Namespaces(pub(super) Subject);

/// The namespace that a link leads to; `None` for the kinds of which there is one only.
fn namespace(subject: &Subject, kind: &str) -> Result<Option<Namespace>, Errno> {
    subject.check_access()?;
    let task = subject.task()?;
    let ns = task.ns.read();
    Ok(match kind {
        "mnt" => Some(Namespace::Mount(Arc::clone(&ns.mount))),
        "uts" => Some(Namespace::Uts(Arc::clone(&ns.uts))),
        "pid" => Some(Namespace::Pid(Arc::clone(&task.tg.pidns))),
        "pid_for_children" => Some(Namespace::Pid(Arc::clone(&ns.pid_for_children))),
        _ => None,
    })
}

fn words(subject: &Subject, kind: &str) -> Result<Vec<u8>, Errno> {
    let id = match namespace(subject, kind)? {
        Some(namespace) => namespace.id(),
        None => first(kind),
    };
    let name = kind.trim_end_matches("_for_children");
    Ok(format!("{name}:[{id}]").into_bytes())
}

/// The inode numbers that Linux gives to the first namespaces.
fn first(kind: &str) -> u64 {
    match kind {
        "user" => 0xefff_fffd,
        "ipc" => 0xefff_ffff,
        "cgroup" => 0xefff_fffb,
        "net" => 0xefff_fff9,
        _ => 0xefff_fffa,
    }
}

impl Directory for Namespaces {
    fn lookup(&self, fs: &Arc<ProcFs>, name: &[u8]) -> Result<Arc<ProcInode>, Errno> {
        let index = KINDS.iter().position(|k| k.as_bytes() == name).ok_or(Errno::ENOENT)?;
        let (for_words, for_place) = (self.0.clone(), self.0.clone());
        let node = Node::Magic {
            words: Box::new(move || words(&for_words, KINDS[index])),
            place: Box::new(move || {
                let kind = KINDS[index];
                match namespace(&for_place, kind)? {
                    Some(namespace) => Ok(nsfs::path(namespace)),
                    None => Ok(nsfs::only(&words(&for_place, kind)?, first(kind))),
                }
            }),
        };
        Ok(ProcInode::owned(fs, ino(&self.0, INO + index as u64), 0o777, owner(&self.0)?, node))
    }

    fn list(&self, _fs: &Arc<ProcFs>) -> Result<Vec<Listed>, Errno> {
        let listed = KINDS.iter().enumerate().map(|(index, kind)| Listed {
            name: (*kind).into(),
            ino: ino(&self.0, INO + index as u64),
            file_type: FileType::Symlink,
        });
        Ok(listed.collect())
    }
}

/// The network as a process sees it: a loopback interface that is down.
pub(super) struct Net(pub(super) Subject);

const NET: [(&str, &str); 6] = [
    ("arp", "IP address       HW type     Flags       HW address            Mask     Device\n"),
    (
        "dev",
        "Inter-|   Receive                                                |  Transmit\n \
         face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n    \
         lo:       0       0    0    0    0     0          0         0        0       0    0    0    0     0       0          0\n",
    ),
    (
        "route",
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT                                                       \n",
    ),
    (
        "tcp",
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode                                                     \n",
    ),
    (
        "udp",
        "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops             \n",
    ),
    ("unix", "Num       RefCount Protocol Flags    Type St Inode Path\n"),
];

impl Directory for Net {
    fn lookup(&self, fs: &Arc<ProcFs>, name: &[u8]) -> Result<Arc<ProcInode>, Errno> {
        let index = NET.iter().position(|(n, _)| n.as_bytes() == name).ok_or(Errno::ENOENT)?;
        let ino = ino(&self.0, NET_INO + index as u64);
        Ok(ProcInode::text(fs, ino, move || Ok(NET[index].1.as_bytes().to_vec())))
    }

    fn list(&self, _fs: &Arc<ProcFs>) -> Result<Vec<Listed>, Errno> {
        let listed = NET.iter().enumerate().map(|(index, (name, _))| Listed {
            name: (*name).into(),
            ino: ino(&self.0, NET_INO + index as u64),
            file_type: FileType::Regular,
        });
        Ok(listed.collect())
    }
}
