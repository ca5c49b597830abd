//! `Usage` and `Metrics`: figures of the sandbox.

use std::collections::BTreeMap;
use std::sync::Arc;

use stockade_sentry::syscalls::counts;
use stockade_sentry::vfs::quota::{OPEN_FILES, SOCKETS};

use super::{Error, Files, Sandbox};
use crate::types::usage::{
    Data, MemoryUsage, MemoryUsageOpts, Metric, MetricsExportData, MetricsExportOpts, Number, Snapshot,
};

const GAUGE: u8 = 1;
const COUNTER: u8 = 2;

/// Memory by kind.
pub(super) fn collect(sandbox: &Arc<Sandbox>, args: MemoryUsageOpts, _: Files) -> Result<MemoryUsage, Error> {
    let kernel = &sandbox.kernel;
    let (_, tmpfs) = kernel.memory_files.figures();
    let (anonymous, system) = (kernel.guest_memory(), sandbox.own_memory());
    let total = anonymous + tmpfs + system;
    Ok(if args.full {
        MemoryUsage { system, anonymous, tmpfs, total, ..MemoryUsage::default() }
    } else {
        MemoryUsage { unknown: total, total, ..MemoryUsage::default() }
    })
}

/// All metrics.
pub(super) fn export(
    sandbox: &Arc<Sandbox>,
    args: MetricsExportOpts,
    _: Files,
) -> Result<MetricsExportData, Error> {
    let kernel = &sandbox.kernel;
    let used = kernel.total_usage();
    let (disk_limit, disk) = kernel.memory_files.figures();
    let (_, open_files) = OPEN_FILES.figures();
    let (_, sockets) = SOCKETS.figures();
    let mut data = Vec::new();
    let mut add = |name: &str, kind, help: &str, labels: &[(&str, &str)], value: u64| {
        if name.starts_with(&args.only_metrics) {
            let labels =
                labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect::<BTreeMap<_, _>>();
            let metric = Metric { name: name.to_owned(), kind, help: help.to_owned() };
            let val = Number { int: i64::try_from(value).unwrap_or(i64::MAX) };
            data.push(Data { metric, labels, val });
        }
    };
    for (number, count) in counts::all() {
        let name = stockade_abi::nr::name(number).unwrap_or("unknown");
        let help = "System calls that guests made, by name";
        add("syscalls_total", COUNTER, help, &[("call", name)], count);
    }
    let help = "Page faults of guests that the host served";
    add("page_faults_total", COUNTER, help, &[("kind", "minor")], used.minor_faults);
    add("page_faults_total", COUNTER, help, &[("kind", "major")], used.major_faults);
    let help = "CPU time of guests in microseconds";
    add("cpu_microseconds_total", COUNTER, help, &[("mode", "user")], used.user.as_micros() as u64);
    add("cpu_microseconds_total", COUNTER, help, &[("mode", "system")], used.system.as_micros() as u64);
    add("tasks", GAUGE, "Tasks that there are", &[], kernel.task_count() as u64);
    add("tasks_limit", GAUGE, "Tasks that there may be", &[], kernel.config.max_tasks as u64);
    add("tasks_refused_total", COUNTER, "Tasks beyond the limit", &[], kernel.tasks_refused() as u64);
    let help = "Memory in bytes, by kind";
    add("memory_bytes", GAUGE, help, &[("kind", "guests")], kernel.guest_memory());
    add("memory_bytes", GAUGE, help, &[("kind", "files")], disk);
    add("memory_bytes", GAUGE, help, &[("kind", "sentry")], sandbox.own_memory());
    add("memory_limit_bytes", GAUGE, "Memory that there may be", &[], kernel.config.memory);
    add("disk_limit_bytes", GAUGE, "Files in memory that there may be", &[], disk_limit);
    add("open_files", GAUGE, "Open file descriptions", &[], open_files as u64);
    add("unix_sockets", GAUGE, "UNIX sockets", &[], sockets as u64);
    let when = jiff::Timestamp::now().to_string();
    Ok(MetricsExportData { snapshot: Snapshot { when, data } })
}
