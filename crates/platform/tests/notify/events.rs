//! Everything that can happen to a guest thread is reported as what it is.

use std::time::{Duration, Instant};

use stockade_abi::nr;
use stockade_platform::{Event, FaultInfo, GuestThread, StopCause, Usage};

use crate::common::{CODE, DATA, SIZE, platform, space, start_at, syscall, thread};

crate::guest!(
    faults,
    "xor eax, eax",
    "mov [rax], eax",                 // page fault
    "1: mov dword ptr [0x400000], 1", // write to code
    "2: xor edx, edx",
    "div edx",
    "3: ud2",
    "4: int3",
    "5: hlt",
    "6: mov eax, 39",
    "syscall",
);

fn fault(thread: &mut dyn GuestThread) -> FaultInfo {
    match thread.next_event() {
        Event::Stopped(StopCause::Fault(info)) => info,
        other => panic!("not a fault: {other:x?}"),
    }
}

/// Goes on behind the instruction that faulted, which is `len` bytes long.
fn skip(thread: &mut dyn GuestThread, len: u64) {
    thread.context_mut().regs.rip += len;
    thread.resume().unwrap();
}

#[test]
fn faults_are_reported_with_their_addresses() {
    let platform = platform();
    let space = space(&platform, faults::code());
    let mut thread = thread(&space);
    let info = fault(&mut *thread);
    assert_eq!((info.signo, info.code, info.addr, info.trap_no), (libc::SIGSEGV, 1, 0, 14));
    assert_eq!(info.error_code & 2, 2, "a write");
    assert_eq!(thread.context().regs.rip, CODE + 2);
    skip(&mut *thread, 2);
    let info = fault(&mut *thread);
    assert_eq!((info.signo, info.code, info.addr), (libc::SIGSEGV, 2, CODE));
    skip(&mut *thread, 11);
    let info = fault(&mut *thread);
    assert_eq!((info.signo, info.code, info.trap_no), (libc::SIGFPE, 1, 0));
    assert_eq!(info.addr, thread.context().regs.rip);
    skip(&mut *thread, 2);
    let info = fault(&mut *thread);
    assert_eq!((info.signo, info.code, info.trap_no), (libc::SIGILL, 2, 6));
    skip(&mut *thread, 2);
    let info = fault(&mut *thread);
    assert_eq!((info.signo, info.trap_no), (libc::SIGTRAP, 3));
    skip(&mut *thread, 0);
    let info = fault(&mut *thread);
    assert_eq!((info.signo, info.code, info.trap_no), (libc::SIGSEGV, 128, 13));
    skip(&mut *thread, 1);
    assert_eq!(syscall(&mut *thread).nr, u64::from(nr::getpid));
}

crate::guest!(
    foreign,
    "mov eax, 20",
    "int 0x80",
    "mov eax, 0x40000027", // x32
    "syscall",
    "mov rax, -1",
    "syscall",
    "mov rax, 0x100000027", // only the low half counts
    "syscall",
    "mov eax, 96",
    "mov rdi, 0x500000",
    "xor esi, esi",
    "mov rcx, 0xffffffffff600000", // vsyscall gettimeofday
    "call rcx",
    "mov ebx, eax",
    "ud2",
);

#[test]
fn unusual_entries_are_recognized() {
    let platform = platform();
    let space = space(&platform, foreign::code());
    let mut thread = thread(&space);
    assert_eq!(thread.next_event(), Event::Stopped(StopCause::ForeignSyscall));
    assert_eq!((thread.context().regs.rip, thread.context().regs.rax), (CODE + 7, 20));
    thread.resume().unwrap();
    assert_eq!(syscall(&mut *thread).nr, 0x4000_0027);
    thread.complete(0);
    assert_eq!(syscall(&mut *thread).nr, 0xffff_ffff);
    thread.stop().unwrap();
    assert_eq!(thread.context().regs.rax as u32, u32::MAX);
    thread.resume().unwrap();
    assert_eq!(syscall(&mut *thread).nr, 0xffff_ffff);
    thread.complete(0);
    assert_eq!(syscall(&mut *thread).nr, 39);
    thread.complete(0);
    let request = syscall(&mut *thread);
    assert_eq!((request.nr, request.args[0]), (u64::from(nr::gettimeofday), DATA));
    thread.stop().unwrap();
    assert_eq!(thread.context().regs.rip, 0xffff_ffff_ff60_0000);
    thread.resume().unwrap();
    assert_eq!(syscall(&mut *thread).nr, u64::from(nr::gettimeofday));
    thread.complete(5);
    assert_eq!(fault(&mut *thread).signo, libc::SIGILL);
    assert_eq!(thread.context().regs.rbx, 5);
}

crate::guest!(
    registers,
    "mov eax, 56", // clone
    "mov edi, 1",
    "mov esi, 2",
    "mov edx, 3",
    "mov r10d, 4",
    "mov r8d, 5",
    "mov r9d, 6",
    "mov ebx, 0x1234",
    "mov rbp, rsp",
    "syscall",
    "wrfsbase rax",
    "mov eax, 13",
    "syscall",
    "rdgsbase rdi",
    "mov eax, 39",
    "syscall",
    "3: jmp 3b",
);

#[test]
fn trapped_calls_show_and_take_all_registers() {
    let platform = platform();
    let space = space(&platform, registers::code());
    let mut thread = thread(&space);
    let Event::Stopped(StopCause::Syscall(request)) = thread.next_event() else { panic!() };
    assert_eq!((request.nr, request.args), (56, [1, 2, 3, 4, 5, 6]));
    let regs = thread.context().regs;
    assert_eq!((regs.rax, regs.rbx, regs.rip), (56, 0x1234, request.ip));
    assert_eq!(regs.rbp, DATA + SIZE - 64);
    thread.context_mut().regs.rax = 0x7000;
    thread.context_mut().gs_base = 0xffff_8000_0000_1000;
    thread.resume().unwrap();
    assert_eq!(syscall(&mut *thread).nr, 13);
    thread.stop().unwrap();
    assert_eq!(thread.context().regs.rax, 13);
    assert_eq!((thread.context().fs_base, thread.context().gs_base), (0x7000, 0xffff_8000_0000_1000));
    thread.resume().unwrap();
    assert_eq!(syscall(&mut *thread).nr, 13);
    thread.complete(0);
    let request = syscall(&mut *thread);
    assert_eq!((request.nr, request.args[0]), (39, 0xffff_8000_0000_1000));
    // Back into nowhere: a fault as any other.
    thread.stop().unwrap();
    thread.context_mut().regs.rip = 0xdead_0000_0000_0000;
    thread.resume().unwrap();
    assert_eq!(fault(&mut *thread).signo, libc::SIGSEGV);
}

crate::guest!(spin, "2: inc rbx", "jmp 2b");

#[test]
fn a_kick_stops_running_code() {
    let platform = platform();
    let space = space(&platform, spin::code());
    let mut thread = thread(&space);
    let kicker = thread.kicker();
    for _ in 0..100 {
        let kicker = kicker.clone();
        let join = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_micros(300));
            kicker.kick();
        });
        assert_eq!(thread.next_event(), Event::Stopped(StopCause::Kick));
        thread.resume().unwrap();
        join.join().unwrap();
    }
    let Usage { user, system, .. } = thread.usage();
    assert!(user + system > Duration::from_millis(10), "{user:?} {system:?}");
}

crate::guest!(calls, "2: mov eax, 39", "syscall", "mov [0x500000], rax", "inc rbx", "jmp 2b");

#[test]
fn kicks_at_any_moment_lose_no_call() {
    let platform = platform();
    let space = space(&platform, calls::code());
    let mut thread = thread(&space);
    let kicker = thread.kicker();
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let kicking = std::thread::spawn({
        let stop = stop.clone();
        move || {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                kicker.kick();
                std::thread::yield_now();
            }
        }
    });
    let (mut count, mut kicks) = (0u64, 0);
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_millis(500) {
        match thread.next_event() {
            Event::Syscall(request) => {
                assert_eq!(request.nr, 39);
                if count.is_multiple_of(3) {
                    thread.stop().unwrap();
                    assert_eq!((thread.context().regs.rip, thread.context().regs.rax), (CODE + 5, 39));
                    thread.context_mut().regs.rip += 2;
                    thread.context_mut().regs.rax = count;
                    thread.resume().unwrap();
                } else {
                    thread.complete(count);
                }
                count += 1;
            }
            Event::Stopped(StopCause::Kick) => {
                let rbx = thread.context().regs.rbx;
                assert!(rbx == count || rbx + 1 == count, "{rbx} of {count}");
                kicks += 1;
                thread.resume().unwrap();
            }
            other => panic!("{other:x?}"),
        }
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    kicking.join().unwrap();
    println!("{count} calls, {kicks} kicks");
    assert!(count > 100 && kicks > 0);
}

#[test]
fn a_thread_that_nobody_serves_ends() {
    let platform = platform();
    let space = space(&platform, spin::code());
    let first = thread(&space);
    let mut second = thread(&space);
    drop(first);
    let kicker = second.kicker();
    kicker.kick();
    assert_eq!(second.next_event(), Event::Stopped(StopCause::Kick));
    drop(second);
    let mut third = space.new_thread().unwrap();
    assert_eq!(third.next_event(), Event::Stopped(StopCause::Start));
    *third.context_mut() = start_at(CODE);
    third.resume().unwrap();
    space.kill();
    assert_eq!(third.next_event(), Event::Died);
    assert_eq!(third.stop(), Err(stockade_abi::Errno::ESRCH));
}

#[test]
fn a_stub_killed_from_outside_died() {
    let platform = platform();
    let space = space(&platform, spin::code());
    let mut thread = thread(&space);
    let pid = rustix::process::Pid::from_raw(space.host_pid()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    assert_eq!(thread.next_event(), Event::Died);
    // Its memory goes a moment after its threads.
    let begin = Instant::now();
    while space.read(DATA, &mut [0]) != Err(stockade_abi::Errno::ESRCH) {
        assert!(begin.elapsed() < Duration::from_secs(5));
    }
    assert_eq!(space.new_thread().err(), Some(stockade_abi::Errno::ESRCH));
}
