//! `/sys` (sysfs(5)): the processors and memory nodes that guests see, and directories where programs expect some.
//!
//! Nothing is kept: an inode is its path, and what it holds is worked out when it is looked at.

mod persist;

use std::sync::Arc;

use stockade_abi::Errno;
use stockade_abi::file::Statfs;
use stockade_abi::general::{S_IFDIR, S_IFREG};

use super::listing::{self, Listed};
use super::proc::cpu_list;
use crate::io::Sink;
use crate::persist::{Saver, Unsavable};
use crate::vfs::persist::{FileOpsState, InodeState};
use crate::vfs::{Attrs, Dentry, DirEntry, File, FileOps, FileType, Inode, Seek, SuperBlock};

pub use persist::{SysFileState, SysInodeState};

/// Magic number of statfs(2).
const MAGIC: i64 = 0x6265_6572;
/// Processors that a kernel could have (`kernel_max` is the last).
const KERNEL_MAX: &str = "8191\n";

/// What is at a path.
enum Entry {
    Directory,
    Text(String),
}

#[derive(Clone, Copy)]
struct SysFs {
    cpus: usize,
    dev: u64,
}

/// Mounts it, for so many processors.
#[must_use]
pub fn mount(cpus: usize) -> Arc<Dentry> {
    let sb = SuperBlock::new("sysfs", "sysfs", false, false);
    let fs = SysFs { cpus, dev: sb.dev };
    Dentry::root(sb, Arc::new(Node { fs, path: String::new(), entry: Entry::Directory }))
}

impl SysFs {
    /// The entries of a directory.
    fn list(self, path: &str) -> Vec<(String, Entry)> {
        let dirs = |names: &[&str]| names.iter().map(|&n| (n.to_owned(), Entry::Directory)).collect();
        let texts = |files: &[(&str, &str)]| -> Vec<(String, Entry)> {
            files.iter().map(|&(name, text)| (name.to_owned(), Entry::Text(text.to_owned()))).collect()
        };
        let all = cpu_list(&(0..self.cpus).collect::<Vec<_>>()) + "\n";
        match path {
            "" => dirs(&[
                "block", "bus", "class", "dev", "devices", "firmware", "fs", "kernel", "module", "power",
            ]),
            "/devices" => dirs(&["system"]),
            "/devices/system" => dirs(&["cpu", "node"]),
            "/devices/system/cpu" => {
                let lists = [("online", &*all), ("possible", &*all), ("present", &*all)];
                let mut entries = texts(&lists);
                entries.extend(texts(&[("offline", "\n"), ("isolated", "\n"), ("kernel_max", KERNEL_MAX)]));
                entries.extend((0..self.cpus).map(|cpu| (format!("cpu{cpu}"), Entry::Directory)));
                entries
            }
            "/devices/system/node" => {
                let mut entries = dirs(&["node0"]);
                entries.extend(texts(&[("online", "0\n"), ("possible", "0\n"), ("has_cpu", "0\n")]));
                entries
            }
            "/devices/system/node/node0" => {
                texts(&[("cpulist", &all), ("cpumap", &self.map(0..self.cpus)), ("distance", "10\n")])
            }
            "/fs" => dirs(&["cgroup"]),
            _ => self.of_cpu(path, &all).unwrap_or_default(),
        }
    }

    /// The entries of a processor's directories: each is a core of one package.
    fn of_cpu(self, path: &str, all: &str) -> Option<Vec<(String, Entry)>> {
        let (cpu, below) = match path.strip_prefix("/devices/system/cpu/cpu")? {
            rest if rest.contains('/') => rest.split_once('/')?,
            cpu => (cpu, ""),
        };
        let cpu: usize = cpu.parse().ok()?;
        let text = |name: &str, text: String| (name.to_owned(), Entry::Text(text));
        match below {
            // The first one cannot be taken away.
            "" if cpu == 0 => Some(vec![("topology".to_owned(), Entry::Directory)]),
            "" => Some(vec![("topology".to_owned(), Entry::Directory), text("online", "1\n".into())]),
            "topology" => Some(vec![
                text("physical_package_id", "0\n".into()),
                text("die_id", "0\n".into()),
                text("core_id", format!("{cpu}\n")),
                text("thread_siblings", self.map(cpu..cpu + 1)),
                text("thread_siblings_list", format!("{cpu}\n")),
                text("core_cpus", self.map(cpu..cpu + 1)),
                text("core_cpus_list", format!("{cpu}\n")),
                text("core_siblings", self.map(0..self.cpus)),
                text("core_siblings_list", all.to_owned()),
                text("package_cpus", self.map(0..self.cpus)),
                text("package_cpus_list", all.to_owned()),
            ]),
            _ => None,
        }
    }

    /// A mask of processors: words of eight digits, the highest first.
    fn map(self, cpus: std::ops::Range<usize>) -> String {
        let words = self.cpus.div_ceil(32).max(1);
        let word =
            |at: usize| (0..32).filter(|bit| cpus.contains(&(at * 32 + bit))).fold(0, |w, b| w | 1 << b);
        let text: Vec<String> = (0..words).rev().map(|at| format!("{:08x}", word(at) as u32)).collect();
        // A single word is as short as it can be.
        let text = if words == 1 { format!("{:x}", word(0) as u32) } else { text.join(",") };
        text + "\n"
    }
}

struct Node {
    fs: SysFs,
    path: String,
    entry: Entry,
}

impl Node {
    /// The same for the same path (FNV-1a), as nothing else tells inodes apart.
    fn ino(path: &str) -> u64 {
        path.bytes().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3))
            >> 16
    }
}

impl Inode for Node {
    fn file_type(&self) -> FileType {
        match self.entry {
            Entry::Directory => FileType::Directory,
            Entry::Text(_) => FileType::Regular,
        }
    }

    fn attrs(&self) -> Result<Attrs, Errno> {
        let now = crate::time::clock::now_coarse();
        let (mode, nlink, size) = match self.entry {
            Entry::Directory => (S_IFDIR | 0o555, 2, 0),
            Entry::Text(_) => (S_IFREG | 0o444, 1, 4096),
        };
        let (ino, blksize) = (Self::ino(&self.path), 4096);
        let times = Attrs { atime: now, mtime: now, ctime: now, ..Attrs::default() };
        Ok(Attrs { dev: self.fs.dev, ino, mode, nlink, size, blksize, ..times })
    }

    fn open(self: Arc<Self>, _flags: u32) -> Result<Arc<dyn FileOps>, Errno> {
        Ok(Arc::new(Open(self)))
    }

    fn lookup(&self, name: &[u8]) -> Result<Arc<dyn Inode>, Errno> {
        let found = self.fs.list(&self.path).into_iter().find(|(n, _)| n.as_bytes() == name);
        let (name, entry) = found.ok_or(Errno::ENOENT)?;
        Ok(Arc::new(Self { fs: self.fs, path: format!("{}/{name}", self.path), entry }))
    }

    fn save(&self, _saver: &mut Saver) -> Result<InodeState, Unsavable> {
        Ok(InodeState::Sys(SysInodeState::save(self)))
    }

    fn statfs(&self) -> Result<Statfs, Errno> {
        Ok(Statfs { kind: MAGIC, bsize: 4096, frsize: 4096, namelen: 255, flags: 0x20, ..Statfs::default() })
    }
}

struct Open(Arc<Node>);

impl FileOps for Open {
    fn read(&self, _file: &File, dst: &mut dyn Sink, offset: u64) -> Result<usize, Errno> {
        let Entry::Text(text) = &self.0.entry else { return Err(Errno::EISDIR) };
        let rest = usize::try_from(offset).ok().and_then(|at| text.as_bytes().get(at..)).unwrap_or_default();
        if rest.is_empty() { Ok(0) } else { dst.put(rest) }
    }

    fn save(&self, saver: &mut Saver) -> Result<FileOpsState, Unsavable> {
        Ok(FileOpsState::Sys(SysFileState::save(&self.0, saver)))
    }

    fn is_seekable(&self) -> bool {
        true
    }

    fn seek(&self, _file: &File, whence: Seek, offset: i64) -> Result<u64, Errno> {
        match whence {
            Seek::End => 4096u64.checked_add_signed(offset).ok_or(Errno::EINVAL),
            _ => Err(Errno::EINVAL),
        }
    }

    fn iterate(
        &self,
        file: &File,
        from: u64,
        emit: &mut dyn FnMut(DirEntry<'_>) -> bool,
    ) -> Result<u64, Errno> {
        if self.0.file_type() != FileType::Directory {
            return Err(Errno::ENOTDIR);
        }
        let entries = self.0.fs.list(&self.0.path).into_iter().map(|(name, entry)| {
            let ino = Node::ino(&format!("{}/{name}", self.0.path));
            let is_dir = matches!(entry, Entry::Directory);
            Listed::new(name, ino, if is_dir { FileType::Directory } else { FileType::Regular })
        });
        listing::emit(file, Node::ino(&self.0.path), entries, from, emit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(cpus: usize, path: &str) -> String {
        let (dir, name) = path.rsplit_once('/').unwrap();
        match (SysFs { cpus, dev: 0 }).list(dir).into_iter().find(|(n, _)| n == name) {
            Some((_, Entry::Text(text))) => text,
            _ => panic!("{path}"),
        }
    }

    #[test]
    fn processors_are_listed() {
        assert_eq!(text(3, "/devices/system/cpu/online"), "0-2\n");
        assert_eq!(text(3, "/devices/system/cpu/cpu2/topology/core_id"), "2\n");
        assert_eq!(text(3, "/devices/system/cpu/cpu1/topology/thread_siblings"), "2\n");
        assert_eq!(text(40, "/devices/system/node/node0/cpumap"), "000000ff,ffffffff\n");
    }

    #[test]
    fn what_is_not_there_has_no_entries() {
        let fs = SysFs { cpus: 2, dev: 0 };
        for path in ["/nothing", "/devices/system/cpu/cpu1/topology/core_id", "/devices/system/cpu/cpux"] {
            assert!(fs.list(path).is_empty(), "{path}");
        }
    }
}
