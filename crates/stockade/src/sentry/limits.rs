//! The bounds that the sentry keeps itself.

use std::sync::atomic::Ordering;
use std::thread;

use stockade_sentry::task::{Kernel, KernelConfig};
use stockade_sentry::vfs::{HOST_FDS, OPEN_FILES};

use crate::config::SandboxConfig;
use crate::parse::format_size;
use crate::run::memory_hit;

/// What the kernel is made with.
pub(super) fn kernel_config(
    config: &SandboxConfig,
    cpu: Vec<(String, String)>,
    hides_ids: bool,
) -> KernelConfig {
    let cpus = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    KernelConfig {
        hostname: config.hostname.clone().into_bytes(),
        max_tasks: config.limits.tasks as usize,
        memory: config.limits.memory,
        disk: config.limits.disk,
        descriptors: config.limits.descriptors as usize,
        host_descriptors: host_descriptors(config),
        hides_ids,
        cpus,
        cpu,
    }
}

/// How many descriptors of the host guests' files can take: those that are left beside what the sentry may need for tasks
/// and directories, and a quarter of all where that is little.
fn host_descriptors(config: &SandboxConfig) -> usize {
    const PER_TASK: u64 = 3;
    const OWN: u64 = 3000;
    let all = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(u64::MAX);
    let own = u64::from(config.limits.tasks) * PER_TASK + OWN;
    usize::try_from(all.saturating_sub(own).max(all / 4)).unwrap_or(usize::MAX)
}

/// Which of the limits that the sentry counts itself were met, in words.
pub(super) fn limits_hit(kernel: &Kernel, config: &SandboxConfig) -> Vec<String> {
    let mut said = Vec::new();
    match kernel.tasks_refused() {
        0 => {}
        1 => said.push(format!("--pids {}: reached; a task was not started", config.limits.tasks)),
        n => said.push(format!("--pids {}: reached; {n} tasks were not started", config.limits.tasks)),
    }
    match kernel.memory_kills.load(Ordering::Relaxed) {
        0 => {}
        killed => said.push(memory_hit(&config.limits, killed as u64)),
    }
    if kernel.memory_files.was_exhausted() {
        let limit = format_size(config.limits.disk);
        said.push(format!("--disk {limit}: reached; something was not written"));
    }
    if OPEN_FILES.was_exhausted() {
        said.push(format!("--descriptors {}: reached; a file was not opened", config.limits.descriptors));
    }
    if HOST_FDS.was_exhausted() {
        said.push(
            "the host's limit of descriptors: reached; a file was not opened or mapped; raise it (ulimit -n)"
                .into(),
        );
    }
    said
}
