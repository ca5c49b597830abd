//! How sandboxes end.

use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use stockade_confine::{Access, Cgroup, End, Limits, Options, launch};

use crate::tools::{Case, case, exists, start, status, tree};

pub(crate) const CASES: &[Case] = &[
    case("ends", ends),
    case("a panic is a crash", panics),
    case("dies with the front", dies_with_front),
    case("dropped", dropped),
    Case { name: "how long it takes", run: speed, root_only: false, talks: true },
];

fn ends() {
    assert_eq!(start(&[], |_| 77).wait().expect("waitid"), End::Exited(77));
    let mut handle = start(&[], |host| {
        let _ = host.link.receive(&mut [0]);
        0
    });
    handle.signal(Signal::TERM).expect("ignored by an init without a handler");
    handle.signal(Signal::KILL).expect("kill");
    assert_eq!(handle.wait().expect("waitid"), End::Killed(libc::SIGKILL));
}

fn panics() {
    let mut handle = start(&[], |_| panic!("on purpose"));
    assert!(!matches!(handle.wait().expect("waitid"), End::Exited(0)));
}

/// Forks a process that sleeps, of the sentry's own namespaces.
#[expect(unsafe_code, reason = "a process tree to be killed")]
fn fork_sleeper() {
    // SAFETY: the sentry has one thread; the child only sleeps.
    unsafe {
        if libc::fork() == 0 {
            loop {
                libc::pause();
            }
        }
    }
}

#[expect(unsafe_code, reason = "a front to be killed")]
fn dies_with_front() {
    let (reader, writer) = rustix::pipe::pipe().expect("pipe");
    // SAFETY: this process has one thread.
    let front = unsafe { libc::fork() };
    if front == 0 {
        let handle = start(&[tree("/", Access::ReadOnly)], |host| {
            fork_sleeper();
            host.lock_down().expect("lock_down");
            host.link.send(b"up", &[]).expect("send");
            loop {
                std::thread::sleep(Duration::from_secs(1));
            }
        });
        handle.link().receive(&mut [0; 8]).expect("receive").expect("a message");
        rustix::io::write(&writer, handle.pid().to_string().as_bytes()).expect("write");
        loop {
            std::thread::sleep(Duration::from_secs(1));
        }
    }
    drop(writer);
    let mut buffer = [0; 16];
    let n = rustix::io::read(&reader, &mut buffer).expect("read");
    let sentry: i32 = std::str::from_utf8(&buffer[..n]).expect("a number").parse().expect("a number");
    let children = std::fs::read_to_string(format!("/proc/{sentry}/task/{sentry}/children"));
    let sleeper: Option<i32> = children.ok().and_then(|c| c.trim().parse().ok());
    assert_eq!(status(sentry, "NSpid"), format!("{sentry} 1"));
    let front = Pid::from_raw(front).expect("a process");
    kill_process(front, Signal::KILL).expect("kill");
    waitpid(Some(front), WaitOptions::empty()).expect("waitpid");
    let began = Instant::now();
    let gone = |pid: i32| {
        let path = format!("/proc/{pid}");
        !exists(&path) || std::fs::read_to_string(path + "/stat").map_or(true, |s| s.contains(") Z "))
    };
    while !gone(sentry) || !sleeper.is_none_or(gone) {
        assert!(began.elapsed() < Duration::from_secs(1), "something is left");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn dropped() {
    let handle = start(&[], |host| {
        let _ = host.link.receive(&mut [0]);
        0
    });
    let pid = handle.pid();
    assert!(exists(format!("/proc/{pid}")));
    drop(handle);
    assert!(!exists(format!("/proc/{pid}")));
}

fn speed() {
    measure("", None);
    let limits = Limits { memory: Some(256 << 20), pids: Some(1000), cpus: Some(1.0) };
    let cgroup = Cgroup::create("speed", &limits);
    if cgroup.unavailable().is_empty() {
        measure(" with limits", Some(&cgroup));
    }
    memory();
    let began = Instant::now();
    (0..20).for_each(|i| drop(Cgroup::create(&format!("speed-{i}"), &limits)));
    println!("groups made and removed: {:?}", began.elapsed() / 20);
}

fn memory() {
    let handle = start(&[tree("/", Access::ReadOnly)], |host| {
        let _ = host.link.receive(&mut [0]);
        0
    });
    if let Ok(text) = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", handle.pid())) {
        let lines = text.lines().filter(|l| l.starts_with("Pss:") || l.starts_with("Private_Dirty:"));
        println!("memory of the sentry: {}", lines.collect::<Vec<_>>().join(", "));
    }
}

fn measure(how: &str, cgroup: Option<&Cgroup>) {
    let options = Options {
        trees: vec![tree("/", Access::ReadOnly), tree(".", Access::ReadWrite)],
        cgroup,
        ..Options::default()
    };
    let mut times: Vec<[Duration; 3]> = (0..60)
        .map(|_| {
            let began = Instant::now();
            let mut handle = launch(&options, |host| {
                host.lock_down().expect("lock_down");
                let _ = host.link.send(b"x", &[]);
                0
            })
            .expect("launch");
            let ready = began.elapsed();
            let _ = handle.link().receive(&mut [0; 8]);
            let locked = began.elapsed();
            handle.wait().expect("waitid");
            [ready, locked, began.elapsed()]
        })
        .collect();
    for (i, what) in ["prepared", "locked down", "ended"].iter().enumerate() {
        times.sort_by_key(|t| t[i]);
        println!("{what}{how}: median {:?}, 9th decile {:?}", times[30][i], times[54][i]);
    }
}
