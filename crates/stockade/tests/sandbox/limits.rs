//! Bounds of a sandbox, met by programs that take all they get.

use super::{output, run, script};

#[test]
fn descriptors_are_bounded_for_all_processes_together() {
    let text = r#"
        ulimit -n 4096
        python3 -c '
import os
pipes = [os.pipe() for _ in range(3)]
pids = []
for r, w in pipes:
    pid = os.fork()
    if pid == 0:
        n = 0
        try:
            while True: os.open("/dev/null", os.O_RDONLY); n += 1
        except OSError as e:
            os.write(w, f"{e.errno} {n}".encode())
        import signal; signal.pause()
    errno, opened = os.read(r, 100).decode().split()
    pids.append(pid)
    print("errno", errno, int(opened) < 300)
for pid in pids: os.kill(pid, 9); os.wait()
print("and then", os.open("/dev/null", os.O_RDONLY) > 0)
'"#;
    let (stdout, stderr, status) = run(&mut script(&["--descriptors", "300"], text));
    assert_eq!(stdout, "errno 23 True\nerrno 23 True\nerrno 23 True\nand then True\n", "{stderr}");
    assert!(stderr.contains("--descriptors 300: reached"), "{stderr}");
    assert_eq!(status, Some(0));
}

#[test]
fn a_directory_as_overlay_grows_no_further_than_it_may() {
    let changes = tempfile::tempdir().unwrap();
    let options = ["--overlay", changes.path().to_str().unwrap(), "--disk", "20M", "--cwd", "/tmp"];
    let text = "head -c 100M /dev/zero > big || echo full; test $(stat -c %s big) -lt 25000000 && echo bounded
        echo more > more || echo still full; rm big; echo more > more && cat more
        head -c 15M /dev/zero > again && rm again && head -c 15M /dev/zero > again && echo given back
        seq -f d%g 1 5000 | xargs mkdir 2>/dev/null; test $(ls -d d* | wc -l) -lt 2000 && echo directories count";
    let (stdout, stderr, status) = run(&mut script(&options, text));
    let expected = "full\nbounded\nstill full\nmore\ngiven back\ndirectories count\n";
    assert_eq!((stdout.as_str(), status), (expected, Some(0)), "{stderr}");
    assert!(stderr.contains("--disk 20 MiB: reached"), "{stderr}");
    assert!(changes.path().join("tmp/again").exists());
}

#[test]
fn memory_of_pipes_is_bounded() {
    let text = r#"python3 -c '
import fcntl, os
sizes = []
for _ in range(200):
    r, w = os.pipe()
    try: fcntl.fcntl(w, 1031, 1 << 20)
    except PermissionError: pass
    os.set_blocking(w, False)
    try:
        while True: os.write(w, bytes(65536))
    except BlockingIOError: pass
    sizes.append(fcntl.fcntl(w, 1032))
print(sizes[0], sizes[-1], sum(sizes) < 70 << 20)
'"#;
    assert_eq!(output(&mut script(&[], text)), "1048576 8192 True\n");
}
