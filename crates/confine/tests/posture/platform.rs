//! A guest under a confined sentry: the platform needs nothing that confinement takes away.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::MemfdFlags;
use stockade_confine::{Access, End, SentryHost};
use stockade_platform::notify::Options;
use stockade_platform::{
    AddressSpace, AtomicOp, Backing, Context, Event, GpRegs, GuestThread, MemoryOp, Notify, Platform, Prot,
    SharedMemory, StopCause, Usage,
};

use crate::tools::{Case, case, is_root, start, status, tree};

pub(crate) const CASES: &[Case] =
    &[case("guests run", guests_run), case("stubs hold nothing", stubs_hold_nothing)];

const CODE: u64 = 0x40_0000;
const DATA: u64 = 0x50_0000;
const SHARED: u64 = 0x60_0000;
const PAGE: u64 = 4096;

/// `mov eax, edi; syscall; mov ebx, eax; ud2`
const CALL: &[u8] = b"\x89\xf8\x0f\x05\x89\xc3\x0f\x0b";
/// `jmp` to itself.
const SPIN: &[u8] = b"\xeb\xfe";

fn confined(host: &SentryHost) -> Notify {
    let proc = host.proc.try_clone().expect("dup");
    let options = Options { proc, stub_ids: host.stub_ids, root: None, share_network: true };
    let platform = Notify::new(options).expect("a platform");
    host.lock_down().expect("lock_down");
    platform
}

fn map(start: u64, prot: Prot, backing: Backing<'_>) -> MemoryOp<'_> {
    MemoryOp::Map { range: start..start + PAGE, prot, backing, no_reserve: false, populate: false }
}

fn space(platform: &Notify, code: &[u8]) -> Arc<dyn AddressSpace> {
    let space = platform.new_address_space().expect("an address space");
    let both = Prot::READ | Prot::WRITE;
    space.apply(&[map(CODE, both, Backing::Anonymous), map(DATA, both, Backing::Anonymous)]).expect("memory");
    assert_eq!(space.write(CODE, code), Ok(code.len()));
    space.apply(&[MemoryOp::Protect(CODE..CODE + PAGE, Prot::READ | Prot::EXEC)]).expect("code");
    space
}

fn thread(space: &Arc<dyn AddressSpace>) -> Box<dyn GuestThread> {
    let mut thread = space.new_thread().expect("a thread");
    assert_eq!(thread.next_event(), Event::Stopped(StopCause::Start));
    let regs = GpRegs { rip: CODE, rdi: 39, rsp: DATA + PAGE - 64, eflags: 0x202, ..GpRegs::default() };
    *thread.context_mut() = Context { regs, ..Context::default() };
    thread.resume().expect("resume");
    thread
}

/// Answers the guest's call, which has number 39, and sees it arrive.
fn serve(thread: &mut dyn GuestThread) {
    let Event::Syscall(call) = thread.next_event() else { panic!("no call") };
    assert_eq!(call.nr, 39);
    thread.complete(77);
    assert!(matches!(thread.next_event(), Event::Stopped(StopCause::Fault(_))));
    assert_eq!(thread.context().regs.rbx, 77);
}

fn guests_run() {
    let mut handle = start(&[tree("/", Access::ReadOnly)], |host| {
        let platform = confined(&host);
        let first = space(&platform, CALL);
        serve(&mut *thread(&first));
        // Memory that is shared with the sentry.
        let file = rustix::fs::memfd_create("shared", MemfdFlags::CLOEXEC).expect("memfd_create");
        rustix::fs::ftruncate(&file, PAGE).expect("ftruncate");
        first.apply(&[map(SHARED, Prot::READ | Prot::WRITE, Backing::Shared(file.as_fd(), 0))]).expect("map");
        assert_eq!(first.write(SHARED, b"hello"), Ok(5));
        let shared = SharedMemory::map(&file, 0, PAGE as usize).expect("mmap");
        let mut bytes = [0; 5];
        shared.slice(0, 5).expect("a slice").read(&mut bytes);
        assert_eq!(&bytes, b"hello");
        assert_eq!(first.atomic_u32(DATA, AtomicOp::Add(5)), Ok(0));
        assert_eq!(first.load_u32(DATA), Ok(5));
        // Processes and threads, each served by a thread of the sentry.
        let copy = first.fork().expect("fork");
        std::thread::scope(|scope| {
            for space in [&first, &copy] {
                for _ in 0..4 {
                    scope.spawn(|| serve(&mut *thread(space)));
                }
            }
        });
        // Stopped from outside, and a look at its CPU time.
        let spinning = space(&platform, SPIN);
        let mut spinner = thread(&spinning);
        let kicker = spinner.kicker();
        let kick = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(30));
            kicker.kick();
        });
        assert_eq!(spinner.next_event(), Event::Stopped(StopCause::Kick));
        kick.join().expect("join");
        let Usage { user, system, .. } = spinner.usage();
        assert!(user + system > Duration::from_millis(1), "{user:?} {system:?}");
        assert!(spinning.resident_size() > 0);
        spinning.kill();
        7
    });
    let end = handle.wait().expect("waitid");
    assert_eq!(end, End::Exited(7), "{}", handle.crash_report().expect("readable").unwrap_or_default());
}

fn stubs_hold_nothing() {
    let mut handle = start(&[tree("/", Access::ReadOnly)], |host| {
        let platform = confined(&host);
        let space = space(&platform, SPIN);
        let _thread = thread(&space);
        host.link.send(b"up", &[]).expect("send");
        let _ = host.link.receive(&mut [0; 8]);
        8
    });
    let up = handle.link().receive(&mut [0; 8]).expect("receive");
    assert!(up.is_some(), "{:?}", handle.crash_report());
    let sentry = handle.pid();
    let mut stubs = Vec::new();
    for entry in std::fs::read_dir("/proc").expect("/proc").flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        // The sentry's, and theirs: the zygote and the stub that it made.
        let ancestors = std::iter::successors(Some(pid), |&pid| {
            let path = format!("/proc/{pid}/status");
            let text = std::fs::read_to_string(path).ok()?;
            text.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()
        });
        if pid != sentry && ancestors.take(10).any(|ancestor| ancestor == sentry) {
            stubs.push(pid);
        }
    }
    assert_eq!(stubs.len(), 2, "{stubs:?}");
    for pid in stubs {
        for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            assert_eq!(status(pid, set), "0000000000000000", "{set}");
        }
        assert_eq!((status(pid, "Seccomp"), status(pid, "NoNewPrivs")), ("2".into(), "1".into()));
        let own = status(sentry, "Uid");
        assert_eq!(status(pid, "Uid") == own, !is_root());
        let fds = std::fs::read_dir(format!("/proc/{pid}/fd")).map(Iterator::count);
        // An ordinary user may not look.
        assert!(fds.as_ref().map_or(!is_root(), |&n| n <= 2), "{fds:?}");
        for name in ["user", "pid", "mnt", "ipc", "uts"] {
            let namespace = |pid: i32| std::fs::read_link(format!("/proc/{pid}/ns/{name}")).ok();
            if let (Some(stub), Some(sentry)) = (namespace(pid), namespace(sentry)) {
                assert_ne!(stub, sentry, "{name}");
            }
        }
    }
    assert_eq!((status(sentry, "Seccomp"), status(sentry, "NoNewPrivs")), ("2".into(), "1".into()));
    handle.link().send(b"go", &[]).expect("send");
    assert_eq!(handle.wait().expect("waitid"), End::Exited(8), "{:?}", handle.crash_report());
}
