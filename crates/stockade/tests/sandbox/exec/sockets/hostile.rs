//! Arguments that are made to harm, and programs that end while they wait.

use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Streams, python};
use crate::control::{Live, until};
use crate::exec::shell;

#[test]
fn bad_pointers_and_lengths_are_refused() {
    let live = Live::idle();
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    ours.write_all(&[b'x'; 1000]).unwrap();
    let script = "
c = ctypes.CDLL(None, use_errno=True)
def call(name, *args):
    r = c.syscall(*(ctypes.c_long(x) for x in (name, *args)))
    return r if r >= 0 else errno.errorcode[ctypes.get_errno()]
SENDTO, RECVFROM, SENDMSG, RECVMSG, SETSOCKOPT, GETSOCKOPT, PEER, READV = 44, 45, 46, 47, 54, 55, 52, 19
good = ctypes.create_string_buffer(4096)
at, bad, high = ctypes.addressof(good), 16, (1 << 64) - 16
huge = (1 << 63) - 1
print(*(call(SENDTO, 3, p, 10, 0, 0, 0) for p in (bad, high)), call(SENDTO, 3, at, huge, 0, 0, 0))
print(*(call(RECVFROM, 3, p, 10, MSG_PEEK, 0, 0) for p in (bad, high)), call(RECVFROM, 3, at, huge, 0, 0, 0))
def header(iov, count, control=0, length=0, name=0, size=0):
    text = struct.pack('QIIQQQQII', name, size, 0, iov, count, control, length, 0, 0)
    good[:len(text)] = text
    return at
print(call(SENDMSG, 3, bad, 0), call(RECVMSG, 3, bad, 0), call(SENDMSG, 3, header(bad, 1), 0), call(RECVMSG, 3, header(bad, 1), 0))
print(call(SENDMSG, 3, header(0, 1025), 0), call(RECVMSG, 3, header(0, huge), 0), call(SENDMSG, 3, header(0, 0, bad, 100), 0))
print(call(RECVMSG, 3, header(0, 0, 0, 0, at, 1 << 31), 0), call(SENDTO, 3, at, 1, 0, at, 129), call(SENDTO, 3, at, 1, 0, at, huge))
good[:8] = struct.pack('Q', 64)
print(call(SETSOCKOPT, 3, 1, 7, bad, 4), call(SETSOCKOPT, 3, 1, 7, at, -1), call(SETSOCKOPT, 3, 1, 7, at, 0), call(GETSOCKOPT, 3, 1, 3, bad, at), call(GETSOCKOPT, 3, 1, 3, at, bad))
print(call(PEER, 3, bad, at), call(PEER, 3, at, bad), call(SENDTO, 3, at, 1, -1, 0, 0))
print(code(s.shutdown, 9), code(s.recv, 9, MSG_OOB), code(s.recv, 9, MSG_ERRQUEUE), len(s.recv(4096)))
";
    let text = python(&mut live.connect(), script, &[theirs.as_fd()], || {});
    assert_eq!(
        text,
        "EFAULT EFAULT EFAULT\nEFAULT EFAULT EFAULT\nEFAULT EFAULT EFAULT EFAULT\nEMSGSIZE EMSGSIZE EFAULT\nEINVAL EINVAL EINVAL\nEFAULT EINVAL EINVAL EFAULT EFAULT\nEFAULT EFAULT ENOTSUP\nEINVAL ENOTSUP ENOTSUP 1000\n"
    );
    assert_eq!(shell(&mut live.connect(), "echo alive", json!({})), "alive");
}

/// A program that waits for what never comes, or for room that there never is, ends when it is killed.
#[test]
fn who_waits_for_the_host_can_be_killed() {
    let live = Live::idle();
    let mut client = live.connect();
    let waits = [
        "s.recv(9)",
        "s.sendall(bytes(1 << 24))",
        "os.write(3, bytes(1 << 24))",
        "select.select([s], [], [])",
        "s.recv(1 << 20, MSG_WAITALL)",
        // A pipe that nobody reads, which takes less than is written at once.
        "os.write(4, bytes(1 << 20))",
    ];
    for (i, script) in waits.into_iter().enumerate() {
        let (_ours, theirs) = UnixStream::pair().unwrap();
        let (_reader, full) = std::io::pipe().unwrap();
        let streams = Streams::new();
        let mut files = streams.files();
        files.extend([theirs.as_fd(), full.as_fd()]);
        let script = format!("{}open('/tmp/ready-{i}', 'w')\n{script}\n", super::PRELUDE);
        let arg = json!({"argv": ["python3", "-c", script], "envv": ["PATH=/usr/bin:/bin"]});
        let answer: Value = client.call("containerManager.ExecuteAsync", &arg, &files);
        let pid = answer["result"].as_i64().unwrap();
        let waiting = || {
            let look = format!("cat /proc/{pid}/stat; ls /tmp");
            let seen = shell(&mut live.connect(), &look, json!({}));
            seen.contains(") S ") && seen.contains(&format!("ready-{i}"))
        };
        until("it waits", waiting);
        std::thread::sleep(Duration::from_millis(100));
        until("it still waits", waiting);
        let begun = Instant::now();
        client.call("containerManager.Signal", &json!({"CID": "box", "Signo": 9, "PID": pid}), &[]);
        let status = client.call("containerManager.WaitPID", &json!({"CID": "box", "PID": pid}), &[]);
        assert_eq!(status["result"], 9, "{script}: {status}");
        assert!(begun.elapsed() < Duration::from_secs(10), "{script}");
        drop(files);
        assert_eq!(streams.text(), "", "{script}");
    }
}
