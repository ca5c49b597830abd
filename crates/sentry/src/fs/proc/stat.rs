//! `/proc/PID/stat`, `statm`, `schedstat` and `io`.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use stockade_abi::Errno;
use stockade_abi::misc::PAGE_SIZE;
use stockade_abi::time::USER_HZ;

use super::Subject;
use super::process::name;
use crate::mm::{ImageLayout, VmFlags};
use crate::signal::Actions;
use crate::task::{StopState, Task, Tree, Usage};

/// Time in ticks of the clock that programs are told of.
pub(super) fn ticks(time: Duration) -> u64 {
    (time.as_nanos() * u128::from(USER_HZ) / 1_000_000_000) as u64
}

/// The letter that says what a process does.
pub(super) fn state(tree: &Tree, tgid: i32, task: Option<&Task>) -> char {
    let Ok(group) = tree.group(tgid) else { return 'X' };
    let Some(task) = task.filter(|_| group.zombie.is_none()) else { return 'Z' };
    let is_caller = crate::task::current().is_some_and(|c| std::ptr::eq(&raw const *c, task));
    match group.tg.signals.lock().stop {
        StopState::Stopped(_) if !is_caller => 'T',
        _ if is_caller || task.is_in_guest() => 'R',
        _ => 'S',
    }
}

/// CPU time of a process, the dead threads included, or of a thread.
pub(super) fn cpu_time(subject: &Subject) -> Result<Usage, Errno> {
    let (tasks, mut sum) = subject.with(|tree, tgid, task| {
        if subject.is_thread {
            return (task.into_iter().cloned().collect::<Vec<_>>(), Usage::default());
        }
        match tree.group(tgid) {
            Ok(group) => (group.threads.clone(), group.tg.past.lock().threads),
            Err(_) => (Vec::new(), Usage::default()),
        }
    })?;
    for task in tasks {
        sum += task.usage();
    }
    Ok(sum)
}

/// Bytes of an address space: all, resident, code, data, stack, locked, at its peak.
#[derive(Default)]
pub(super) struct Sizes {
    pub(super) total: u64,
    pub(super) resident: u64,
    pub(super) code: u64,
    pub(super) data: u64,
    pub(super) stack: u64,
    pub(super) locked: u64,
    pub(super) peak: u64,
    pub(super) library: u64,
}

pub(super) fn sizes(subject: &Subject) -> Sizes {
    let Some(mm) = subject.task().ok().and_then(|t| t.mm()) else { return Sizes::default() };
    let image = mm.image_layout();
    let mut sizes = Sizes {
        resident: mm.space().resident_size(),
        code: image.end_code.saturating_sub(image.start_code),
        ..Sizes::default()
    };
    for (range, vma) in mm.areas() {
        let len = range.end - range.start;
        sizes.total += len;
        if vma.flags.intersects(VmFlags::STACK | VmFlags::GROWSDOWN) {
            sizes.stack += len;
        } else if vma.is_data() {
            sizes.data += len;
        } else if vma.prot.contains(stockade_platform::Prot::EXEC) && !range.contains(&image.start_code) {
            sizes.library += len;
        }
        if vma.flags.contains(VmFlags::LOCKED) {
            sizes.locked += len;
        }
    }
    sizes.peak = mm.peak().max(sizes.total);
    // What of the host's stub is not the guest's counts as its own.
    sizes.resident = sizes.resident.min(sizes.total);
    sizes
}

pub(super) fn statm(subject: &Subject) -> Result<Vec<u8>, Errno> {
    subject.with(|_, _, _| ())?;
    let sizes = sizes(subject);
    let pages = |bytes: u64| bytes.div_ceil(PAGE_SIZE);
    let (total, resident, code) = (pages(sizes.total), pages(sizes.resident), pages(sizes.code));
    let data = pages(sizes.data + sizes.stack);
    Ok(format!("{total} {resident} 0 {code} 0 {data} 0\n").into_bytes())
}

pub(super) fn stat(subject: &Subject) -> Result<Vec<u8>, Errno> {
    let name = name(subject)?;
    let sizes = sizes(subject);
    let cpu = cpu_time(subject)?;
    let clock_offset = crate::time::clock::now_boot_offset();
    let may_look = subject.check_access().is_ok();
    let text = subject.with(|tree, tgid, task| {
        let group = tree.group(tgid).ok()?;
        let tg = &group.tg;
        let (past, (ignored, caught)) = (*tg.past.lock(), Actions::sets(&tg.actions()));
        let (pending, blocked) = task.map_or((0, 0), |t| {
            let own = t.signals.lock();
            (own.pending.set().0, own.mask.0)
        });
        let mm = task.and_then(|t| t.mm());
        // Addresses are for those who may look into the process.
        let image = mm.filter(|_| may_look).map_or_else(ImageLayout::default, |mm| mm.image_layout());
        let start = task.filter(|_| subject.is_thread).map_or(tg.start_time, |t| t.start_time);
        let started = ticks(Duration::from_nanos(start) + clock_offset);
        let nice = task.map_or(0, |t| t.nice.load(Relaxed));
        let (policy, priority) = task.map_or((0, 0), |t| *t.sched.lock());
        let shown_priority = if priority > 0 { -1 - priority as i32 } else { 20 + nice };
        let exit_code = group.zombie.filter(|_| may_look).map_or(0, |z| z.status);
        let limit = tg.limit(stockade_abi::general::RLIMIT_RSS);
        let terminal = group.tty.as_ref().map_or((0, -1), |tty| {
            let foreground = tty.control().foreground;
            (tty.rdev() as i32, if foreground == 0 { -1 } else { subject.shown(foreground) })
        });
        let words = [
            String::from_utf8_lossy(&[b"(", name.as_slice(), b")"].concat()).into_owned(),
            state(tree, tgid, task.map(|t| &**t)).to_string(),
            subject.shown(group.parent).to_string(),
            subject.shown(group.pgid).to_string(),
            subject.shown(group.sid).to_string(),
            format!("{} {} 4194560 0 0 0 0", terminal.0, terminal.1),
            ticks(cpu.user).to_string(),
            ticks(cpu.system).to_string(),
            ticks(past.children.user).to_string(),
            ticks(past.children.system).to_string(),
            shown_priority.to_string(),
            nice.to_string(),
            group.threads.len().max(1).to_string(),
            "0".to_owned(),
            started.to_string(),
            sizes.total.to_string(),
            (sizes.resident / PAGE_SIZE).to_string(),
            limit.to_string(),
            format!("{} {} {}", image.start_code, image.end_code, image.start_stack),
            "0 0".to_owned(),
            format!(
                "{} {} {} {}",
                pending & 0x7fff_ffff,
                blocked & 0x7fff_ffff,
                ignored.0 & 0x7fff_ffff,
                caught.0 & 0x7fff_ffff
            ),
            "0 0 0".to_owned(),
            group.exit_signal.to_string(),
            "0".to_owned(),
            format!("{priority} {policy}"),
            "0 0 0".to_owned(),
            format!("{} {} {}", image.start_data, image.end_data, image.start_brk),
            format!("{} {} {} {}", image.arg_start, image.arg_end, image.env_start, image.env_end),
            exit_code.to_string(),
        ];
        Some(format!("{} {}\n", subject.shown(subject.id), words.join(" ")))
    })?;
    text.map(String::into_bytes).ok_or(Errno::ESRCH)
}

pub(super) fn schedstat(subject: &Subject) -> Result<Vec<u8>, Errno> {
    let cpu = cpu_time(subject)?;
    Ok(format!("{} 0 1\n", (cpu.user + cpu.system).as_nanos()).into_bytes())
}

/// Input and output are not counted.
pub(super) fn io(_subject: &Subject) -> Result<Vec<u8>, Errno> {
    let names = ["rchar", "wchar", "syscr", "syscw", "read_bytes", "write_bytes", "cancelled_write_bytes"];
    Ok(names.map(|n| format!("{n}: 0\n")).concat().into_bytes())
}
