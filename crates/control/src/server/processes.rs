//! Processes: lists of them.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use stockade_sentry::task::{Kernel, ProcessInfo};

use super::{Error, Files, Sandbox, Zone};
use crate::ps::{duration, process_list_to_json, process_list_to_table};
use crate::types::process::{Process, PsArgs};

/// The processes of a kernel, in the order of their numbers, zombies included; times are told in `zone`.
#[must_use]
pub fn processes(kernel: &Kernel, zone: &Zone) -> Vec<Process> {
    let now = Timestamp::now();
    kernel.processes().into_iter().map(|info| describe(info, zone, now)).collect()
}

fn describe(info: ProcessInfo, zone: &Zone, now: Timestamp) -> Process {
    let age = SignedDuration::try_from(info.age).unwrap_or_default();
    let start = now.checked_sub(age).unwrap_or(now);
    Process {
        uid: info.uid,
        pid: info.pid,
        ppid: info.ppid,
        pgid: info.pgid,
        c: hundredths(&info),
        tty: info.tty.map_or_else(|| "?".into(), |number| format!("pts/{number}")),
        stime: zone.start_time(start, now),
        time: duration(info.cpu_time),
        cmd: String::from_utf8_lossy(&info.name).into_owned(),
        threads: info.threads,
    }
}

/// CPU time in hundredths of its life. More than one CPU makes no more than 99, as ps(1) has it.
fn hundredths(info: &ProcessInfo) -> i32 {
    let share = (info.cpu_time.as_nanos() * 100).checked_div(info.age.as_nanos());
    i32::try_from(share.unwrap_or(0).min(99)).unwrap_or(99)
}

/// `Proc.Ps`
pub(super) fn ps(sandbox: &Arc<Sandbox>, args: PsArgs, _: Files) -> Result<String, Error> {
    let list = processes(&sandbox.kernel, &sandbox.zone);
    if args.json {
        process_list_to_json(&list).map_err(|e| Error::new(e.to_string()))
    } else {
        Ok(process_list_to_table(&list))
    }
}

/// `containerManager.Processes`; none if there is no such container.
pub(super) fn list(sandbox: &Arc<Sandbox>, container: String, _: Files) -> Result<Vec<Process>, Error> {
    if sandbox.container(&container).is_err() {
        return Ok(Vec::new());
    }
    Ok(processes(&sandbox.kernel, &sandbox.zone))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn utilization_is_bounded_and_truncated() {
        let info = |cpu: u64, age: u64| ProcessInfo {
            uid: 0,
            pid: 1,
            ppid: 0,
            pgid: 1,
            sid: 1,
            threads: vec![1],
            tty: None,
            age: Duration::from_millis(age),
            cpu_time: Duration::from_millis(cpu),
            name: b"x".to_vec(),
            is_zombie: false,
        };
        assert_eq!(hundredths(&info(0, 0)), 0);
        assert_eq!(hundredths(&info(199, 10_000)), 1);
        assert_eq!(hundredths(&info(5_000, 10_000)), 50);
        assert_eq!(hundredths(&info(30_000, 10_000)), 99);
    }
}
