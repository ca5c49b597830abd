//! `/proc/PID` and `/proc/PID/task/TID`.

use std::sync::Arc;

use stockade_abi::Errno;
use stockade_abi::general as c;

use super::inode::{Directory, Listed, Node, ProcInode, Text};
use super::root::{PER_PROCESS, number};
use super::{ProcFs, Subject, fds, maps, mounts, ns, stat, status};
use crate::mm::UserMemory;
use crate::task::Task;
use crate::vfs::{FileType, Path};

/// Makes a text about a process.
type Make = fn(&Subject) -> Result<Vec<u8>, Errno>;
/// Changes something about a process.
type Change = fn(&Subject, &[u8]) -> Result<(), Errno>;

/// What an entry is.
enum Kind {
    /// A text for everybody.
    Text(Make),
    /// A text for those who may look into the process.
    Private(Make),
    /// A text that can be written.
    Writable(Make, Change),
    /// A link to a place of the process's.
    Place(fn(&Task) -> Option<Path>),
    /// A directory.
    Dir(fn(&Subject) -> Box<dyn Directory>),
    /// Its memory.
    Memory,
}

/// Where an entry is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    Both,
    Process,
}

struct Entry {
    name: &'static str,
    permissions: u32,
    of: Of,
    kind: Kind,
}

const fn entry(name: &'static str, permissions: u32, of: Of, kind: Kind) -> Entry {
    Entry { name, permissions, of, kind }
}

/// All entries, in alphabetical order.
const ENTRIES: &[Entry] = &[
    entry("attr", 0o555, Of::Both, Kind::Dir(|_| Box::new(super::root::Empty))),
    entry(
        "auxv",
        0o400,
        Of::Both,
        Kind::Private(|s| Ok(s.task()?.mm().map(|mm| mm.auxv()).unwrap_or_default())),
    ),
    entry("cgroup", 0o444, Of::Both, Kind::Text(|_| Ok(b"0::/\n".to_vec()))),
    entry("children", 0o444, Of::Both, Kind::Text(children)),
    entry("cmdline", 0o444, Of::Both, Kind::Text(cmdline)),
    entry("comm", 0o644, Of::Both, Kind::Writable(comm, set_comm)),
    entry("coredump_filter", 0o644, Of::Process, Kind::Text(|_| Ok(b"00000033\n".to_vec()))),
    entry("cwd", 0o777, Of::Both, Kind::Place(|t| Some(t.fs().cwd()))),
    entry("environ", 0o400, Of::Both, Kind::Private(environ)),
    entry("exe", 0o777, Of::Both, Kind::Place(|t| Some(t.mm()?.executable()?.path.clone()))),
    entry("fd", 0o500, Of::Both, Kind::Dir(|s| Box::new(fds::Fds(s.clone())))),
    entry("fdinfo", 0o555, Of::Both, Kind::Dir(|s| Box::new(fds::FdInfos(s.clone())))),
    entry("gid_map", 0o644, Of::Both, Kind::Text(|_| Ok(ID_MAP.to_vec()))),
    entry("io", 0o400, Of::Both, Kind::Private(stat::io)),
    entry("limits", 0o444, Of::Both, Kind::Text(status::limits)),
    entry("loginuid", 0o644, Of::Both, Kind::Text(|_| Ok(b"4294967295".to_vec()))),
    entry("maps", 0o444, Of::Both, Kind::Private(maps::maps)),
    entry("mem", 0o600, Of::Both, Kind::Memory),
    entry("mountinfo", 0o444, Of::Both, Kind::Text(mounts::mountinfo)),
    entry("mounts", 0o444, Of::Both, Kind::Text(mounts::mounts)),
    entry("mountstats", 0o400, Of::Process, Kind::Private(mounts::mountstats)),
    entry("net", 0o555, Of::Both, Kind::Dir(|s| Box::new(ns::Net(s.clone())))),
    entry("ns", 0o511, Of::Both, Kind::Dir(|s| Box::new(ns::Namespaces(s.clone())))),
    entry("oom_adj", 0o644, Of::Both, Kind::Text(|s| oom_score_adj(s).map(|_| b"0\n".to_vec()))),
    entry("oom_score", 0o444, Of::Both, Kind::Text(|_| Ok(b"0\n".to_vec()))),
    entry("oom_score_adj", 0o644, Of::Both, Kind::Writable(oom_score_adj, set_oom_score_adj)),
    entry("personality", 0o400, Of::Both, Kind::Private(|s| hex8(s.task()?.personality.load(Relaxed)))),
    entry("root", 0o777, Of::Both, Kind::Place(|t| Some(t.fs().root()))),
    entry("schedstat", 0o444, Of::Both, Kind::Text(stat::schedstat)),
    entry("sessionid", 0o444, Of::Both, Kind::Text(|_| Ok(b"4294967295".to_vec()))),
    entry("setgroups", 0o644, Of::Process, Kind::Text(|_| Ok(b"allow\n".to_vec()))),
    entry("smaps", 0o444, Of::Both, Kind::Private(maps::smaps)),
    entry("smaps_rollup", 0o444, Of::Process, Kind::Private(maps::smaps_rollup)),
    entry("stat", 0o444, Of::Both, Kind::Text(stat::stat)),
    entry("statm", 0o444, Of::Both, Kind::Text(stat::statm)),
    entry("status", 0o444, Of::Both, Kind::Text(status::status)),
    entry("task", 0o555, Of::Process, Kind::Dir(|s| Box::new(Threads(s.clone())))),
    entry("timerslack_ns", 0o666, Of::Process, Kind::Private(|s| line(s.task()?.timer_slack.load(Relaxed)))),
    entry("uid_map", 0o644, Of::Both, Kind::Text(|_| Ok(ID_MAP.to_vec()))),
    entry("wchan", 0o444, Of::Both, Kind::Text(|_| Ok(b"0".to_vec()))),
];

use std::sync::atomic::Ordering::Relaxed;

/// All ids, as a first user namespace has them.
const ID_MAP: &[u8] = b"         0          0 4294967295\n";

fn line(value: impl std::fmt::Display) -> Result<Vec<u8>, Errno> {
    Ok(format!("{value}\n").into_bytes())
}

fn hex8(value: u32) -> Result<Vec<u8>, Errno> {
    line(format_args!("{value:08x}"))
}

/// The directory of a process or thread.
pub(super) fn directory(subject: &Subject) -> Result<Arc<ProcInode>, Errno> {
    let owner = owner(subject)?;
    let ino = ino(subject, 0);
    let node = Node::Dir(Box::new(Entries(subject.clone())));
    Ok(ProcInode::owned(&subject.fs, ino, 0o555, owner, node))
}

/// Files belong to the effective user; to root, if others may not look into the process.
pub(super) fn owner(subject: &Subject) -> Result<(u32, u32), Errno> {
    subject.with(|_, _, task| match task {
        Some(task) if task.tg.dumpable.load(Relaxed) == 1 => {
            let creds = task.creds();
            (creds.euid.0, creds.egid.0)
        }
        _ => (0, 0),
    })
}

/// Inode number of an entry: the process, whether it is one of its threads, the entry.
pub(super) fn ino(subject: &Subject, index: u64) -> u64 {
    let thread = if subject.is_thread { PER_PROCESS / 2 } else { 0 };
    subject.shown(subject.id) as u64 * PER_PROCESS + thread + index
}

struct Entries(Subject);

impl Entries {
    fn is_here(&self, entry: &Entry) -> bool {
        entry.of == Of::Both || !self.0.is_thread
    }
}

fn private_text(subject: &Subject, make: Make, write: Option<Change>) -> Node {
    let (reader, gate) = (subject.clone(), subject.clone());
    let write = write.map(|change| {
        let subject = subject.clone();
        Box::new(move |bytes: &[u8]| change(&subject, bytes)) as super::inode::Writer
    });
    Node::Text(Arc::new(Text {
        read: Box::new(move || make(&reader)),
        write,
        // A zombie has nothing left to look into, and says so with an empty text.
        gate: Some(Box::new(move || match gate.check_access() {
            Err(Errno::ESRCH) => Ok(()),
            other => other,
        })),
    }))
}

fn open_text(subject: &Subject, make: Make, write: Option<Change>) -> Node {
    match private_text(subject, make, write) {
        Node::Text(text) => match Arc::try_unwrap(text) {
            Ok(text) => Node::Text(Arc::new(Text { gate: None, ..text })),
            Err(text) => Node::Text(text),
        },
        node => node,
    }
}

impl Directory for Entries {
    fn lookup(&self, fs: &Arc<ProcFs>, name: &[u8]) -> Result<Arc<ProcInode>, Errno> {
        let find = |e: &&Entry| e.name.as_bytes() == name && self.is_here(e);
        let Some((index, entry)) = ENTRIES.iter().enumerate().find(|(_, e)| find(e)) else {
            return Err(Errno::ENOENT);
        };
        let subject = &self.0;
        let owner = owner(subject).map_err(|_| Errno::ENOENT)?;
        let node = match &entry.kind {
            Kind::Text(make) => open_text(subject, *make, None),
            Kind::Writable(make, change) => open_text(subject, *make, Some(*change)),
            Kind::Private(make) => private_text(subject, *make, None),
            Kind::Place(place) => place_link(subject, *place),
            Kind::Dir(dir) => Node::Dir(dir(subject)),
            Kind::Memory => maps::memory(subject),
        };
        Ok(ProcInode::owned(fs, ino(subject, 1 + index as u64), entry.permissions, owner, node))
    }

    fn list(&self, _fs: &Arc<ProcFs>) -> Result<Vec<Listed>, Errno> {
        self.0.with(|_, _, _| ()).map_err(|_| Errno::ENOENT)?;
        let here = ENTRIES.iter().enumerate().filter(|(_, e)| self.is_here(e));
        let listed = here.map(|(index, e)| Listed {
            name: e.name.into(),
            ino: ino(&self.0, 1 + index as u64),
            file_type: match e.kind {
                Kind::Place(_) => FileType::Symlink,
                Kind::Dir(_) => FileType::Directory,
                _ => FileType::Regular,
            },
        });
        Ok(listed.collect())
    }

    fn nlink(&self) -> u32 {
        9
    }
}

fn place_link(subject: &Subject, place: fn(&Task) -> Option<Path>) -> Node {
    let resolve = move |subject: &Subject| -> Result<Path, Errno> {
        subject.check_access().map_err(|e| if e == Errno::ESRCH { Errno::ENOENT } else { e })?;
        place(&*subject.task()?).ok_or(Errno::ENOENT)
    };
    let (for_words, for_place) = (subject.clone(), subject.clone());
    Node::Magic {
        words: Box::new(move || Ok(resolve(&for_words)?.display(&reader_root()).0)),
        place: Box::new(move || resolve(&for_place)),
    }
}

/// Where paths begin for who looks.
pub(super) fn reader_root() -> Path {
    match crate::task::current() {
        Some(task) => task.fs().root(),
        // Only the sentry's own threads are nobody; they do not read links.
        None => crate::vfs::anon::nowhere(),
    }
}

/// `/proc/PID/task`
struct Threads(Subject);

impl Directory for Threads {
    fn lookup(&self, fs: &Arc<ProcFs>, name: &[u8]) -> Result<Arc<ProcInode>, Errno> {
        let local = number(name).ok_or(Errno::ENOENT)?;
        let id = fs.pidns.root_of(local).ok_or(Errno::ENOENT)?;
        let of_this = fs.kernel.tree.lock().tasks.get(&id).is_some_and(|t| t.tg.tgid == self.0.id);
        if !of_this {
            return Err(Errno::ENOENT);
        }
        directory(&Subject { fs: Arc::clone(fs), id, is_thread: true })
    }

    fn list(&self, fs: &Arc<ProcFs>) -> Result<Vec<Listed>, Errno> {
        let mut threads = threads(&self.0).map_err(|_| Errno::ENOENT)?;
        threads.sort_unstable();
        let listed = threads.into_iter().map(|tid| Listed {
            name: tid.to_string().into_bytes(),
            ino: tid as u64 * PER_PROCESS + PER_PROCESS / 2,
            file_type: FileType::Directory,
        });
        let _ = fs;
        Ok(listed.collect())
    }

    fn nlink(&self) -> u32 {
        threads(&self.0).map_or(2, |t| t.len() as u32 + 2)
    }
}

/// The numbers of a process's threads, as they are shown.
pub(super) fn threads(subject: &Subject) -> Result<Vec<i32>, Errno> {
    subject.with(|tree, tgid, _| {
        let threads = tree.group(tgid).map(|g| g.threads.as_slice()).unwrap_or_default();
        threads.iter().map(|t| subject.shown(t.tid())).collect()
    })
}

/// Guest memory between two addresses, as far as it is there.
fn memory(subject: &Subject, range: std::ops::Range<u64>) -> Vec<u8> {
    /// Linux has no bound but the size of a stack.
    const MAX: u64 = 6 << 20;
    let Some(mm) = subject.task().ok().and_then(|t| t.mm()) else { return Vec::new() };
    let len = range.end.saturating_sub(range.start).min(MAX);
    let mut bytes = vec![0; len as usize];
    let n = mm.read(range.start, &mut bytes).unwrap_or(0);
    bytes.truncate(n);
    bytes
}

fn image(subject: &Subject) -> crate::mm::ImageLayout {
    subject.task().ok().and_then(|t| t.mm()).map(|mm| mm.image_layout()).unwrap_or_default()
}

fn cmdline(subject: &Subject) -> Result<Vec<u8>, Errno> {
    let image = image(subject);
    let mut text = memory(subject, image.arg_start..image.arg_end);
    // A program that wrote a longer title over its arguments goes on into the environment.
    if text.last().is_some_and(|&b| b != 0) {
        text.extend(memory(subject, image.env_start..image.env_end));
        if let Some(end) = text.iter().position(|&b| b == 0) {
            text.truncate(end);
        }
    }
    Ok(text)
}

fn environ(subject: &Subject) -> Result<Vec<u8>, Errno> {
    let image = image(subject);
    Ok(memory(subject, image.env_start..image.env_end))
}

/// The name of a thread; a zombie's is that of the process it was.
pub(super) fn name(subject: &Subject) -> Result<Vec<u8>, Errno> {
    subject.with(|tree, tgid, task| match task {
        Some(task) => task.name.read().clone(),
        None => tree.group(tgid).map(|g| g.tg.last_name.lock().clone()).unwrap_or_default(),
    })
}

fn comm(subject: &Subject) -> Result<Vec<u8>, Errno> {
    let mut name = name(subject)?;
    name.push(b'\n');
    Ok(name)
}

fn set_comm(subject: &Subject, bytes: &[u8]) -> Result<(), Errno> {
    let task = subject.task()?;
    let same_process = crate::task::current().is_some_and(|c| Arc::ptr_eq(&c.tg, &task.tg));
    if !same_process {
        return Err(Errno::EINVAL);
    }
    let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
    task.set_name(bytes[..end.min(15)].to_vec());
    Ok(())
}

fn oom_score_adj(subject: &Subject) -> Result<Vec<u8>, Errno> {
    let adj =
        subject.with(|tree, tgid, _| tree.group(tgid).map_or(0, |g| g.tg.oom_score_adj.load(Relaxed)))?;
    line(adj)
}

fn set_oom_score_adj(subject: &Subject, bytes: &[u8]) -> Result<(), Errno> {
    let text = std::str::from_utf8(bytes).map_err(|_| Errno::EINVAL)?;
    let new: i32 = text.trim().parse().map_err(|_| Errno::EINVAL)?;
    if !(-1000..=1000).contains(&new) {
        return Err(Errno::EINVAL);
    }
    let task = subject.task()?;
    let old = task.tg.oom_score_adj.load(Relaxed);
    let may_lower = crate::task::current().is_some_and(|t| t.creds().has_cap(c::CAP_SYS_RESOURCE));
    if new < old && !may_lower {
        return Err(Errno::EACCES);
    }
    task.tg.oom_score_adj.store(new, Relaxed);
    Ok(())
}

fn children(subject: &Subject) -> Result<Vec<u8>, Errno> {
    subject.with(|tree, tgid, _| {
        let children = tree.group(tgid).map(|g| g.children.iter().copied().collect::<Vec<_>>());
        let shown = children.unwrap_or_default().into_iter().map(|id| format!("{} ", subject.shown(id)));
        shown.collect::<String>().into_bytes()
    })
}
