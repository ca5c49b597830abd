//! Files about the whole machine, as the sandbox has one.

use std::fmt::Write as _;

use stockade_abi::Errno;
use stockade_abi::misc::PAGE_SIZE;

use super::stat::ticks;
use super::{ProcFs, locks};
use crate::task::Usage;

/// Makes a text.
type Make = fn(&ProcFs) -> Result<Vec<u8>, Errno>;

/// The texts in `/proc`.
pub(super) const FILES: &[(&str, Make)] = &[
    ("cgroups", |_| text("#subsys_name\thierarchy\tnum_cgroups\tenabled\n")),
    ("cmdline", |_| text("\n")),
    ("cpuinfo", cpuinfo),
    ("devices", |_| {
        text("Character devices:\n  1 mem\n  5 /dev/tty\n  5 /dev/ptmx\n136 pts\n\nBlock devices:\n")
    }),
    ("diskstats", |_| text("")),
    ("filesystems", |_| text(FILE_SYSTEMS)),
    ("interrupts", |_| text("")),
    ("loadavg", loadavg),
    ("locks", |fs| Ok(locks::text(fs, "", crate::vfs::lock::all()).into_bytes())),
    ("meminfo", meminfo),
    ("modules", |_| text("")),
    ("partitions", |_| text("major minor  #blocks  name\n\n")),
    ("stat", stat),
    ("swaps", |_| text("Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n")),
    ("uptime", uptime),
    ("version", version),
    ("vmstat", vmstat),
];

const FILE_SYSTEMS: &str =
    "nodev\tsysfs\nnodev\ttmpfs\nnodev\tproc\nnodev\tpipefs\nnodev\tsockfs\nnodev\tramfs\nnodev\toverlay\n";

fn text(text: &str) -> Result<Vec<u8>, Errno> {
    Ok(text.as_bytes().to_vec())
}

/// `0-3,8`
#[must_use]
pub fn cpu_list(cpus: &[usize]) -> String {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for &cpu in cpus {
        match runs.last_mut() {
            Some(run) if run.1 + 1 == cpu => run.1 = cpu,
            _ => runs.push((cpu, cpu)),
        }
    }
    let words = runs.iter().map(|(a, b)| if a == b { a.to_string() } else { format!("{a}-{b}") });
    words.collect::<Vec<_>>().join(",")
}

/// What the host says of its processors, for each that guests see.
fn cpuinfo(fs: &ProcFs) -> Result<Vec<u8>, Errno> {
    let config = &fs.kernel.config;
    let mut out = String::new();
    for cpu in 0..config.cpus {
        let mut line = |name: &str, value: &str| {
            let tabs = if name.len() < 8 { "\t\t" } else { "\t" };
            // Writing to a string cannot fail.
            let _ = writeln!(out, "{name}{tabs}: {value}");
        };
        line("processor", &cpu.to_string());
        for (name, value) in &config.cpu {
            match name.as_str() {
                "physical id" => line(name, "0"),
                "core id" | "apicid" | "initial apicid" => line(name, &cpu.to_string()),
                "siblings" | "cpu cores" => line(name, &config.cpus.to_string()),
                _ => line(name, value),
            }
        }
        out.push('\n');
    }
    Ok(out.into_bytes())
}

fn loadavg(fs: &ProcFs) -> Result<Vec<u8>, Errno> {
    let tree = fs.kernel.tree.lock();
    let running = tree.tasks.values().filter(|t| t.is_in_guest()).count().max(1);
    let last = tree.tasks.keys().max().map_or(0, |&id| fs.pidns.local(id));
    Ok(format!("0.00 0.00 0.00 {running}/{} {last}\n", tree.tasks.len()).into_bytes())
}

/// Memory by the sandbox's limit, of which files in memory and what processes hold is used.
fn meminfo(fs: &ProcFs) -> Result<Vec<u8>, Errno> {
    let kernel = &fs.kernel;
    let total = kernel.config.memory / 1024;
    let files = kernel.memory_files.figures().1 / 1024;
    let memories: Vec<_> =
        kernel.tree.lock().tasks.values().filter(|t| t.is_leader()).filter_map(|t| t.mm()).collect();
    let held: u64 = memories.iter().map(|mm| mm.space().resident_size() / 1024).sum();
    let free = total.saturating_sub(files + held).max(1);
    let mut out = String::new();
    for (name, kib) in [
        ("MemTotal", total),
        ("MemFree", free),
        ("MemAvailable", free),
        ("Buffers", 0),
        ("Cached", files),
        ("SwapCached", 0),
        ("Active", held),
        ("Inactive", files),
        ("Active(anon)", held),
        ("Inactive(anon)", files),
        ("Active(file)", 0),
        ("Inactive(file)", 0),
        ("Unevictable", 0),
        ("Mlocked", 0),
        ("SwapTotal", 0),
        ("SwapFree", 0),
        ("Dirty", 0),
        ("Writeback", 0),
        ("AnonPages", held),
        ("Mapped", 0),
        ("Shmem", files),
        ("KReclaimable", 0),
        ("Slab", 0),
        ("SReclaimable", 0),
        ("SUnreclaim", 0),
        ("KernelStack", 0),
        ("PageTables", 0),
        ("CommitLimit", total),
        ("Committed_AS", held),
        ("VmallocTotal", 34_359_738_367),
        ("VmallocUsed", 0),
        ("VmallocChunk", 0),
    ] {
        let _ = writeln!(out, "{:<16}{kib:>8} kB", format!("{name}:"));
    }
    out.push_str("HugePages_Total:       0\nHugePages_Free:        0\nHugepagesize:       2048 kB\n");
    Ok(out.into_bytes())
}

fn all_usage(fs: &ProcFs) -> Usage {
    let (tasks, mut sum) = {
        let tree = fs.kernel.tree.lock();
        let mut past = Usage::default();
        for group in tree.groups.values() {
            past += group.tg.past.lock().threads;
        }
        (tree.tasks.values().cloned().collect::<Vec<_>>(), past)
    };
    for task in tasks {
        sum += task.usage();
    }
    sum
}

fn stat(fs: &ProcFs) -> Result<Vec<u8>, Errno> {
    let cpus = fs.kernel.config.cpus as u64;
    let used = all_usage(fs);
    let up = ticks(crate::time::clock::uptime());
    let (user, system) = (ticks(used.user), ticks(used.system));
    let idle = (up * cpus).saturating_sub(user + system);
    let mut out = format!("cpu  {user} 0 {system} {idle} 0 0 0 0 0 0\n");
    for cpu in 0..cpus {
        let (user, system, idle) = (user / cpus, system / cpus, idle / cpus);
        let _ = writeln!(out, "cpu{cpu} {user} 0 {system} {idle} 0 0 0 0 0 0");
    }
    let now = crate::time::clock::now().sec;
    let boot = now - i64::try_from(crate::time::clock::uptime().as_secs()).unwrap_or(0);
    let tree = fs.kernel.tree.lock();
    let running = tree.tasks.values().filter(|t| t.is_in_guest()).count().max(1);
    let made = fs.kernel.root_pidns.last_number();
    let _ = write!(
        out,
        "intr 0\nctxt 0\nbtime {boot}\nprocesses {made}\nprocs_running {running}\nprocs_blocked 0\n\
         softirq 0 0 0 0 0 0 0 0 0 0 0\n"
    );
    Ok(out.into_bytes())
}

fn uptime(fs: &ProcFs) -> Result<Vec<u8>, Errno> {
    let up = crate::time::clock::uptime();
    let used = all_usage(fs);
    let idle = (up * fs.kernel.config.cpus as u32).saturating_sub(used.user + used.system);
    Ok(format!("{:.2} {:.2}\n", up.as_secs_f64(), idle.as_secs_f64()).into_bytes())
}

fn version(_: &ProcFs) -> Result<Vec<u8>, Errno> {
    use crate::syscalls::system::{RELEASE, VERSION};
    Ok(format!("Linux version {RELEASE} (stockade) (rustc) {VERSION}\n").into_bytes())
}

fn vmstat(fs: &ProcFs) -> Result<Vec<u8>, Errno> {
    let files = fs.kernel.memory_files.figures().1 / PAGE_SIZE;
    Ok(format!("nr_free_pages 0\nnr_shmem {files}\npgpgin 0\npgpgout 0\npswpin 0\npswpout 0\npgfault 0\npgmajfault 0\n").into_bytes())
}

#[cfg(test)]
mod tests {
    #[test]
    fn lists_of_cpus_have_runs() {
        assert_eq!(super::cpu_list(&[0, 1, 2, 5, 7, 8]), "0-2,5,7-8");
        assert_eq!(super::cpu_list(&[]), "");
    }
}
