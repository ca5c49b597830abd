//! On what the figures were taken, and whether it was quiet.

use std::fs;

use anyhow::{Context, Result};

/// Ticks of the machine's processors and of this process with its children.
pub(crate) struct Activity {
    busy: u64,
    own: u64,
    stolen: u64,
    total: u64,
}

impl Activity {
    pub(crate) fn now() -> Result<Self> {
        let stat = fs::read_to_string("/proc/stat").context("cannot read /proc/stat")?;
        let first = stat.lines().next().unwrap_or_default();
        let ticks: Vec<u64> = first.split_whitespace().skip(1).filter_map(|n| n.parse().ok()).collect();
        let at = |i: usize| ticks.get(i).copied().unwrap_or(0);
        let total = (0..8).map(at).sum::<u64>();
        let own = fs::read_to_string("/proc/self/stat")?;
        let own = own.rsplit(')').next().unwrap_or_default();
        // utime, stime, cutime, cstime (proc_pid_stat(5)), counted from the field after the name.
        let own = own.split_whitespace().skip(11).take(4).filter_map(|n| n.parse::<u64>().ok()).sum();
        Ok(Self { busy: total - at(3) - at(4), own, stolen: at(7), total })
    }
}

/// Machine, date, and how busy others kept it since.
pub(crate) fn describe(before: &Activity) -> Result<String> {
    let now = Activity::now()?;
    let total = (now.total - before.total).max(1) as f64;
    let stolen = (now.stolen - before.stolen) as f64 / total;
    let others = ((now.busy - before.busy).saturating_sub(now.own - before.own)) as f64 / total;
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo
        .lines()
        .find_map(|l| l.strip_prefix("model name"))
        .map_or("unknown", |l| l.trim_start_matches([' ', '\t', ':']));
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let quiet = if stolen + others < 0.05 { "quiet" } else { "not quiet" };
    Ok(format!(
        "{}; {cpus} × {model}; Linux {}; the machine was {quiet}: {:.1} % of its time went to others, {:.1} % was taken from it.",
        jiff::Timestamp::now().strftime("%Y-%m-%d"),
        kernel.trim(),
        others * 100.0,
        stolen * 100.0,
    ))
}
