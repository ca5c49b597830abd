//! Programs that try to use up what a sandbox may have: each meets its error, and then the sandbox works as before.

use std::process::Command;

use crate::processes::Live;
use crate::{as_user, output, run, script, stockade_do};

/// A Python program in a sandbox with these options; `finally` is what it does once it has let go of everything.
fn python(options: &[&str], text: &str) -> Command {
    const COMMON: &str = "
import os, sys, errno, socket, mmap, select, signal, threading
def until(act, most=100000):
    'Acts until that fails: how often it did not, and the name of the error.'
    got = []
    try:
        for _ in range(most): got.append(act())
    except OSError as e:
        return got, errno.errorcode[e.errno]
    return got, None
";
    let mut command = stockade_do(options);
    command.args(["--", "python3", "-c", &format!("{COMMON}{text}")]);
    command
}

/// What a program that lives on has printed, and what Stockade said at its end.
fn lives_on(command: &mut Command) -> (String, String) {
    let (stdout, stderr, status) = run(command);
    assert_eq!(status, Some(0), "{stdout}{stderr}");
    (stdout, stderr)
}

/// How many descriptors a process has; none if only root may know.
fn descriptors(pid: i32) -> Option<usize> {
    Some(std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count())
}

#[test]
fn open_files_are_bounded() {
    let kinds = [
        "os.open('/etc/passwd', os.O_RDONLY)",
        "os.open('/usr', os.O_RDONLY)",
        "os.open('/tmp/file', os.O_RDWR | os.O_CREAT)",
        "os.open('/tmp', os.O_PATH)",
        "os.pipe()",
        "os.memfd_create('x')",
        "os.eventfd(0)",
        "select.epoll()",
        "socket.socketpair()",
    ];
    for kind in kinds {
        let text = format!(
            "
got, why = until(lambda: {kind})
print(why, 60 < len(got) < 200)
# What is open already can be duplicated.
os.close(os.dup(0))
del got
os.closerange(3, 1000)
print(open('/etc/passwd').read(4), os.popen('echo again').read(), end='')
"
        );
        let (stdout, stderr) = lives_on(&mut python(&["--descriptors", "200"], &text));
        assert_eq!(stdout, "ENFILE True\nroot again\n", "{kind}: {stderr}");
        assert_eq!(stderr, "stockade: --descriptors 200: reached; a file was not opened\n", "{kind}");
    }
}

/// The limit is the sandbox's, whatever each process may have; and a descriptor of the host's is held by a mapping, too.
#[test]
fn descriptors_of_the_sentry_are_bounded() {
    let text = "
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (100000, 1 << 20))
def take(n):
    if n % 3 == 0:
        return until(lambda: os.open('/etc/passwd', os.O_RDONLY))[1]
    def maps():
        fd = os.open('/etc/passwd' if n % 3 == 1 else '/tmp', os.O_RDWR | os.O_TMPFILE if n % 3 == 2 else 0)
        try:
            if n % 3 == 2: os.ftruncate(fd, 4096)
            return mmap.mmap(fd, 100, prot=mmap.PROT_READ)
        finally: os.close(fd)
    return until(maps)
r, w = os.pipe()
for n in range(6):
    if os.fork() == 0:
        got = take(n)
        os.write(w, b'x')
        signal.pause()
for n in range(6): os.read(r, 1)
print('ready', flush=True)
signal.pause()
";
    let mut command = Command::new("sh");
    // A host that allows little.
    command.args(["-c", "ulimit -n 1000; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_stockade")]);
    let python = python(&["--pids", "50", "--uid", "0", "--gid", "0"], text);
    command.args(python.get_args());
    let live = Live::start(&mut command);
    if let Some(used) = descriptors(live.sentry) {
        assert!((200..800).contains(&used), "{used}");
    }
}

#[test]
fn descriptors_are_bounded_for_all_processes_together() {
    let text = r#"
        ulimit -n 4096
        python3 -c '
import os, signal
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
        signal.pause()
    errno, opened = os.read(r, 100).decode().split()
    pids.append(pid)
    print("errno", errno, int(opened) < 300)
for pid in pids: os.kill(pid, 9); os.waitpid(pid, 0)
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

/// What is made of names and attributes counts as files in memory do; what waits in sockets and is watched is bounded by
/// the sandbox's memory.
#[test]
fn memory_of_the_sentry_is_bounded() {
    let disk = "--disk 16 MiB: reached; something was not written";
    let cases = [
        ("os.close(os.open(f'/tmp/d/{n}', os.O_CREAT | os.O_WRONLY))", "ENOSPC", disk),
        ("os.symlink('x' * 4000, f'/tmp/d/{n}')", "ENOSPC", disk),
        ("os.mkdir(f'/tmp/d/{n}')", "ENOSPC", disk),
        ("os.link('/tmp/one', f'/tmp/d/{n}')", "ENOSPC", disk),
        ("os.setxattr(os.memfd_create('x') if n < 0 else named(n), 'user.x', b'x' * 60000)", "ENOSPC", disk),
        ("fill(socket.SOCK_DGRAM)", "ENOBUFS", ""),
        ("fill(socket.SOCK_STREAM)", "ENOBUFS", ""),
        ("watch(n)", "ENOSPC", ""),
    ];
    for (act, error, said) in cases {
        let text = format!(
            "
os.mkdir('/tmp/d')
open('/tmp/one', 'w').close()
def named(n):
    os.close(os.open(f'/tmp/d/{{n}}', os.O_CREAT | os.O_WRONLY))
    return f'/tmp/d/{{n}}'
keep = []
def fill(kind):
    pair = socket.socketpair(socket.AF_UNIX, kind)
    keep.append(pair)
    pair[0].setblocking(False)
    try:
        while True: pair[0].send(b'x' * 30000)
    except BlockingIOError: pass
def watch(n):
    epoll = select.epoll()
    if n == 0: keep.extend(os.eventfd(0) for _ in range(900))
    else: keep.append(epoll)
    for fd in keep[:900]: epoll.register(fd, select.EPOLLIN)
count = -1
def step():
    global count
    count += 1
    n = count
    return {act}
print(until(step)[1])
import shutil
keep.clear()
shutil.rmtree('/tmp/d')
named_again = open('/tmp/again', 'w').write('again')
a, b = socket.socketpair()
a.send(b'x')
select.epoll().register(a, select.EPOLLIN)
print(open('/tmp/again').read())
"
        );
        let options = ["--memory", "256M", "--disk", "16M"];
        let (stdout, stderr) = lives_on(&mut python(&options, &text));
        assert_eq!(stdout, format!("{error}\nagain\n"), "{act}: {stderr}");
        assert!(stderr.contains(said) && stderr.is_empty() == said.is_empty(), "{act}: {stderr}");
    }
}

/// What Linux binds for each process or user is bound for all of them, too.
#[test]
fn areas_and_signals_are_bounded_for_all_processes_together() {
    let text = "
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
def check(result):
    if result != 0: raise OSError(ctypes.get_errno(), '')
at = libc.mmap(None, ctypes.c_long(1 << 30), 0, 0x4022, -1, ctypes.c_long(0))
def areas():
    pages = iter(range(4096, 1 << 30, 8192))
    return until(lambda: check(libc.madvise(ctypes.c_void_p(at + next(pages)), ctypes.c_long(4096), 16)))
def signals():
    signal.pthread_sigmask(signal.SIG_BLOCK, [40])
    return until(lambda: check(libc.sigqueue(os.getpid(), 40, ctypes.c_void_p(0))))
for act in areas, signals:
    children = []
    for n in range(6):
        begin, done = os.pipe(), os.pipe()
        pid = os.fork()
        if pid == 0:
            os.setuid(1000 + n)
            os.read(begin[0], 1)
            got, error = act()
            os.write(done[1], f'{len(got)} {error}'.encode())
            while True: signal.pause()
        children.append((pid, begin[1], done[0]))
    counts, why = [], set()
    for pid, begin, done in children:
        os.write(begin, b'x')
        got, error = os.read(done, 100).decode().split()
        counts.append(int(got))
        why.add(error)
    for pid, *_ in children: os.kill(pid, signal.SIGKILL); os.waitpid(pid, 0)
    print(act.__name__, why, sum(counts) < 60000, counts[0] > 5000, counts[-1] < counts[0] / 2)
    print('again', len(act()[0]) > 5000)
    libc.munmap(ctypes.c_void_p(at), ctypes.c_long(1 << 30))
";
    let (stdout, stderr) = lives_on(&mut python(&["--memory", "64M", "--uid", "0", "--gid", "0"], text));
    let wanted =
        "areas {'EAGAIN'} True True True\nagain True\nsignals {'EAGAIN'} True True True\nagain True\n";
    assert_eq!(stdout, wanted, "{stderr}");
}

/// An ordinary user's sandboxes have no control group unless one was delegated.
#[test]
fn a_bound_on_cpus_that_cannot_hold_is_told_of() {
    let (_reachable, mut command) = as_user(&script(&["--cpus", "0.5"], "echo ran"));
    let (stdout, stderr) = lives_on(&mut command);
    assert_eq!(stdout, "ran\n");
    let delegated = stderr.is_empty() && !rustix::process::geteuid().is_root();
    assert!(delegated || stderr.starts_with("stockade: --cpus 0.5: does not bind: "), "{stderr}");
}

/// Each runs a program of its own, with its libraries: what they map is on the host once.
#[test]
fn a_thousand_processes_at_once() {
    let text = "
import subprocess
ps = [subprocess.Popen(['sleep', '600'], stdin=subprocess.DEVNULL) for _ in range(1000)]
print(sum(p.poll() is None for p in ps), len([p for p in os.listdir('/proc') if p.isdigit()]) > 1000)
for p in ps: p.kill()
print({p.wait() for p in ps}, subprocess.run(['echo', 'again'], capture_output=True).stdout)
";
    let (stdout, stderr) = lives_on(&mut python(&["--memory", "3G"], text));
    assert_eq!((stdout.as_str(), stderr.as_str()), ("1000 True\n{-9} b'again\\n'\n", ""));
}
