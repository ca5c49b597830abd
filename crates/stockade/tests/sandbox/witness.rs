//! A tracer around the whole product sees each call that the host carries out for the addresses where guests are.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::hostile::compile;

/// Where the stub's code is.
const STUB: u64 = 0x7ff0_0000_0000;

/// With which every program ends.
const EXIT_GROUP: i64 = 231;

/// Calls that the host carried out from one place.
#[derive(Debug)]
struct Seen {
    ip: u64,
    number: i64,
    filters: u32,
}

/// Runs a command under the witness: its standard output, and what was seen.
fn witness(dir: &Path, command: &[&str]) -> (String, Vec<Seen>) {
    let output = Command::new(dir.join("witness")).args(command).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    let seen = said.lines().map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let &["witness:", _, "times", ip, "number", number, "filters", filters] = &words[..] else {
            panic!("{line}")
        };
        let ip = u64::from_str_radix(ip.trim_start_matches("0x"), 16).unwrap();
        Seen { ip, number: number.parse().unwrap(), filters: filters.parse().unwrap() }
    });
    (String::from_utf8(output.stdout).unwrap(), seen.collect())
}

#[test]
fn the_host_carries_out_no_call_of_a_guest() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    compile("everywhere", &["-static", "-no-pie"], dir.path());
    compile("witness", &["-pie", "-fPIE"], dir.path());

    // It does see calls, where they are carried out.
    let source = dir.path().join("native.c");
    std::fs::write(&source, "int main(void) { return 0; }").unwrap();
    let native = dir.path().join("native");
    let mut gcc = Command::new("gcc");
    assert!(gcc.args(["-static", "-no-pie", "-o"]).arg(&native).arg(&source).status().unwrap().success());
    let (_, seen) = witness(dir.path(), &[native.to_str().unwrap()]);
    assert!(seen.iter().any(|s| s.number == EXIT_GROUP), "{seen:?}");

    let volume = format!("{}:/mnt:ro", dir.path().display());
    let stub = format!("{STUB:#x}");
    let stockade = env!("CARGO_BIN_EXE_stockade");
    let options = ["do", "--uid=0", "--gid=0", "--quiet", "--volume", &volume, "--"];
    let command = [&[stockade][..], &options[..], &["/mnt/everywhere", &stub]].concat();
    let (said, seen) = witness(dir.path(), &command);
    let places: usize = said.split_whitespace().nth(3).unwrap().parse().unwrap();
    assert!(said.starts_with("1024 numbers from ") && places > 10, "{said}");

    // Its own code got nothing through; nor did the stub's, whose helper alone has fewer filters than guest threads.
    let outside: Vec<_> = seen.iter().filter(|s| !(STUB..STUB + 0x1000).contains(&s.ip)).collect();
    assert!(outside.is_empty(), "{outside:x?}");
    let most = seen.iter().map(|s| s.filters).max().unwrap();
    assert_eq!(most, 3, "the witness's, the helper's, the guest's");
    let mut native: Vec<_> = seen.iter().filter(|s| s.filters == most).map(|s| (s.number, s.ip)).collect();
    native.sort_unstable();
    // rt_sigreturn and exit, each from one place.
    let numbers: Vec<i64> = native.iter().map(|n| n.0).collect();
    assert_eq!(numbers, [15, 60], "{native:x?}");
}
