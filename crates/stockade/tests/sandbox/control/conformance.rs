//! The protocol, tried by a client that shares nothing with this project's: Python's standard library.

use std::path::Path;
use std::process::Command;

fn conforms(tests: &str) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sandbox/control/conformance");
    let output = Command::new("python3")
        .args(["-B", "-m", "unittest", tests])
        .env("STOCKADE", env!("CARGO_BIN_EXE_stockade"))
        .current_dir(directory)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn wire() {
    conforms("test_wire");
}

#[test]
fn exec() {
    conforms("test_exec");
}

#[test]
fn processes() {
    conforms("test_processes");
}

#[test]
fn logging() {
    conforms("test_logging");
}

#[test]
fn usage() {
    conforms("test_usage");
}

#[test]
fn profile() {
    conforms("test_profile");
}

#[test]
fn state() {
    conforms("test_state");
}

#[test]
fn restore() {
    conforms("test_restore");
}

#[test]
fn forged() {
    conforms("test_forged");
}
