//! Threads of the host that serve one guest thread after another.

use std::time::Duration;

use stockade_platform::{CPU_WORDS, Event, FpState, GuestThread, StopCause};

use crate::common::{CODE, DATA, platform, space, start_at, syscall, thread};

crate::guest!(
    marks,
    "vmovdqu ymm0, [0x500000]",
    "fldpi",
    "mov rax, 0x1234567000",
    "wrfsbase rax",
    "mov rcx, 30000000",
    "1: dec rcx",
    "jnz 1b",
    "mov eax, 39",
    "syscall",
    "ud2",
    // What there is to be seen of another thread.
    ".balign 64",
    "rdfsbase rax",
    "mov [0x500040], rax",
    "mov [0x500048], rsi",
    "vmovdqu [0x500050], ymm0",
    "mov eax, 39",
    "syscall",
    "ud2",
);

/// Has a thread look at itself; returns its segment base, a register and a vector.
fn seen(thread: &mut dyn GuestThread, space: &dyn stockade_platform::AddressSpace) -> ([u64; 2], [u8; 32]) {
    assert_eq!(thread.next_event(), Event::Stopped(StopCause::Start));
    let FpState(fp) = thread.fp_state().expect("state");
    assert_eq!(&fp[32..416], &[0; 384], "the registers of a thread that has not run");
    *thread.context_mut() = start_at(CODE + 64);
    space.write(DATA + 0x40, &[0xff; 48]).expect("write");
    thread.resume().expect("resume");
    assert_eq!(syscall(thread).nr, 39);
    let mut bytes = [0; 48];
    assert_eq!(space.read(DATA + 0x40, &mut bytes), Ok(48));
    let word = |at: usize| u64::from_ne_bytes(bytes[at..at + 8].try_into().expect("8 bytes"));
    ([word(0), word(8)], bytes[16..].try_into().expect("32 bytes"))
}

fn cpus_allowed(pid: i32, tid: i32) -> String {
    let text = std::fs::read_to_string(format!("/proc/{pid}/task/{tid}/status")).expect("status");
    text.lines().find(|l| l.starts_with("Cpus_allowed:")).expect("line").to_owned()
}

#[test]
fn a_new_guest_thread_sees_nothing_of_the_last() {
    let platform = platform();
    let code = marks::code();
    assert!(code.len() > 64);
    let space = space(&platform, code);
    space.write(DATA, &[7; 32]).expect("write");
    let mut first = thread(&space);
    assert_eq!(syscall(&mut *first).nr, 39);
    let everywhere = cpus_allowed(space.host_pid(), first.host_tid());
    let mut one = [0; CPU_WORDS];
    one[0] = 1;
    first.kicker().set_cpus(&one);
    first.stop().expect("stop");
    assert_eq!(first.context().fs_base, 0x12_3456_7000);
    let used = first.usage();
    assert!(used.user + used.system > Duration::from_millis(2), "{used:?}");
    let (kicker, host) = (first.kicker(), first.host_tid());
    first.exit();
    assert_eq!(first.next_event(), Event::Died);
    assert_eq!((first.usage(), kicker.usage()), (used, None));

    let mut second = space.new_thread().expect("thread");
    assert_eq!(second.host_tid(), host, "the same thread of the host");
    // A handle that outlives its thread reaches nobody.
    kicker.kick();
    drop(first);
    assert_eq!(seen(&mut *second, &*space), ([0, 0], [0; 32]));
    assert_eq!(cpus_allowed(space.host_pid(), host), everywhere);
    let now = second.usage();
    assert!(now.user + now.system < Duration::from_millis(2), "{now:?} after {used:?}");

    // One that ended in a call which came as a stop, one that never ran, and one that gets a state to begin with.
    second.stop().expect("stop");
    second.exit();
    let mut third = space.new_thread().expect("thread");
    assert_eq!((third.host_tid(), third.next_event()), (host, Event::Stopped(StopCause::Start)));
    third.exit();
    let mut fourth = space.new_thread().expect("thread");
    assert_eq!(fourth.host_tid(), host);
    assert_eq!(seen(&mut *fourth, &*space), ([0, 0], [0; 32]));
}

#[test]
fn only_so_many_wait() {
    let platform = platform();
    let space = space(&platform, marks::code());
    let mut threads: Vec<_> = (0..20).map(|_| thread(&space)).collect();
    for thread in &mut threads {
        assert_eq!(syscall(&mut **thread).nr, 39);
        thread.stop().expect("stop");
        thread.exit();
    }
    drop(threads);
    let count = || std::fs::read_dir(format!("/proc/{}/task", space.host_pid())).expect("tasks").count();
    let begin = std::time::Instant::now();
    // The helper, and those that wait.
    while count() > 5 {
        assert!(begin.elapsed() < Duration::from_secs(10), "{} threads", count());
        std::thread::sleep(Duration::from_millis(1));
    }
    let mut again: Vec<_> = (0..20).map(|_| thread(&space)).collect();
    for thread in &mut again {
        assert_eq!(syscall(&mut **thread).nr, 39);
    }
    // In a fork there are none of them.
    let child = space.fork().expect("fork");
    assert_eq!(syscall(&mut *thread(&child)).nr, 39);
}
