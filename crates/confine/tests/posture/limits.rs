//! Limits that the host enforces.

use rustix::process::WaitOptions;
use stockade_confine::{Cgroup, End, Events, Limits, Options, launch};

use crate::tools::{Case, capabilities, case};

pub(crate) const CASES: &[Case] = &[
    case("tasks are limited", tasks),
    case("memory is limited", memory),
    case("too little memory for the sentry", too_little),
    case("stubs go first when memory runs out", stubs_first),
];

/// Runs `f` in a sandbox under `limits`; `None` if the host enforces none.
fn limited(name: &str, limits: Limits, f: impl FnOnce() -> u8) -> Option<(End, Events)> {
    let cgroup = Cgroup::create(name, &limits);
    if let Some(reason) = cgroup.unavailable().first() {
        println!("skipped: {reason}");
        let overrides = capabilities().contains(rustix::thread::CapabilitySet::DAC_OVERRIDE);
        assert!(!overrides || !reason.to_string().contains("Permission"), "{reason}");
        return None;
    }
    let options = Options { cgroup: Some(&cgroup), ..Options::default() };
    let mut handle = launch(&options, |_| f()).expect("launch");
    let end = handle.wait().expect("waitid");
    let events = cgroup.events();
    let paths: Vec<_> = cgroup.paths().map(std::path::Path::to_owned).collect();
    drop(cgroup);
    assert!(paths.iter().all(|p| !p.exists()), "{paths:?}");
    Some((end, events))
}

#[expect(unsafe_code, reason = "processes to be limited")]
fn fork(f: impl FnOnce()) -> Option<i32> {
    // SAFETY: this process has one thread.
    match unsafe { libc::fork() } {
        0 => {
            f();
            // SAFETY: ends the child.
            unsafe { libc::_exit(0) }
        }
        -1 => None,
        pid => Some(pid),
    }
}

fn tasks() {
    let limits = Limits { pids: Some(10), cpus: Some(1.0), ..Limits::default() };
    let result = limited("tasks", limits, || {
        (0..50).filter(|_| fork(|| std::thread::sleep(std::time::Duration::from_secs(5))).is_some()).count()
            as u8
    });
    if let Some((end, events)) = result {
        assert_eq!(end, End::Exited(9));
        assert!(events.forks_refused > 0, "{events:?}");
    }
}

fn memory() {
    let limits = Limits { memory: Some(32 << 20), ..Limits::default() };
    let result = limited("memory", limits, || {
        let child = fork(|| {
            let bytes = vec![1u8; 256 << 20];
            std::hint::black_box(&bytes);
        });
        let status =
            rustix::process::waitpid(child.and_then(rustix::process::Pid::from_raw), WaitOptions::empty());
        let signal = status.ok().flatten().and_then(|(_, s)| s.terminating_signal());
        signal.unwrap_or(0) as u8
    });
    if let Some((end, events)) = result {
        assert!([End::Exited(9), End::Killed(9)].contains(&end), "{end:?}");
        assert!(events.oom_kills > 0, "{events:?}");
    }
}

fn too_little() {
    let cgroup = Cgroup::create("little", &Limits { memory: Some(4 << 10), ..Limits::default() });
    if cgroup.unavailable().is_empty() {
        let options = Options { cgroup: Some(&cgroup), ..Options::default() };
        let error = launch(&options, |_| 0).expect_err("no room").to_string();
        assert!(error.contains("more memory"), "{error}");
    }
}

fn stubs_first() {
    crate::tools::in_sentry(&[], |host| {
        let stub = fork(|| std::thread::sleep(std::time::Duration::from_secs(60))).expect("fork");
        host.prefer_for_oom(stub).expect("prefer_for_oom");
        let score =
            |pid: &str| crate::tools::read_at(&host.proc, &format!("{pid}/oom_score_adj")).expect("score");
        assert_eq!(score(&stub.to_string()), "900\n");
        assert_ne!(score("self"), "900\n");
    });
}
