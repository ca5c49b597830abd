//! What a sentry holds, as the host tells.

use rustix::process::geteuid;

/// Descriptors, threads, and private memory in KiB. An ordinary user sees no descriptors of a sentry, which cannot be dumped, and
/// of its memory what is anonymous.
pub(crate) fn held(sentry: u64) -> (usize, usize, u64) {
    let count = |what: &str| std::fs::read_dir(format!("/proc/{sentry}/{what}")).map_or(0, Iterator::count);
    let (file, field) =
        if geteuid().is_root() { ("smaps_rollup", "Private_Dirty:") } else { ("status", "RssAnon:") };
    let text = std::fs::read_to_string(format!("/proc/{sentry}/{file}")).unwrap();
    let line = text.lines().find(|line| line.starts_with(field)).unwrap();
    (count("fd"), count("task"), line.split_whitespace().nth(1).unwrap().parse().unwrap())
}
