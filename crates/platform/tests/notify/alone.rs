//! What needs a process of its own, whose privileges go or which dies: this program again, for one ignored test.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use stockade_platform::{Event, MemoryOp, Prot};

use crate::common::{CODE, DATA, SIZE, anonymous, platform, platform_as, space, start_at, syscall, thread};

fn again(test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", "--nocapture", test]).stdin(Stdio::null());
    command
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

crate::guest!(work, "2: mov eax, 39", "syscall", "inc qword ptr [0x500000]", "jmp 2b");

#[test]
fn nothing_survives_the_sentry() {
    let mut sentry = again("alone::sentry_to_be_killed").stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(sentry.stdout.take().unwrap()).lines();
    let found =
        lines.map(|l| l.unwrap()).find_map(|l| l.split_once("stubs ").map(|s| s.1.to_owned())).unwrap();
    let pids: Vec<i32> = found.split(' ').map(|p| p.parse().unwrap()).collect();
    assert_eq!(pids.len(), 3);
    sentry.kill().unwrap();
    sentry.wait().unwrap();
    let begin = Instant::now();
    let alive = |pid: &i32| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        status.contains("stockade-stub") && !status.contains("State:\tZ") && !status.contains("State:\tX")
    };
    while pids.iter().any(alive) {
        assert!(begin.elapsed() < Duration::from_secs(1));
    }
    println!("all ended {:?} after the sentry", begin.elapsed());
}

#[test]
#[ignore = "only together with the test above"]
fn sentry_to_be_killed() {
    let platform = platform();
    let spaces: Vec<_> = (0..3).map(|_| space(&platform, b"\xeb\xfe")).collect();
    let threads: Vec<_> = spaces.iter().map(thread).collect();
    let pids: Vec<_> = spaces.iter().map(|s| s.host_pid().to_string()).collect();
    println!("stubs {}", pids.join(" "));
    std::thread::sleep(Duration::from_secs(60));
    drop(threads);
}

#[test]
fn a_sentry_without_privileges_serves_stubs_of_another_user() {
    if is_root() {
        assert!(again("alone::sentry_without_privileges").status().unwrap().success());
    }
}

#[test]
#[ignore = "only together with the test above"]
fn sentry_without_privileges() {
    let platform = platform_as(Some((61234, 61235)));
    // SAFETY: header and data are what capset(2) takes; no pointers otherwise.
    unsafe {
        let (header, none) = ([0x2008_0522u32, 0], [0u32; 6]);
        assert_eq!(libc::syscall(libc::SYS_capset, header.as_ptr(), none.as_ptr()), 0);
        assert_eq!(libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0), 0);
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    }
    let first = space(&platform, work::code());
    let status = std::fs::read_to_string(format!("/proc/{}/status", first.host_pid())).unwrap();
    assert!(status.contains("Uid:\t61234\t61234\t61234\t61234\n"), "{status}");
    assert!(status.contains("Gid:\t61235\t61235\t61235\t61235\nFDSize"), "{status}");
    assert!(status.contains("Groups:\t \n"), "{status}");
    for space in [first.fork().unwrap(), first] {
        let mut thread = space.new_thread().unwrap();
        thread.next_event();
        *thread.context_mut() = start_at(CODE);
        thread.resume().unwrap();
        assert_eq!(syscall(&mut *thread).nr, 39);
        thread.complete(0);
        assert_eq!(syscall(&mut *thread).nr, 39);
        thread.stop().unwrap();
        assert_eq!(space.load_u32(DATA), Ok(1));
        assert!(space.resident_size() > 0);
        assert!(thread.usage().user + thread.usage().system > Duration::ZERO);
        let at = DATA + SIZE;
        space.apply(&[anonymous(at..at + SIZE, Prot::READ), MemoryOp::Unmap(at..at + SIZE)]).unwrap();
        thread.context_mut().regs.rip += 2;
        thread.resume().unwrap();
        assert_eq!(syscall(&mut *thread).nr, 39);
        space.kill();
        assert_eq!(thread.next_event(), Event::Died);
    }
}
