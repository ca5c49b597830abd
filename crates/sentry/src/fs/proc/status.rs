//! `/proc/PID/status` and `limits`.

use std::fmt::Write as _;

use stockade_abi::Errno;
use stockade_abi::sched::RLIM_INFINITY;

use super::Subject;
use super::process::name;
use super::stat::{sizes, state};
use crate::signal::Actions;

/// A name in which only what would break the line is escaped.
fn escaped(name: &[u8]) -> String {
    String::from_utf8_lossy(name).replace('\\', "\\\\").replace('\n', "\\n")
}

pub(super) fn status(subject: &Subject) -> Result<Vec<u8>, Errno> {
    let name = escaped(&name(subject)?);
    let sizes = sizes(subject);
    let mask = affinity(subject);
    let text = subject.with(|tree, tgid, task| {
        let group = tree.group(tgid).ok()?;
        let state = match state(tree, tgid, task.map(|t| &**t)) {
            'R' => "R (running)",
            'S' => "S (sleeping)",
            'T' => "T (stopped)",
            _ => "Z (zombie)",
        };
        let creds = task.map(|t| t.creds());
        let mut out = String::new();
        let mut line = |name: &str, value: String| {
            // Writing to a string cannot fail.
            let _ = writeln!(out, "{name}:\t{value}");
        };
        line("Name", name);
        if let Some(task) = task {
            line("Umask", format!("{:04o}", task.fs().umask()));
        }
        line("State", state.to_owned());
        line("Tgid", subject.shown(tgid).to_string());
        line("Ngid", "0".to_owned());
        line("Pid", subject.shown(subject.id).to_string());
        line("PPid", subject.shown(group.parent).to_string());
        line("TracerPid", "0".to_owned());
        let ids = |ids: [u32; 4]| ids.map(|id| id.to_string()).join("\t");
        if let Some(c) = &creds {
            line("Uid", ids([c.uid.0, c.euid.0, c.suid.0, c.fsuid.0]));
            line("Gid", ids([c.gid.0, c.egid.0, c.sgid.0, c.fsgid.0]));
        } else {
            let uid = group.zombie.map_or(0, |z| z.uid);
            line("Uid", ids([uid; 4]));
            line("Gid", ids([0; 4]));
        }
        line("FDSize", task.map_or(0, |t| t.files().size()).to_string());
        let groups = creds.as_ref().map(|c| c.groups.iter().map(|g| format!("{} ", g.0)).collect::<String>());
        line("Groups", groups.filter(|g| !g.is_empty()).unwrap_or_else(|| " ".to_owned()));
        for (label, id) in
            [("NStgid", tgid), ("NSpid", subject.id), ("NSpgid", group.pgid), ("NSsid", group.sid)]
        {
            line(label, subject.shown(id).to_string());
        }
        line("Kthread", "0".to_owned());
        if task.is_some() {
            let rss = sizes.resident;
            for (label, bytes) in [
                ("VmPeak", sizes.peak),
                ("VmSize", sizes.total),
                ("VmLck", sizes.locked),
                ("VmPin", 0),
                ("VmHWM", rss.max(group.tg.max_rss.load(std::sync::atomic::Ordering::Relaxed))),
                ("VmRSS", rss),
                ("RssAnon", rss),
                ("RssFile", 0),
                ("RssShmem", 0),
                ("VmData", sizes.data),
                ("VmStk", sizes.stack),
                ("VmExe", sizes.code),
                ("VmLib", sizes.library),
                ("VmPTE", sizes.resident / 512),
                ("VmSwap", 0),
                ("HugetlbPages", 0),
            ] {
                line(label, format!("{:>8} kB", bytes / 1024));
            }
            line("CoreDumping", "0".to_owned());
            line("THP_enabled", "1".to_owned());
        }
        line("Threads", group.threads.len().max(1).to_string());
        let shared = group.tg.signals.lock();
        let queued = group.tg.timers.count()
            + shared.pending.len()
            + task.map_or(0, |t| t.signals.lock().pending.len());
        line("SigQ", format!("{queued}/{}", group.tg.limit(stockade_abi::general::RLIMIT_SIGPENDING)));
        let (own, blocked) = task.map_or((0, 0), |t| {
            let own = t.signals.lock();
            (own.pending.set().0, own.mask.0)
        });
        let (ignored, caught) = Actions::sets(&group.tg.actions());
        for (label, set) in [
            ("SigPnd", own),
            ("ShdPnd", shared.pending.set().0),
            ("SigBlk", blocked),
            ("SigIgn", ignored.0),
            ("SigCgt", caught.0),
        ] {
            line(label, format!("{set:016x}"));
        }
        if let Some(c) = &creds {
            for (label, set) in [
                ("CapInh", c.inheritable),
                ("CapPrm", c.permitted),
                ("CapEff", c.effective),
                ("CapBnd", c.bounding),
                ("CapAmb", c.ambient),
            ] {
                line(label, format!("{set:016x}"));
            }
            line("NoNewPrivs", u8::from(c.no_new_privs).to_string());
        }
        line("Seccomp", "0".to_owned());
        line("Seccomp_filters", "0".to_owned());
        line("Speculation_Store_Bypass", "thread vulnerable".to_owned());
        line("SpeculationIndirectBranch", "conditional enabled".to_owned());
        line("Cpus_allowed", mask.0);
        line("Cpus_allowed_list", mask.1);
        line("Mems_allowed", "1".to_owned());
        line("Mems_allowed_list", "0".to_owned());
        line("voluntary_ctxt_switches", "0".to_owned());
        line("nonvoluntary_ctxt_switches", "0".to_owned());
        Some(out)
    })?;
    text.map(String::into_bytes).ok_or(Errno::ESRCH)
}

/// The processors that a thread may use: as a mask, and as a list.
fn affinity(subject: &Subject) -> (String, String) {
    let cpus = subject.fs.kernel.config.cpus;
    let own = subject.task().ok().and_then(|t| t.affinity.lock().clone());
    let has =
        |cpu: usize| own.as_ref().is_none_or(|m| m.get(cpu / 8).is_some_and(|b| b & (1 << (cpu % 8)) != 0));
    let allowed: Vec<usize> = (0..cpus).filter(|&cpu| has(cpu)).collect();
    let words = (0..cpus.div_ceil(32)).rev().map(|word| {
        let bits =
            allowed.iter().filter(|&&cpu| cpu / 32 == word).fold(0u32, |bits, cpu| bits | 1 << (cpu % 32));
        if cpus.div_ceil(32) == 1 { format!("{bits:x}") } else { format!("{bits:08x}") }
    });
    (words.collect::<Vec<_>>().join(","), super::system::cpu_list(&allowed))
}

const LIMITS: [(&str, &str); 16] = [
    ("Max cpu time", "seconds"),
    ("Max file size", "bytes"),
    ("Max data size", "bytes"),
    ("Max stack size", "bytes"),
    ("Max core file size", "bytes"),
    ("Max resident set", "bytes"),
    ("Max processes", "processes"),
    ("Max open files", "files"),
    ("Max locked memory", "bytes"),
    ("Max address space", "bytes"),
    ("Max file locks", "locks"),
    ("Max pending signals", "signals"),
    ("Max msgqueue size", "bytes"),
    ("Max nice priority", ""),
    ("Max realtime priority", ""),
    ("Max realtime timeout", "us"),
];

pub(super) fn limits(subject: &Subject) -> Result<Vec<u8>, Errno> {
    let limits = subject.with(|tree, tgid, _| tree.group(tgid).map(|g| g.tg.limits.read().clone()))??;
    let shown = |value: u64| if value == RLIM_INFINITY { "unlimited".to_owned() } else { value.to_string() };
    let mut text = format!("{:<25} {:<20} {:<20} {:<10}\n", "Limit", "Soft Limit", "Hard Limit", "Units");
    for (resource, (name, unit)) in LIMITS.iter().enumerate() {
        let limit = limits.get(resource as u32)?;
        let _ = writeln!(text, "{name:<25} {:<20} {:<20} {unit:<10}", shown(limit.cur), shown(limit.max));
    }
    Ok(text.into_bytes())
}
