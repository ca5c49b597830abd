//! Profiles, stacks and traces of a live sandbox's sentry, read by programs that share no code with what writes them.

mod command;
mod cpu;
mod heap;
mod refused;
mod stacks;
mod top;
mod trace;
mod waits;

use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use stockade_control::client::{Client, Error};

use crate::control::{Live, until};

/// The typed client.
fn connect(live: &Live) -> Client {
    Client::connect(&live.socket()).unwrap()
}

/// What a Python program of this directory makes of a file.
fn read_with(program: &str, file: &Path) -> Value {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sandbox/profile");
    let output = Command::new("python3").arg(directory.join(program)).arg(file).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What `write` writes, as a profile of pprof.
fn profile(write: impl FnOnce(std::os::fd::BorrowedFd<'_>) -> Result<(), Error>) -> Value {
    let file = tempfile::NamedTempFile::new().unwrap();
    write(file.as_file().as_fd()).unwrap();
    read_with("pprof.py", file.path())
}

/// The samples of a profile.
fn samples(profile: &Value) -> &Vec<Value> {
    profile["samples"].as_array().unwrap()
}

/// The sum of a value over those samples that `wanted` accepts.
fn sum(profile: &Value, value: usize, wanted: impl Fn(&Value) -> bool) -> i64 {
    samples(profile).iter().filter(|s| wanted(s)).map(|s| s["values"][value].as_i64().unwrap()).sum()
}

/// Whether a function is on the stack of a sample.
fn within(sample: &Value, function: &str) -> bool {
    sample["functions"].as_array().unwrap().iter().any(|name| name.as_str().unwrap().contains(function))
}
