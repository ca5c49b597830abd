//! Stubs that are forked ahead.

use std::fs;
use std::time::{Duration, Instant};

use stockade_abi::Errno;
use stockade_platform::{Notify, Platform};

use crate::common::{CODE, DATA, platform, space, syscall, thread};

crate::guest!(asks, "mov eax, 39", "syscall", "ud2");

/// The stubs of a platform, dead ones too.
fn stubs(platform: &Notify) -> Vec<i32> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let is_stub = |pid: &i32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let parent = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1)?.parse().ok());
        parent == Some(platform.host_pid())
    };
    pids.filter(is_stub).collect()
}

/// Waits for a stub beside these.
fn ahead(platform: &Notify, others: &[i32]) -> i32 {
    let begin = Instant::now();
    loop {
        if let Some(pid) = stubs(platform).into_iter().find(|pid| !others.contains(pid)) {
            // It has to be known, and not only to exist.
            std::thread::sleep(Duration::from_millis(100));
            return pid;
        }
        assert!(begin.elapsed() < Duration::from_secs(10), "no other than {others:?}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn the_next_one_waits_and_is_as_any_other() {
    let platform = platform();
    let first = space(&platform, asks::code());
    first.write(DATA, &[7; 64]).unwrap();
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(stubs(&platform), [first.host_pid()], "who needs one only gets one only");
    let second = space(&platform, asks::code());
    let waiting = ahead(&platform, &[first.host_pid(), second.host_pid()]);
    let third = platform.new_address_space().unwrap();
    assert_eq!(third.host_pid(), waiting);
    assert_eq!(third.read(CODE, &mut [0; 8]), Err(Errno::EFAULT));
    let maps = fs::read_to_string(format!("/proc/{waiting}/maps")).unwrap();
    let starts = maps.lines().map(|line| u64::from_str_radix(line.split('-').next().unwrap(), 16).unwrap());
    let layout = platform.layout();
    let theirs = |start: &u64| {
        layout.usable.contains(start) && !layout.reserved.iter().any(|range| range.contains(start))
    };
    assert_eq!(starts.filter(theirs).count(), 0, "{maps}");
}

#[test]
fn one_that_dies_while_it_waits_is_missed_by_nobody() {
    let platform = platform();
    let (first, second) = (space(&platform, asks::code()), space(&platform, asks::code()));
    let waiting = ahead(&platform, &[first.host_pid(), second.host_pid()]);
    // SAFETY: no pointers; a stub of our own.
    assert_eq!(unsafe { libc::kill(waiting, libc::SIGKILL) }, 0);
    let begin = Instant::now();
    while !fs::read_to_string(format!("/proc/{waiting}/stat")).unwrap().contains(") Z ") {
        assert!(begin.elapsed() < Duration::from_secs(10));
    }
    let third = space(&platform, asks::code());
    assert_ne!(third.host_pid(), waiting);
    for space in [&first, &second, &third] {
        assert_eq!(syscall(&mut *thread(space)).nr, 39);
    }
}
