//! Numbers that bound what a sandbox can hold.

use rustix::process::{Resource, getrlimit};

use super::Probe;

/// Below this not even a shell works; below that, big programs do not.
const FEW: u64 = 256;
const ENOUGH: u64 = 4096;

/// The hard limit on descriptors.
fn nofile() -> u64 {
    getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX)
}

pub(super) fn has_descriptors() -> bool {
    nofile() >= FEW
}

pub(super) fn descriptors() -> Probe {
    const NAME: &str = "descriptors";
    const WHY: &str = "a guest thread takes one or two of the sentry's, an open host file one";
    const FIX: &str =
        "raise the hard limit: `ulimit -Hn`, LimitNOFILE= of the service, or --ulimit of the container";
    let detail = |n| format!("hard limit {n}");
    match nofile() {
        n if n >= ENOUGH => Probe::present(NAME, WHY, detail(n)),
        n if n >= FEW => {
            Probe::degraded(NAME, WHY, format!("{}, {ENOUGH} or more are better", detail(n)), FIX)
        }
        n => Probe::missing(NAME, WHY, format!("{}, at least {FEW} are needed", detail(n)), FIX),
    }
}

pub(super) fn mappings() -> Probe {
    const NAME: &str = "vm.max_map_count";
    const WHY: &str = "bounds the mappings of one guest process";
    const DEFAULT: u64 = 65530;
    const PATH: &str = "/proc/sys/vm/max_map_count";
    match std::fs::read_to_string(PATH).ok().and_then(|text| text.trim().parse::<u64>().ok()) {
        Some(n) if n >= DEFAULT => Probe::present(NAME, WHY, n.to_string()),
        Some(n) => {
            let fix = format!("`sysctl vm.max_map_count={DEFAULT}`, the kernel's default, or more");
            Probe::degraded(NAME, WHY, n.to_string(), fix)
        }
        None => Probe::degraded(NAME, WHY, format!("cannot read {PATH}"), ""),
    }
}
