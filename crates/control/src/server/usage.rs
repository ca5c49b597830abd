//! `Usage` and `Metrics`: figures of the sandbox.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use stockade_sentry::syscalls::counts;
use stockade_sentry::vfs::quota::{OPEN_FILES, SOCKETS};

use super::{Error, Files, Sandbox};
use crate::types::event::{self, EventOut};
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
    let only = only(&args.only_metrics)?;
    let used = kernel.total_usage();
    let (disk_limit, disk) = kernel.memory_files.figures();
    let (_, open_files) = OPEN_FILES.figures();
    let (_, sockets) = SOCKETS.figures();
    let mut data = Vec::new();
    let mut add = |name: &str, kind, help: &str, labels: &[(&str, &str)], value: u64| {
        if only.as_ref().is_none_or(|only| only.is_match(name)) {
            let labels =
                labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect::<BTreeMap<_, _>>();
            let metric = Metric { name: name.to_owned(), kind, help: help.to_owned() };
            let val = Number { int: i64::try_from(value).unwrap_or(i64::MAX) };
            data.push(Data { metric, labels, val });
        }
    };
    for (number, count) in counts::all() {
        let name = stockade_abi::nr::name(number).unwrap_or("unknown");
        let help = "System calls that guests made, by number";
        add("syscalls_total", COUNTER, help, &[("number", &number.to_string()), ("call", name)], count);
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
    let help = "Events that found no room because their reader was slow";
    add("events_lost_total", COUNTER, help, &[], sandbox.emitter.lost());
    let when = jiff::Timestamp::now().to_string();
    Ok(MetricsExportData { snapshot: Snapshot { when, data } })
}

fn only(pattern: &str) -> Result<Option<regex_lite::Regex>, Error> {
    if pattern.is_empty() {
        return Ok(None);
    }
    let compiled = regex_lite::Regex::new(pattern);
    compiled.map(Some).map_err(|e| Error::new(format!("cannot compile regexp {pattern:?}: {e}")))
}

/// `containerManager.Event`: what the container uses now.
pub(super) fn event(sandbox: &Arc<Sandbox>, cid: String, _: Files) -> Result<EventOut, Error> {
    sandbox.container(&cid)?;
    let kernel = &sandbox.kernel;
    let used = kernel.total_usage();
    let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    let total = nanos(used.user + used.system);
    let (_, files) = kernel.memory_files.figures();
    let kinds = [("guests", kernel.guest_memory()), ("files", files), ("sentry", sandbox.own_memory())];
    let memory = event::MemoryEntry {
        limit: kernel.config.memory,
        usage: kinds.iter().map(|(_, bytes)| bytes).sum(),
        failcnt: kernel.memory_kills.load(Ordering::Relaxed) as u64,
    };
    let cpu = event::CpuUsage { kernel: nanos(used.system), user: nanos(used.user), total };
    let data = event::Stats {
        cpu: event::Cpu { usage: cpu },
        memory: event::Memory {
            usage: memory,
            raw: kinds.into_iter().map(|(kind, bytes)| (kind.to_owned(), bytes)).collect(),
        },
        pids: event::Pids { current: kernel.task_count() as u64, limit: kernel.config.max_tasks as u64 },
    };
    let id = sandbox.id.clone();
    Ok(EventOut {
        event: event::Event { kind: "stats".into(), id: id.clone(), data },
        container_usage: BTreeMap::from([(id, total)]),
    })
}
