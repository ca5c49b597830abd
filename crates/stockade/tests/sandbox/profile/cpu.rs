//! CPU profiles.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use stockade_control::types::profile::CpuProfileOpts;

use super::*;

/// A program that keeps the sentry busy with two calls.
const BUSY: &str = "exec dd if=/dev/zero of=/dev/null bs=256k";

fn cpu(live: &Live, duration: Duration, rate: i64) -> Value {
    let duration = i64::try_from(duration.as_nanos()).unwrap();
    profile(|file| connect(live).profile_cpu(&CpuProfileOpts { duration, rate }, file))
}

fn is_of_dd(sample: &Value) -> bool {
    sample["labels"]["command"] == "dd"
}

#[test]
fn names_the_culprit() {
    let live = Live::script(&[], BUSY);
    let profile = cpu(&live, Duration::from_secs(3), 0);
    assert_eq!(profile["types"], json!([["samples", "count"], ["cpu", "nanoseconds"]]));
    assert_eq!(
        (&profile["period"], &profile["period_type"]),
        (&json!(10_000_000), &json!(["cpu", "nanoseconds"]))
    );
    let all = sum(&profile, 0, |_| true);
    let guilty = |sample: &Value| {
        let labels = &sample["labels"];
        is_of_dd(sample)
            && labels["call"] == "read"
            && labels["thread"] == "task"
            && labels["pid"] == 1
            && labels["tid"] == 1
            && within(sample, "stockade_sentry::syscalls::rw::read")
    };
    let guilty = sum(&profile, 0, guilty);
    assert!(all >= 30 && guilty > all / 2, "{guilty} of {all}: {profile}");
    // What samples stand for is the CPU time that the sentry used.
    let time = sum(&profile, 1, |_| true);
    assert!(time > 500_000_000 && profile["comments"][1].as_str().unwrap().contains("CPU time"), "{time}");
    let placed =
        |s: &&Value| s["lines"].as_array().unwrap().iter().any(|l| l.as_str().unwrap().contains("rw.rs:"));
    assert!(samples(&profile).iter().find(placed).is_some());
}

#[test]
fn goes_tool_reads_it() {
    let live = Live::script(&[], BUSY);
    let file = tempfile::Builder::new().suffix(".pb.gz").tempfile().unwrap();
    let opts = CpuProfileOpts { duration: 2_000_000_000, rate: 0 };
    connect(&live).profile_cpu(&opts, file.as_file().as_fd()).unwrap();
    let pprof = |option: &str| {
        let mut command = Command::new("go");
        let output = command.args(["tool", "pprof", option]).arg(file.path()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let top = pprof("-top");
    assert!(top.contains("Type: cpu") && top.contains("stockade_sentry::"), "{top}");
    let tags = pprof("-tags");
    assert!(tags.contains("command:") && tags.contains("dd") && tags.contains("read"), "{tags}");
    assert!(pprof("-traces").contains("dispatch"));
}

#[test]
fn rate_and_duration_are_kept() {
    let live = Live::script(&[], BUSY);
    let count = |rate| {
        let begun = Instant::now();
        let profile = cpu(&live, Duration::from_secs(6), rate);
        assert!(begun.elapsed() >= Duration::from_secs(6));
        let duration = profile["duration"].as_u64().unwrap();
        assert!((5_900_000_000..60_000_000_000).contains(&duration), "{duration}");
        assert_eq!(profile["period"], 1_000_000_000 / rate);
        // Per second of CPU time: other programs run, too.
        sum(&profile, 0, |_| true) as f64 / (sum(&profile, 1, |_| true) as f64 / 1e9)
    };
    let (few, many) = (count(20), count(100));
    assert!((4.0..35.0).contains(&few) && (50.0..150.0).contains(&many), "{few} and {many}");
}

#[test]
fn starts_and_stops() {
    let live = Live::script(&[], BUSY);
    let mut client = connect(&live);
    let file = tempfile::NamedTempFile::new().unwrap();
    client.start_cpu_profile(file.as_file().as_fd()).unwrap();
    // It is the sandbox's, not the connection's.
    drop(client);
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(file.as_file().metadata().unwrap().len(), 0);
    connect(&live).stop_cpu_profile().unwrap();
    let profile = read_with("pprof.py", file.path());
    assert!(sum(&profile, 0, is_of_dd) > 10, "{profile}");
}

#[test]
fn guests_do_not_notice() {
    // Calls that the host's signals could interrupt: each of these says so if one is.
    let text = "
import os, select, socket, subprocess, threading, time
def pipes():
    r, w = os.pipe()
    for i in range(3000):
        os.write(w, b'x'); assert os.read(r, 10) == b'x'
def children():
    for i in range(40):
        assert subprocess.call(['true']) == 0
def naps():
    for i in range(300):
        t = time.monotonic(); time.sleep(0.002); assert time.monotonic() - t >= 0.002
def files():
    for i in range(1000):
        with open('/tmp/x%d' % (i % 7), 'wb') as f: assert f.write(b'y' * 100000) == 100000
def polls():
    a, b = socket.socketpair()
    for i in range(2000):
        assert select.select([a], [], [], 0)[0] == []
        b.send(b'z'); assert select.select([a], [], [], 5)[0] == [a]; a.recv(1)
errors = []
threading.excepthook = lambda e: errors.append(e)
end = time.monotonic() + 8
while time.monotonic() < end:
    threads = [threading.Thread(target=t) for t in (pipes, children, naps, files, polls)]
    [t.start() for t in threads]; [t.join() for t in threads]
    assert not errors, errors
os.write(1, b'done')
";
    let directory = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_stockade"));
    command.arg("--state-dir").arg(directory.path()).args(["do", "--id", "box", "--", "python3", "-c", text]);
    command.stdout(std::process::Stdio::piped());
    let program = command.spawn().unwrap();
    let socket = directory.path().join("box/control.sock");
    let client = || Client::connect(&socket).ok();
    until("the sandbox runs", || client().is_some());
    let null = File::options().write(true).open("/dev/null").unwrap();
    let opts = CpuProfileOpts { duration: 1_000_000_000, rate: 1000 };
    while let Some(mut client) = client() {
        // Signals to those that run, and to all.
        if client.profile_cpu(&opts, null.as_fd()).is_err() || client.stacks().is_err() {
            break;
        }
    }
    let output = program.wait_with_output().unwrap();
    assert_eq!((output.status.code(), &output.stdout[..]), (Some(0), &b"done"[..]));
}
