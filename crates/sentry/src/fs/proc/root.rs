//! `/proc` itself.

use std::sync::Arc;

use stockade_abi::Errno;

use super::inode::{Directory, Listed, ProcInode};
use super::{ProcFs, Subject, process, sys, system};
use crate::task::current;
use crate::vfs::FileType;

pub(super) struct Root;

/// Inode numbers below are those of files that have fixed ones; a process's begin at its number times this.
pub(super) const PER_PROCESS: u64 = 1 << 20;

/// The links whose targets depend on who looks.
const LINKS: [(&str, &str); 4] =
    [("self", ""), ("thread-self", ""), ("mounts", "self/mounts"), ("net", "self/net")];

/// A number of a process or thread in decimal, without leading zeros.
pub(super) fn number(name: &[u8]) -> Option<i32> {
    let text = std::str::from_utf8(name).ok()?;
    let well_formed = !text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit());
    if well_formed { text.parse().ok() } else { None }
}

fn own_number(fs: &ProcFs) -> Result<(i32, i32), Errno> {
    let task = current().ok_or(Errno::ENOENT)?;
    match (fs.pidns.local(task.tg.tgid), fs.pidns.local(task.tid())) {
        (0, _) | (_, 0) => Err(Errno::ENOENT),
        both => Ok(both),
    }
}

impl Directory for Root {
    fn lookup(&self, fs: &Arc<ProcFs>, name: &[u8]) -> Result<Arc<ProcInode>, Errno> {
        if let Some(local) = number(name) {
            let id = fs.pidns.root_of(local).ok_or(Errno::ENOENT)?;
            let tree = fs.kernel.tree.lock();
            // Threads can be reached by their numbers, but are not listed.
            let id = match tree.tasks.get(&id) {
                Some(task) => task.tg.tgid,
                None if tree.groups.contains_key(&id) => id,
                None => return Err(Errno::ENOENT),
            };
            drop(tree);
            return process::directory(&Subject { fs: Arc::clone(fs), id, is_thread: false });
        }
        let ino = |index: usize| 16 + index as u64;
        if let Some(index) = LINKS.iter().position(|(n, _)| n.as_bytes() == name) {
            let owner = Arc::clone(fs);
            let (link, target) = LINKS[index];
            return Ok(ProcInode::link(fs, ino(index), move || match link {
                "self" => own_number(&owner).map(|(pid, _)| pid.to_string().into_bytes()),
                "thread-self" => {
                    own_number(&owner).map(|(pid, tid)| format!("{pid}/task/{tid}").into_bytes())
                }
                _ => Ok(target.as_bytes().to_vec()),
            }));
        }
        if name == b"sys" {
            return Ok(sys::root(fs));
        }
        let index = system::FILES.iter().position(|(n, _)| n.as_bytes() == name).ok_or(Errno::ENOENT)?;
        let (_, read) = system::FILES[index];
        let owner = Arc::clone(fs);
        Ok(ProcInode::text(fs, ino(LINKS.len() + index), move || read(&owner)))
    }

    fn list(&self, fs: &Arc<ProcFs>) -> Result<Vec<Listed>, Errno> {
        let mut list = Vec::new();
        let named = |name: &str, ino, file_type| Listed { name: name.into(), ino, file_type };
        for (index, (name, _)) in system::FILES.iter().enumerate() {
            list.push(named(name, 16 + (LINKS.len() + index) as u64, FileType::Regular));
        }
        for (index, (name, _)) in LINKS.iter().enumerate() {
            list.push(named(name, 16 + index as u64, FileType::Symlink));
        }
        list.push(named("sys", sys::ROOT_INO, FileType::Directory));
        let tree = fs.kernel.tree.lock();
        let mut processes: Vec<i32> =
            tree.groups.keys().map(|&id| fs.pidns.local(id)).filter(|&id| id > 0).collect();
        drop(tree);
        processes.sort_unstable();
        list.extend(processes.into_iter().map(|pid| Listed {
            name: pid.to_string().into_bytes(),
            ino: pid as u64 * PER_PROCESS,
            file_type: FileType::Directory,
        }));
        Ok(list)
    }

    fn nlink(&self) -> u32 {
        3
    }
}

/// An empty directory.
pub(super) struct Empty;

impl Directory for Empty {
    fn lookup(&self, _fs: &Arc<ProcFs>, _name: &[u8]) -> Result<Arc<ProcInode>, Errno> {
        Err(Errno::ENOENT)
    }

    fn list(&self, _fs: &Arc<ProcFs>) -> Result<Vec<Listed>, Errno> {
        Ok(Vec::new())
    }
}
