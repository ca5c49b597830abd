//! Memory of sandboxes.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::environment::Environment;

/// Bytes of memory (proportional set size) of all processes of a sandbox in which a program sleeps.
pub(crate) fn idle(environment: &Environment, dir: &Path) -> Result<f64> {
    let mut command = environment.command("sleep", dir);
    command.arg("30").stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn()?;
    // Until it has been idle for a while.
    sleep(Duration::from_millis(if environment.is_slow() { 2500 } else { 700 }));
    let total = families().of(child.id()).iter().map(|&pid| pss(pid)).sum::<Option<u64>>();
    child.kill()?;
    child.wait()?;
    total.map(|kib| kib as f64 * 1024.0).context("cannot read /proc/PID/smaps_rollup")
}

/// Who is whose child.
pub(crate) struct Families(HashMap<u32, Vec<u32>>);

/// All there are now.
pub(crate) fn families() -> Families {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for pid in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = pid.file_name().to_str().and_then(|n| n.parse::<u32>().ok()) else { continue };
        let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { continue };
        let parent = stat.rsplit(')').next().and_then(|s| s.split_whitespace().nth(1)?.parse().ok());
        if let Some(parent) = parent {
            children.entry(parent).or_default().push(pid);
        }
    }
    Families(children)
}

impl Families {
    /// A process and all its descendants.
    pub(crate) fn of(&self, root: u32) -> Vec<u32> {
        let mut all = vec![root];
        let mut at = 0;
        while let Some(&pid) = all.get(at) {
            all.extend(self.0.get(&pid).into_iter().flatten());
            at += 1;
        }
        all
    }
}

/// Bytes that a process takes: its share of memory, and the tables for its pages.
pub(crate) fn own(pid: u32) -> Option<f64> {
    let tables = field(&format!("/proc/{pid}/status"), "VmPTE:")?;
    Some((pss(pid)? + tables) as f64 * 1024.0)
}

fn pss(pid: u32) -> Option<u64> {
    field(&format!("/proc/{pid}/smaps_rollup"), "Pss:")
}

/// A number of KiB in one of a process's files.
fn field(path: &str, name: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    text.lines().find_map(|l| l.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}
