//! Profiles of waiting.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use stockade_control::types::profile::{BlockProfileOpts, MutexProfileOpts};

use super::*;

fn waits(live: &Live, rate: i64) -> Value {
    let begun = Instant::now();
    let profile = profile(|file| {
        connect(live).profile_block(&BlockProfileOpts { duration: 3_000_000_000, rate }, file)
    });
    assert!(begun.elapsed() >= Duration::from_secs(3));
    profile
}

#[test]
fn say_where_calls_wait() {
    let live = Live::script(&[], "exec python3 -c 'import time\nwhile True: time.sleep(0.02)'");
    std::thread::sleep(Duration::from_millis(500));
    let all = waits(&live, 0);
    assert_eq!(all["types"], json!([["contentions", "count"], ["delay", "nanoseconds"]]));
    let naps = |sample: &Value| {
        sample["labels"]["call"] == "clock_nanosleep"
            && sample["labels"]["command"] == "python3"
            && within(sample, "stockade_sentry::syscalls::sleep")
    };
    let (count, time) = (sum(&all, 0, naps), sum(&all, 1, naps));
    assert!(count >= 20 && time >= count * 20_000_000, "{count} in {time} ns: {all}");
    // One for each second: of a wait of 20 ms every fiftieth.
    let some = waits(&live, 1_000_000_000);
    assert!(sum(&some, 0, naps) <= count / 4, "{some}");
}

#[test]
fn say_which_locks_are_fought_for() {
    // Threads that open and close share one table of descriptors.
    let program = "import os, threading\ndef run():\n while True: os.close(os.dup(0))\n\
        for i in range(6): threading.Thread(target=run).start()";
    let live = Live::script(&[], &format!("exec python3 -c '{program}'"));
    std::thread::sleep(Duration::from_millis(500));
    let begun = Instant::now();
    let opts = MutexProfileOpts { duration: 3_000_000_000, fraction: 1 };
    let profile = profile(|file| connect(&live).profile_mutex(&opts, file));
    assert!(begun.elapsed() >= Duration::from_secs(3));
    assert_eq!(profile["types"][0][0], "contentions");
    assert!(profile["comments"][0].as_str().unwrap().contains("one sample of 1 waits"));
    let fights =
        |sample: &Value| sample["labels"]["command"] == "python3" && within(sample, "stockade_sentry::");
    let (count, time) = (sum(&profile, 0, fights), sum(&profile, 1, fights));
    assert!(count >= 3 && time > count, "{count} in {time} ns: {profile}");
}
