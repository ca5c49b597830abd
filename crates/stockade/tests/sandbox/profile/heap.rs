//! Heap profiles.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use stockade_control::types::container::SignalArgs;
use stockade_control::types::profile::HeapProfileOpts;

use super::*;

/// A program that has the sentry hold 64 MiB once it gets SIGUSR1, and give it back with SIGUSR2.
const HOLDS: &str = "trap 'head -c 64M /dev/zero >/dev/shm/x' USR1; trap 'rm /dev/shm/x' USR2
echo ready >/dev/shm/ready; while :; do sleep 0.05; done";

const BIG: i64 = 32 << 20;

fn held(profile: &Value) -> i64 {
    sum(profile, 1, |sample| within(sample, "stockade_sentry::fs::tmpfs"))
}

fn now(live: &Live) -> Value {
    profile(|file| connect(live).profile_heap(file))
}

fn signal(live: &Live, signo: i32) {
    connect(live).signal(&SignalArgs { signo, ..SignalArgs::default() }).unwrap();
}

#[test]
fn names_who_holds_memory() {
    let live = Live::script(&[], HOLDS);
    std::thread::sleep(Duration::from_secs(1));
    let before = now(&live);
    assert_eq!(before["types"], json!([["inuse_objects", "count"], ["inuse_space", "bytes"]]));
    assert!(held(&before) < BIG, "{before}");
    signal(&live, 10);
    let mut profile = Value::Null;
    until("the memory is held", || {
        profile = now(&live);
        held(&profile) > BIG
    });
    // An estimate; the standard deviation of 64 samples is an eighth.
    until("all of it", || (40 << 20..96 << 20).contains(&held(&now(&live))));
    let sample = samples(&profile).iter().find(|s| within(s, "stockade_sentry::fs::tmpfs")).unwrap();
    assert!(within(sample, "dispatch") && !within(sample, "stockade_confine::profile::unwind"), "{sample}");
    signal(&live, 12);
    until("it is given back", || held(&now(&live)) < BIG / 4);
}

#[test]
fn waits_before() {
    let live = Live::script(&[], HOLDS);
    std::thread::sleep(Duration::from_secs(1));
    let _ = now(&live);
    let begun = Instant::now();
    let profile = std::thread::scope(|scope| {
        let later = scope.spawn(|| {
            let opts = HeapProfileOpts { delay: 6_000_000_000 };
            profile(|file| connect(&live).profile_heap_later(&opts, file))
        });
        signal(&live, 10);
        later.join().unwrap()
    });
    assert!(begun.elapsed() >= Duration::from_secs(6));
    assert!(held(&profile) > BIG, "{profile}");
}
