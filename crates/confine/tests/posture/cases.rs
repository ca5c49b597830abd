//! Who the sentry is and what it holds.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;

use rustix::fs::{OFlags, readlinkat};
use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};
use stockade_confine::{Access, End, LandlockState, Options, launch};

use crate::tools::{
    Case, at, capabilities, case, in_sentry, maps_all, maps_more_ids, names, read_at, start, status, tree,
};

pub(crate) const CASES: &[Case] = &[
    case("namespaces are its own", namespaces),
    case("locked down", locked_down),
    case("ids are the caller's", ids),
    case("the root is empty", empty_root),
    case("descriptors", descriptors),
    case("limits and session", limits_and_session),
    case("Landlock", landlock),
    case("the network is empty", network),
    case("messages and descriptors", messages),
    case("threads", threads),
    case("clocks go on", clocks),
];

const NAMESPACES: [&str; 6] = ["user", "mnt", "pid", "net", "ipc", "uts"];

fn namespaces() {
    let outside = NAMESPACES.map(|n| std::fs::read_link(format!("/proc/self/ns/{n}")).expect("readlink"));
    in_sentry(&[], |host| {
        for (name, outside) in NAMESPACES.iter().zip(outside) {
            let inside = readlinkat(&host.proc, format!("self/ns/{name}"), Vec::new()).expect("readlinkat");
            assert_ne!(inside.to_str().ok(), outside.to_str(), "{name}");
        }
        assert_eq!(rustix::process::getpid().as_raw_nonzero().get(), 1);
        let processes = names(host.proc.as_fd());
        assert!(processes.contains(&"1".into()));
        assert!(!processes.contains(&"sys".into()), "{processes:?}");
        assert_eq!(
            at(&host.proc, "sys/kernel/core_pattern", OFlags::WRONLY).expect_err("refused"),
            Errno::NOENT
        );
    });
}

fn clocks() {
    use rustix::time::{ClockId, clock_gettime};
    const HOUR: u64 = 3_600_000_000_000;
    if !std::path::Path::new("/proc/self/timens_offsets").exists() {
        return println!("the host has no time namespaces");
    }
    let seconds = |id| clock_gettime(id).tv_sec as u64;
    let outside = [ClockId::Monotonic, ClockId::Boottime].map(seconds);
    for (monotonic, boottime) in [(5 * HOUR, 7 * HOUR), (1_000_000_000, 2_000_000_000)] {
        let clocks = Some(stockade_confine::Clocks { monotonic, boottime });
        let mut handle = launch(&Options { clocks, ..Options::default() }, |_| {
            let shows =
                |id, nanos| (nanos / 1_000_000_000..=nanos / 1_000_000_000 + 60).contains(&seconds(id));
            u8::from(!shows(ClockId::Monotonic, monotonic))
                + 2 * u8::from(!shows(ClockId::Boottime, boottime))
        })
        .expect("launch");
        assert_eq!(handle.wait().expect("waitid"), End::Exited(0), "{:?}", handle.crash_report());
    }
    // Those of the front are as they were.
    assert!(seconds(ClockId::Monotonic) - outside[0] < 60 && seconds(ClockId::Boottime) - outside[1] < 60);
}

fn locked_down() {
    let mut handle = start(&[], |host| {
        host.lock_down().expect("lock_down");
        host.link.send(b"locked", &[]).expect("send");
        let _ = host.link.receive(&mut [0; 8]);
        9
    });
    handle.link().receive(&mut [0; 64]).expect("receive").expect("a message");
    let pid = handle.pid();
    // CHOWN, DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER, FSETID.
    let kept = if maps_all() { capabilities().bits() & 0x1f } else { 0 };
    let kept = format!("{kept:016x}");
    for (key, value) in [
        ("CapInh", "0000000000000000"),
        ("CapPrm", kept.as_str()),
        ("CapEff", kept.as_str()),
        ("CapBnd", "0000000000000000"),
        ("CapAmb", "0000000000000000"),
        ("NoNewPrivs", "1"),
        ("Umask", "0000"),
    ] {
        assert_eq!(status(pid, key), value, "{key}");
    }
    for key in ["Uid", "Gid", "Groups"] {
        assert_eq!(status(pid, key), status(std::process::id() as i32, key), "{key}");
    }
    // Not dumpable: its files in /proc are root's.
    let owner = std::fs::metadata(format!("/proc/{pid}/environ")).expect("stat").uid();
    assert_eq!(owner, 0);
    handle.link().send(b"go", &[]).expect("send");
    assert_eq!(handle.wait().expect("waitid"), End::Exited(9));
}

fn ids() {
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let more = maps_more_ids();
    in_sentry(&[], |host| {
        assert_eq!((rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw()), (uid, gid));
        assert_eq!((host.caller.uid, host.caller.gid), (uid, gid));
        assert_eq!(host.stub_ids.is_some(), more);
        if let Some((stub_uid, stub_gid)) = host.stub_ids {
            assert!(stub_uid != uid && stub_gid != gid);
        }
        let map = read_at(&host.proc, "self/uid_map").expect("uid_map");
        let count = map.split_ascii_whitespace().nth(2).expect("a count");
        assert_eq!(count != "1", more, "{map}");
    });
}

fn empty_root() {
    in_sentry(&[tree("/", Access::ReadOnly)], |_| {
        // Landlock has no rule for it; where there is no Landlock, it is empty all the same.
        match std::fs::read_dir("/") {
            Ok(entries) => assert_eq!(entries.count(), 0),
            Err(e) => assert_eq!(e.raw_os_error(), Some(libc::EACCES)),
        }
        for name in ["/proc", "/sys", "/dev", "/etc", "/tmp", "/usr", "/root"] {
            let error = std::fs::symlink_metadata(name).expect_err(name).raw_os_error();
            assert_eq!(error, Some(libc::ENOENT), "{name}");
        }
        let place = |name| std::fs::metadata(name).map(|m| (m.dev(), m.ino(), m.nlink())).expect("stat");
        assert_eq!(place("/").2, 2, "no directory in it");
        assert_eq!((place("."), place("..")), (place("/"), place("/")));
        let made = std::fs::write("/x", "x").expect_err("refused").raw_os_error();
        assert!([libc::EROFS, libc::EACCES].map(Some).contains(&made), "{made:?}");
    });
}

fn descriptors() {
    let secret = std::fs::File::open("/etc/passwd").expect("a file");
    let kept = OwnedFd::from(std::fs::File::open("/etc/passwd").expect("a file"));
    let options = Options {
        trees: vec![tree(".", Access::ReadWrite)],
        keep: vec![kept.as_raw_fd()],
        ..Options::default()
    };
    let mut handle = launch(&options, |host| {
        let mut expected = vec![0, 1, 2, host.link.as_fd().as_raw_fd(), host.proc.as_raw_fd()];
        expected.extend([kept.as_raw_fd(), host.trees[0].as_raw_fd()]);
        // The sentry's own program, whose names a profile has.
        expected.extend(host.program.as_ref().map(AsRawFd::as_raw_fd));
        let directory = at(&host.proc, "self/fd", OFlags::RDONLY | OFlags::DIRECTORY).expect("self/fd");
        let mut open: Vec<i32> =
            names(directory.as_fd()).iter().map(|n| n.parse().expect("a number")).collect();
        // The directory itself, and its copy that reads.
        open.retain(|&fd| fd != directory.as_raw_fd() && rustix::fs::fcntl_getfl(unsafe_borrow(fd)).is_ok());
        // For crash reports: a file to write, and the proc directory again.
        let (reports, others): (Vec<_>, Vec<_>) = open.into_iter().partition(|fd| !expected.contains(fd));
        let link = |fd: &i32| {
            let link = readlinkat(&host.proc, format!("self/fd/{fd}"), Vec::new()).expect("readlinkat");
            link.into_string().expect("a name")
        };
        let links: Vec<_> = reports.iter().map(link).collect();
        assert_eq!(links, ["/memfd:stockade-crash (deleted)", "/"]);
        expected.sort_unstable();
        let mut open = others;
        open.sort_unstable();
        assert_eq!(open, expected);
        let secrets = open.iter().filter(|fd| link(fd) == "/etc/passwd");
        assert_eq!(secrets.collect::<Vec<_>>(), [&kept.as_raw_fd()]);
        rustix::fs::fstat(&kept).expect("fstat");
        3
    })
    .expect("launch");
    assert_eq!(handle.wait().expect("waitid"), End::Exited(3));
    drop(secret);
}

/// A descriptor by number.
#[expect(unsafe_code, reason = "numbers come from /proc/self/fd")]
fn unsafe_borrow(fd: i32) -> std::os::fd::BorrowedFd<'static> {
    // SAFETY: only asked whether it is open.
    unsafe { std::os::fd::BorrowedFd::borrow_raw(fd) }
}

fn limits_and_session() {
    in_sentry(&[], |_| {
        let core = getrlimit(Resource::Core);
        assert_eq!((core.current, core.maximum), (Some(1), Some(1)));
        let files = getrlimit(Resource::Nofile);
        assert_eq!(files.current, files.maximum);
        let session = rustix::process::getsid(None).expect("getsid");
        assert_eq!(session, rustix::process::getpid());
        let name = rustix::system::uname();
        assert_eq!(name.nodename(), c"stockade");
    });
}

fn landlock() {
    let outside = OwnedFd::from(std::fs::File::open("/etc").expect("a directory"));
    let options = Options {
        trees: vec![tree(".", Access::ReadWrite)],
        keep: vec![outside.as_raw_fd()],
        ..Options::default()
    };
    let mut handle = launch(&options, |host| {
        if host.landlock == LandlockState::None {
            println!("skipped: no Landlock here");
            return 0;
        }
        assert_eq!(at(&outside, "passwd", OFlags::RDONLY).expect_err("refused"), Errno::ACCESS);
        at(&host.trees[0], "new", OFlags::RDWR | OFlags::CREATE).expect("a new file");
        0
    })
    .expect("launch");
    assert_eq!(handle.wait().expect("waitid"), End::Exited(0));
}

fn network() {
    use rustix::net::{
        AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, socket_with,
    };
    let name = format!("stockade-posture-{}", std::process::id());
    let address = SocketAddrUnix::new_abstract_name(name.as_bytes()).expect("an address");
    let open =
        || socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None).expect("socket");
    let listener = open();
    bind(&listener, &address).expect("bind");
    listen(&listener, 1).expect("listen");
    connect(open(), &address).expect("outside, it answers");
    in_sentry(&[], |host| {
        let refused = connect(open(), &address).expect_err("refused");
        assert!([Errno::CONNREFUSED, Errno::PERM].contains(&refused), "{refused}");
        let interfaces = read_at(&host.proc, "self/net/dev").expect("self/net/dev");
        assert_eq!(interfaces.lines().skip(2).count(), 1, "{interfaces}");
        assert!(std::net::TcpStream::connect("127.0.0.1:9").is_err());
    });
}

fn messages() {
    let mut handle = start(&[], |host| {
        let mut buffer = [0; 64];
        let message = host.link.receive(&mut buffer).expect("receive").expect("a message");
        assert_eq!(&buffer[..message.len], b"file");
        rustix::io::write(&message.fds[0], b"from inside").expect("write");
        host.link.send(b"done", &[]).expect("send");
        u8::from(host.link.receive(&mut buffer).expect("receive").is_some())
    });
    let (reader, writer) = rustix::pipe::pipe().expect("pipe");
    handle.link().send(b"file", &[writer.as_fd()]).expect("send");
    drop(writer);
    let mut buffer = [0; 64];
    let n = rustix::io::read(&reader, &mut buffer).expect("read");
    assert_eq!(&buffer[..n], b"from inside");
    assert!(handle.link().receive(&mut buffer).expect("receive").is_some());
    handle.link().send(b"bye", &[]).expect("send");
    assert_eq!(handle.wait().expect("waitid"), End::Exited(1));
    assert!(handle.link().receive(&mut buffer).expect("receive").is_none());
}

fn threads() {
    in_sentry(&[], |_| {
        let n = std::thread::spawn(|| 42).join().expect("join");
        assert_eq!(n, 42);
    });
    let (send, receive) = std::sync::mpsc::channel::<()>();
    let thread = std::thread::spawn(move || receive.recv());
    let error = launch(&Options::default(), |_| 0).expect_err("two threads").to_string();
    assert!(error.contains("thread"), "{error}");
    drop(send);
    let _ = thread.join();
}
