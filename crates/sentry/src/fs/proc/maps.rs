//! `/proc/PID/maps`, `smaps` and `mem`.

use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;

use stockade_abi::Errno;
use stockade_abi::misc::PAGE_SIZE;
use stockade_platform::Prot;

use super::inode::Node;
use super::process::reader_root;
use super::{ProcFileState, Subject};
use crate::io::{Sink, Source};
use crate::mm::{MemoryManager, UserMemory, VmFlags, Vma};
use crate::persist::{Saver, Unsavable};
use crate::vfs::attrs::{dev_major, dev_minor};
use crate::vfs::persist::FileOpsState;
use crate::vfs::{File, FileOps, Path, Seek};

/// The column in which names begin.
const NAME_COLUMN: usize = 73;

fn name(mm: &MemoryManager, range: &Range<u64>, vma: &Vma, root: &Path) -> Vec<u8> {
    if let Some(file) = &vma.file {
        return match &file.path {
            Some(path) => path.display(root).0,
            None => file.object.display_path(),
        };
    }
    let image = mm.image_layout();
    if vma.flags.contains(VmFlags::HEAP) {
        b"[heap]".to_vec()
    } else if vma.flags.contains(VmFlags::STACK) || range.contains(&image.start_stack) {
        b"[stack]".to_vec()
    } else {
        Vec::new()
    }
}

fn head(mm: &MemoryManager, range: &Range<u64>, vma: &Vma, root: &Path) -> Vec<u8> {
    let access = |bit, letter| if vma.prot.contains(bit) { letter } else { '-' };
    let (r, w, x) = (access(Prot::READ, 'r'), access(Prot::WRITE, 'w'), access(Prot::EXEC, 'x'));
    let shared = if vma.flags.contains(VmFlags::SHARED) { 's' } else { 'p' };
    let (offset, dev, ino) = match &vma.file {
        Some(file) if !vma.flags.contains(VmFlags::VDSO) => {
            let id = file.object.object_id();
            (file.offset, id.dev, id.ino)
        }
        _ => (0, 0, 0),
    };
    let mut line = format!(
        "{:08x}-{:08x} {r}{w}{x}{shared} {offset:08x} {:02x}:{:02x} {ino} ",
        range.start,
        range.end,
        dev_major(dev),
        dev_minor(dev),
    );
    let name = name(mm, range, vma, root);
    if !name.is_empty() {
        line = format!("{line:<NAME_COLUMN$}");
    }
    let mut line = line.into_bytes();
    for byte in name {
        if byte == b'\n' { line.extend(b"\\012") } else { line.push(byte) }
    }
    line.push(b'\n');
    line
}

/// Calls back with each area.
fn each(subject: &Subject, mut show: impl FnMut(&MemoryManager, &Range<u64>, &Vma, &mut Vec<u8>)) -> Vec<u8> {
    let mut text = Vec::new();
    let Some(mm) = subject.task().ok().and_then(|t| t.mm()) else { return text };
    for (range, vma) in mm.areas() {
        show(&mm, &range, &vma, &mut text);
    }
    text
}

pub(super) fn maps(subject: &Subject) -> Result<Vec<u8>, Errno> {
    let root = reader_root();
    Ok(each(subject, |mm, range, vma, text| text.extend(head(mm, range, vma, &root))))
}

/// Pages of an area that are in memory, in KiB.
fn resident(mm: &MemoryManager, range: &Range<u64>) -> u64 {
    let pages = mm.space().resident(range.clone()).unwrap_or_default();
    pages.iter().filter(|&&p| p & 1 != 0).count() as u64 * (PAGE_SIZE / 1024)
}

fn flags(vma: &Vma) -> String {
    let mut words = String::new();
    let mut put = |on: bool, word: &str| {
        if on {
            words.push_str(word);
            words.push(' ');
        }
    };
    put(vma.prot.contains(Prot::READ), "rd");
    put(vma.prot.contains(Prot::WRITE), "wr");
    put(vma.prot.contains(Prot::EXEC), "ex");
    put(vma.flags.contains(VmFlags::SHARED), "sh");
    put(vma.max_prot.contains(Prot::READ), "mr");
    put(vma.max_prot.contains(Prot::WRITE), "mw");
    put(vma.max_prot.contains(Prot::EXEC), "me");
    put(vma.flags.contains(VmFlags::SHARED), "ms");
    put(vma.flags.contains(VmFlags::GROWSDOWN), "gd");
    put(vma.flags.contains(VmFlags::LOCKED), "lo");
    put(vma.flags.contains(VmFlags::DONTFORK), "dc");
    put(vma.flags.contains(VmFlags::DONTDUMP), "dd");
    put(vma.flags.contains(VmFlags::WIPEONFORK), "wf");
    words
}

/// The figures of some memory, in KiB.
fn figures(size: Option<u64>, rss: u64, private: u64, locked: u64) -> String {
    let mut text = String::new();
    let mut line = |name: &str, kib: u64| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{:<16}{kib:>8} kB", format!("{name}:"));
    };
    if let Some(size) = size {
        line("Size", size);
        line("KernelPageSize", 4);
        line("MMUPageSize", 4);
    }
    line("Rss", rss);
    line("Pss", rss);
    line("Shared_Clean", rss - private);
    line("Shared_Dirty", 0);
    line("Private_Clean", 0);
    line("Private_Dirty", private);
    line("Referenced", rss);
    line("Anonymous", private);
    for name in
        ["LazyFree", "AnonHugePages", "ShmemPmdMapped", "FilePmdMapped", "Shared_Hugetlb", "Private_Hugetlb"]
    {
        line(name, 0);
    }
    line("Swap", 0);
    line("SwapPss", 0);
    line("Locked", locked);
    text
}

fn private_part(vma: &Vma, rss: u64) -> u64 {
    if vma.file.is_none() { rss } else { 0 }
}

pub(super) fn smaps(subject: &Subject) -> Result<Vec<u8>, Errno> {
    let root = reader_root();
    Ok(each(subject, |mm, range, vma, text| {
        let rss = resident(mm, range);
        let size = (range.end - range.start) / 1024;
        let locked = if vma.flags.contains(VmFlags::LOCKED) { size } else { 0 };
        text.extend(head(mm, range, vma, &root));
        text.extend(figures(Some(size), rss, private_part(vma, rss), locked).bytes());
        text.extend(format!("THPeligible:           0\nVmFlags: {}\n", flags(vma)).bytes());
    }))
}

pub(super) fn smaps_rollup(subject: &Subject) -> Result<Vec<u8>, Errno> {
    let (mut all, mut rss, mut private, mut locked) = (None::<Range<u64>>, 0, 0, 0);
    each(subject, |mm, range, vma, _| {
        let here = resident(mm, range);
        rss += here;
        private += private_part(vma, here);
        locked += if vma.flags.contains(VmFlags::LOCKED) { (range.end - range.start) / 1024 } else { 0 };
        all = Some(all.as_ref().map_or(range.start, |a| a.start)..range.end);
    });
    let Some(all) = all else { return Err(Errno::ESRCH) };
    let line = format!("{:08x}-{:08x} ---p 00000000 00:00 0 ", all.start, all.end);
    let text = format!("{line:<NAME_COLUMN$}[rollup]\n{}", figures(None, rss, private, locked));
    Ok(text.into_bytes())
}

/// `/proc/PID/mem`: checked when it is opened, of the memory that the process had then.
pub(super) fn memory(subject: &Subject) -> Node {
    let subject = subject.clone();
    Node::Opened(Box::new(move || {
        subject.check_access()?;
        let mm = subject.task()?.mm().ok_or(Errno::ESRCH)?;
        Ok(Arc::new(Memory(Some(mm))))
    }))
}

/// The memory of a process; none if that had ended when the kernel was saved.
pub(super) struct Memory(pub(super) Option<Arc<MemoryManager>>);

impl Memory {
    /// The memory, as long as a process has it.
    fn of_process(&self) -> Option<&Arc<MemoryManager>> {
        self.0.as_ref().filter(|mm| mm.has_process())
    }
}

/// Bytes copied at once.
const CHUNK: usize = 64 << 10;

impl FileOps for Memory {
    fn read(&self, _file: &File, dst: &mut dyn Sink, offset: u64) -> Result<usize, Errno> {
        let Some(mm) = self.of_process() else { return Ok(0) };
        let mut buf = vec![0; dst.remaining().min(CHUNK)];
        let mut done = 0;
        while dst.remaining() > 0 {
            let want = dst.remaining().min(CHUNK);
            let at = offset.checked_add(done as u64).ok_or(Errno::EIO)?;
            match mm.read(at, &mut buf[..want]) {
                Ok(0) => break,
                Ok(n) => done += dst.put(&buf[..n])?,
                Err(_) if done > 0 => break,
                Err(_) => return Err(Errno::EIO),
            }
        }
        Ok(done)
    }

    fn write(&self, _file: &File, src: &mut dyn Source, offset: u64) -> Result<usize, Errno> {
        let Some(mm) = self.of_process() else { return Ok(0) };
        let mut buf = vec![0; src.remaining().min(CHUNK)];
        let mut done = 0;
        while src.remaining() > 0 {
            let n = src.take(&mut buf)?;
            let at = offset.checked_add(done as u64).ok_or(Errno::EIO)?;
            match mm.write(at, &buf[..n]) {
                Ok(w) if w == n => done += w,
                Ok(w) => return Ok(done + w),
                Err(_) if done > 0 => break,
                Err(_) => return Err(Errno::EIO),
            }
        }
        Ok(done)
    }

    fn save(&self, saver: &mut Saver) -> Result<FileOpsState, Unsavable> {
        Ok(FileOpsState::Proc(ProcFileState::save_memory(self, saver)))
    }

    fn is_seekable(&self) -> bool {
        true
    }

    fn seek(&self, _file: &File, _whence: Seek, _offset: i64) -> Result<u64, Errno> {
        Err(Errno::EINVAL)
    }
}
