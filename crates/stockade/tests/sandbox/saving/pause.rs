//! Pauses: how soon all threads stand, and that they do.

use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;

use super::{Place, until};
use crate::control::Client;

/// Threads that compute, and threads that wait.
const THREADS: &str = r"
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>
static void *busy(void *arg) { for (volatile unsigned long n = 0;; n++); return arg; }
static void *idle(void *arg) { for (;;) usleep(20000); return arg; }
int main(void) {
    pthread_t thread;
    for (int i = 0; i < 99; i++)
        if (pthread_create(&thread, NULL, i % 12 ? idle : busy, NULL)) return 1;
    puts(`up`), fflush(stdout);
    pause();
}";

fn start(place: &Place) -> Client {
    let source = place.path("threads.c");
    std::fs::write(&source, THREADS.replace('`', "\"")).unwrap();
    let program = place.path("threads");
    let built = Command::new("gcc").args(["-O1", "-pthread", "-o"]).arg(&program).arg(&source).status();
    assert!(built.unwrap().success());
    place.state.start("box", &[], &format!("exec {}", program.display()));
    until("it runs", || place.state.run(&["logs", "box"]).0 == "up\n");
    Client(UnixStream::connect(place.state.path().join("box/control.sock")).unwrap())
}

fn call(client: &mut Client, method: &str) -> Duration {
    let start = Instant::now();
    let answer = client.call(&format!("containerManager.{method}"), &json!(null), &[]);
    assert_eq!(answer["success"], json!(true), "{answer}");
    start.elapsed()
}

/// CPU time that a process and those below it have used, in the host's ticks.
fn cpu_ticks(pid: u64) -> u64 {
    let stat = |path: &Path| {
        let text = std::fs::read_to_string(path.join("stat")).ok()?;
        let fields: Vec<u64> =
            text.rsplit_once(')')?.1.split_whitespace().skip(1).map(|f| f.parse().unwrap_or(0)).collect();
        Some((fields[0], fields[10] + fields[11]))
    };
    let number = |path: &Path| path.file_name()?.to_str()?.parse::<u64>().ok();
    let entries = std::fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path());
    let all: Vec<(u64, u64, u64)> = entries
        .filter_map(|path| {
            let (parent, ticks) = stat(&path)?;
            Some((number(&path)?, parent, ticks))
        })
        .collect();
    let mut family = vec![pid];
    let mut at = 0;
    while let Some(&parent) = family.get(at) {
        family.extend(all.iter().filter(|(_, of, _)| *of == parent).map(|(pid, _, _)| *pid));
        at += 1;
    }
    all.iter().filter(|(pid, _, _)| family.contains(pid)).map(|(_, _, ticks)| ticks).sum()
}

/// What the best median may be where others keep the processors busy all the while: they have their turns first.
const AMONG_OTHERS: Duration = Duration::from_millis(50);

/// The median of twenty, of the best of some rounds: others may be busy here.
#[test]
fn a_hundred_threads_stand_within_ten_milliseconds() {
    let place = Place::new();
    let mut client = start(&place);
    let mut medians = Vec::new();
    while medians.len() < 20 {
        let mut times: Vec<Duration> = (0..20)
            .map(|_| {
                let time = call(&mut client, "Pause");
                call(&mut client, "Resume");
                // They are where they were before the next.
                std::thread::sleep(Duration::from_millis(20));
                time
            })
            .collect();
        times.sort_unstable();
        medians.push(times[10]);
        if times[10] < Duration::from_millis(10) {
            return;
        }
        std::thread::sleep(Duration::from_millis(500));
    }
    assert!(medians.iter().any(|median| *median < AMONG_OTHERS), "medians of pauses: {medians:?}");
}

#[test]
fn who_is_paused_uses_no_time() {
    const WHILE: Duration = Duration::from_millis(500);
    let place = Place::new();
    let mut client = start(&place);
    let sentry = place.state.record("box").unwrap()["pid"].as_u64().unwrap();
    let used = || {
        let before = cpu_ticks(sentry);
        std::thread::sleep(WHILE);
        cpu_ticks(sentry) - before
    };
    // On a busy machine they get some of it at last.
    until("it computes", || used() > 5);
    // Twice is once.
    for _ in 0..2 {
        call(&mut client, "Pause");
    }
    // What the pause itself took comes first.
    std::thread::sleep(Duration::from_millis(100));
    let ticks = used();
    assert!(ticks <= 2, "{ticks} ticks");
    for _ in 0..2 {
        call(&mut client, "Resume");
    }
    until("it computes again", || used() > 5);
}
