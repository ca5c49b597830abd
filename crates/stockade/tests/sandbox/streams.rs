//! Standard streams: of every kind, byte by byte.

use std::fs::{File, OpenOptions, read};
use std::io::{Read, Write};
use std::process::Stdio;

use crate::{output, run, script, stockade_do};

/// Bytes of all values, more than a pipe holds.
fn bytes() -> Vec<u8> {
    (0..300_000u32).map(|i| (i * 7 + i / 256) as u8).collect()
}

#[test]
fn pipes_carry_every_byte() {
    let mut child = stockade_do(&["cat"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(&bytes()));
    let mut back = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut back).unwrap();
    writer.join().unwrap().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(back == bytes());
}

#[test]
fn files_carry_every_byte_and_keep_their_offset() {
    let dir = tempfile::tempdir().unwrap();
    let (source, copy) = (dir.path().join("source"), dir.path().join("copy"));
    std::fs::write(&source, bytes()).unwrap();
    let mut from = File::open(&source).unwrap();
    // What the caller has read is gone, and what the program reads is gone for the caller.
    let mut first = [0; 10];
    from.read_exact(&mut first).unwrap();
    let to = File::create(&copy).unwrap();
    let script = "dd bs=1000 count=2 2>/dev/null";
    let status = crate::script(&[], script).stdin(from.try_clone().unwrap()).stdout(to).status().unwrap();
    assert_eq!(status.code(), Some(0));
    assert!(read(&copy).unwrap() == bytes()[10..2010]);
    let mut rest = Vec::new();
    from.read_to_end(&mut rest).unwrap();
    assert!(rest == bytes()[2010..]);
}

#[test]
fn appended_output_lands_at_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    std::fs::write(&path, "begin\n").unwrap();
    let mut log = OpenOptions::new().append(true).open(&path).unwrap();
    let mut child = script(&[], "echo one; read line; echo two")
        .stdin(Stdio::piped())
        .stdout(log.try_clone().unwrap())
        .spawn()
        .unwrap();
    while !std::fs::read_to_string(&path).unwrap().ends_with("one\n") {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    log.write_all(b"between\n").unwrap();
    child.stdin.take().unwrap().write_all(b"\n").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "begin\none\nbetween\ntwo\n");
}

#[test]
fn a_closed_reader_is_sigpipe() {
    let mut child = stockade_do(&["yes"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut some = [0; 2];
    child.stdout.take().unwrap().read_exact(&mut some).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(128 + 13));
}

#[test]
fn a_closed_stream_is_closed_inside() {
    let here = env!("CARGO_BIN_EXE_stockade");
    let native = "n=0; for fd in 0 1 2; do test -e /proc/self/fd/$fd && n=$((n + (1 << fd))); done; \
        cat 2>/dev/null || n=$((n + 8)); exit $n";
    for (closing, open) in [("", 7), ("<&-", 6 + 8), (">&-", 5 + 8), ("2>&-", 3), ("<&- >&- 2>&-", 8)] {
        let run = |program: &str| {
            let line = format!("{program} sh -c '{native}' {closing}");
            run(std::process::Command::new("sh").args(["-c", &line]).stdin(Stdio::null()))
        };
        let (natively, inside) = (run(""), run(&format!("{here} do")));
        assert_eq!((&natively, natively.2), (&inside, Some(open)), "{closing}");
    }
}

#[test]
fn both_outputs_may_be_one() {
    let script_text = "echo out; echo err >&2; echo out again";
    let (out, err, status) = run(&mut script(&[], &format!("({script_text}) 2>&1")));
    assert_eq!((out.as_str(), err.as_str(), status), ("out\nerr\nout again\n", "", Some(0)));
    let dir = tempfile::tempdir().unwrap();
    let both = File::create(dir.path().join("both")).unwrap();
    let status = script(&[], script_text).stdout(both.try_clone().unwrap()).stderr(both).status().unwrap();
    assert!(status.success());
    let text = std::fs::read_to_string(dir.path().join("both")).unwrap();
    assert_eq!(text, "out\nerr\nout again\n");
}

#[test]
fn descriptors_above_the_streams_are_not_inherited() {
    let here = env!("CARGO_BIN_EXE_stockade");
    let line = format!("exec 7</etc/passwd; {here} do sh -c 'cat <&7'");
    let (out, err, status) = run(std::process::Command::new("sh").args(["-c", &line]));
    assert_eq!((out.as_str(), status), ("", Some(2)), "{err}");
    assert!(err.contains("Bad file descriptor"), "{err}");
}

#[test]
fn nothing_on_standard_input_is_an_end() {
    assert_eq!(output(stockade_do(&["cat"]).stdin(Stdio::null())), "");
}

#[test]
fn a_file_is_sought_in_and_mapped_where_its_offset_is_the_callers() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f");
    std::fs::write(&path, "0123456789").unwrap();
    let mut file = OpenOptions::new().read(true).write(true).open(&path).unwrap();
    file.read_exact(&mut [0; 2]).unwrap();
    let text = "import mmap, os; print(os.lseek(0, 0, 1), os.read(0, 2), os.lseek(0, 1, 1), os.pread(0, 2, 0), \
        os.lseek(0, -1, 2), mmap.mmap(0, 10)[4:6]); os.pwrite(0, b'x', 1); os.lseek(0, 4, 0)";
    let out = output(stockade_do(&["python3", "-c", text]).stdin(file.try_clone().unwrap()));
    assert_eq!(out, "2 b'23' 5 b'01' 9 b'45'\n");
    let mut rest = String::new();
    file.read_to_string(&mut rest).unwrap();
    assert_eq!((rest.as_str(), read(&path).unwrap().as_slice()), ("456789", &b"0x23456789"[..]));
}
