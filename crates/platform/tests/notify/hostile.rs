//! What a guest can do to its own stub, and that it comes to nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use stockade_abi::ucontext::{RtSigframe, USER_CS, USER_DS};
use stockade_platform::{AddressSpace, AtomicOp, Event, GuestThread, MemoryOp, Prot, StopCause};
use zerocopy::{FromZeros, IntoBytes};

use crate::common::{CODE, DATA, SIZE, anonymous, platform, space, start_at, syscall, thread};

/// The stub's range.
const STUB: u64 = 0x7ff0_0000_0000;
const SCRATCH: u64 = STUB + 0x20_0000;
const HELPER_STACK: u64 = STUB + 0x30_0000;
const SLOTS: u64 = STUB + 0x1000_0000;
const SLOT_SIZE: u64 = 0x4000;

/// Addresses of all `syscall` instructions in the stub's code, each with the number loaded right before it.
fn sites(space: &dyn AddressSpace) -> Vec<(u64, Option<u32>)> {
    let mut code = vec![0; 4096];
    let memory = std::fs::File::open(format!("/proc/{}/mem", space.host_pid())).unwrap();
    std::os::unix::fs::FileExt::read_exact_at(&memory, &mut code, STUB).unwrap();
    let found = (5..code.len() - 1).filter(|&i| code[i..i + 2] == [0x0f, 0x05]);
    let number =
        |i: usize| (code[i - 5] == 0xb8).then(|| u32::from_le_bytes(code[i - 4..i].try_into().unwrap()));
    found.map(|i| (STUB + i as u64, number(i))).collect()
}

/// The last site that makes this call: guest code's own, behind the helper's.
fn site(space: &dyn AddressSpace, nr: u32) -> u64 {
    sites(space).into_iter().rev().find(|s| s.1 == Some(nr)).unwrap().0
}

crate::guest!(raw, "syscall", "2: jmp 2b");

#[test]
fn no_call_from_anywhere_reaches_the_host() {
    let platform = platform();
    let space = space(&platform, raw::code());
    let mut thread = thread(&space);
    assert!(matches!(thread.next_event(), Event::Syscall(_)));
    thread.stop().unwrap();
    let mut all = vec![CODE];
    all.extend(sites(&*space).into_iter().map(|s| s.0));
    assert!(all.len() > 10);
    let (sigreturn, exit) = (site(&*space, 15), site(&*space, 60));
    let mut seen = 0;
    for &site in &all {
        for nr in (0..1024).chain([0x4000_0000, 0x4000_0027, 0xffff_ffff, 0x53_544f]) {
            // uprobe passes around all filters and does nothing; see below. The two native calls, and the stop itself.
            if nr == 336
                || (site, nr) == (sigreturn, 15)
                || (site, nr) == (exit, 60)
                || nr == 0x53_544f && site != CODE
            {
                continue;
            }
            let context = thread.context_mut();
            context.regs.rip = site;
            context.regs.rax = nr;
            for arg in [
                &mut context.regs.rdi,
                &mut context.regs.rsi,
                &mut context.regs.rdx,
                &mut context.regs.r10,
                &mut context.regs.r8,
                &mut context.regs.r9,
            ] {
                *arg = if nr % 3 == 0 { 0 } else { u64::MAX };
            }
            thread.resume().unwrap();
            match thread.next_event() {
                Event::Syscall(request) => {
                    assert_eq!((request.nr, request.ip), (nr, site + 2));
                    // The call does not count as one for the host, so rax cannot be told apart from its answer.
                    thread.stop().unwrap();
                }
                Event::Stopped(StopCause::Syscall(request)) => {
                    assert_eq!((request.nr, request.ip), (nr, site + 2));
                }
                // uretprobe and uprobe pass around all filters, and are illegal outside of the host's probes.
                Event::Stopped(StopCause::Fault(fault)) => {
                    assert_eq!(
                        (fault.signo, nr == 335 || nr == 336),
                        (libc::SIGILL, true),
                        "{nr} at {site:x}"
                    );
                }
                other => panic!("{nr} at {site:x}: {other:x?}"),
            }
            seen += 1;
        }
    }
    println!("{seen} calls from {} places", all.len());
}

/// The host's own way into its probes is open to everybody, and leads nowhere without one.
#[test]
fn uprobe_does_nothing() {
    let platform = platform();
    let space = space(&platform, raw::code());
    let mut thread = space.new_thread().unwrap();
    assert_eq!(thread.next_event(), Event::Stopped(StopCause::Start));
    *thread.context_mut() = start_at(CODE);
    thread.context_mut().regs.rax = 336;
    thread.resume().unwrap();
    thread.kicker().kick();
    // Older hosts do not have it: there it is notified as any call, or the kick comes first.
    match thread.next_event() {
        Event::Stopped(StopCause::Kick) => {
            let rax = thread.context().regs.rax as i64;
            assert!([336, -i64::from(libc::ENXIO)].contains(&rax), "{rax}");
        }
        other => assert!(matches!(other, Event::Syscall(_)), "{other:x?}"),
    }
}

#[test]
fn posture() {
    let platform = platform();
    let space = space(&platform, raw::code());
    let mut first = thread(&space);
    let mut second = thread(&space);
    syscall(&mut *first);
    syscall(&mut *second);
    let pid = space.host_pid();
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let mut count = 0;
    for task in tasks {
        let task = task.unwrap().path();
        let status = std::fs::read_to_string(task.join("status")).unwrap();
        let field = |name: &str| {
            let line = status.lines().find(|l| l.split(':').next() == Some(name));
            line.unwrap().split_once(':').unwrap().1.trim().to_owned()
        };
        for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            assert_eq!(field(set), "0000000000000000", "{set}");
        }
        assert_eq!((field("NoNewPrivs"), field("Seccomp")), ("1".into(), "2".into()));
        let is_helper = task.file_name().unwrap().to_str() == Some(&pid.to_string());
        let filters: u32 = field("Seccomp_filters").parse().unwrap();
        let own = std::fs::read_to_string("/proc/self/status").unwrap();
        let own = own
            .lines()
            .find_map(|l| l.strip_prefix("Seccomp_filters:"))
            .unwrap()
            .trim()
            .parse::<u32>()
            .unwrap();
        assert_eq!(filters - own, if is_helper { 1 } else { 2 });
        let descriptors =
            || -> Vec<_> { std::fs::read_dir(task.join("fd")).unwrap().map(|f| f.unwrap().path()).collect() };
        // The helper closes a listener a moment after it has passed it on.
        let begin = Instant::now();
        while descriptors().len() > 1 && begin.elapsed() < Duration::from_secs(2) {
            std::thread::yield_now();
        }
        let descriptors = descriptors();
        assert_eq!(descriptors.len(), 1, "{descriptors:?}");
        assert!(std::fs::read_link(&descriptors[0]).unwrap().to_str().unwrap().starts_with("socket:"));
        for namespace in ["user", "pid", "mnt", "net", "ipc", "uts"] {
            let of = |who: &std::path::Path| std::fs::read_link(who.join("ns").join(namespace)).unwrap();
            assert_ne!(of(&task), of("/proc/self".as_ref()), "{namespace}");
        }
        let limits = std::fs::read_to_string(task.join("limits")).unwrap();
        let core: Vec<_> =
            limits.lines().find(|l| l.starts_with("Max core")).unwrap().split_whitespace().collect();
        assert!(core[4] == "1" || core[4] == "0", "{core:?}");
        count += 1;
    }
    assert_eq!(count, 3);
}

crate::guest!(
    spin_at_signal,
    "mov rsp, rdi", // a frame, without its first word
    "jmp rsi",
    "2: inc qword ptr [0x500000]",
    "jmp 2b",
);

/// A frame that a guest could put together: every signal blocked, a signal stack of its own.
fn forged(rip: u64, mask: u64, stack: (u64, u64)) -> RtSigframe {
    let mut frame = RtSigframe::new_zeroed();
    frame.uc.flags = 6;
    frame.uc.stack.sp = stack.0;
    frame.uc.stack.size = stack.1;
    frame.uc.sigmask.0 = mask;
    frame.uc.mcontext.rip = rip;
    frame.uc.mcontext.rsp = DATA + SIZE / 2;
    frame.uc.mcontext.eflags = 0x202;
    frame.uc.mcontext.cs = USER_CS;
    frame.uc.mcontext.ss = USER_DS;
    frame
}

/// A thread that goes through the native rt_sigreturn with a forged frame.
fn forger(space: &Arc<dyn AddressSpace>, frame: &RtSigframe) -> Box<dyn GuestThread> {
    let at = DATA + 0x1000;
    space.write(at, frame.as_bytes()).unwrap();
    let mut thread = space.new_thread().unwrap();
    assert_eq!(thread.next_event(), Event::Stopped(StopCause::Start));
    let mut context = start_at(CODE);
    context.regs.rdi = at + 8;
    context.regs.rsi = site(&**space, 15);
    context.regs.rax = 15;
    *thread.context_mut() = context;
    thread.resume().unwrap();
    thread
}

fn wait_for_progress(space: &dyn AddressSpace) {
    let begin = Instant::now();
    while space.load_u32(DATA) == Ok(0) {
        assert!(begin.elapsed() < Duration::from_secs(5));
        std::thread::yield_now();
    }
}

#[test]
fn a_forged_mask_does_not_keep_a_thread_running() {
    let platform = platform();
    let space = space(&platform, spin_at_signal::code());
    let mut thread = forger(&space, &forged(CODE + 5, u64::MAX, (SLOTS, SLOT_SIZE)));
    wait_for_progress(&*space);
    let begin = Instant::now();
    thread.kicker().kick();
    assert_eq!(thread.next_event(), Event::Died);
    println!("ended after {:?}", begin.elapsed());
    assert!(begin.elapsed() < Duration::from_secs(2));
}

crate::guest!(
    call_at_signal,
    "mov rsp, rdi",
    "jmp rsi",
    "2: mov eax, 39",
    "syscall",
    "inc qword ptr [0x500000]",
    "3: jmp 3b",
);

#[test]
fn a_forged_mask_does_not_withstand_a_stop() {
    let platform = platform();
    let space = space(&platform, call_at_signal::code());
    let mut thread = forger(&space, &forged(CODE + 5, u64::MAX, (SLOTS, SLOT_SIZE)));
    assert_eq!(syscall(&mut *thread).nr, 39);
    let begin = Instant::now();
    assert_eq!(thread.stop(), Err(stockade_abi::Errno::ESRCH));
    assert_eq!(thread.next_event(), Event::Died);
    assert!(begin.elapsed() < Duration::from_secs(2));
}

#[test]
fn a_forged_signal_stack_is_the_end() {
    let platform = platform();
    for stack in [(DATA, SIZE), (HELPER_STACK, SLOT_SIZE), (SLOTS + 4 * SLOT_SIZE, SLOT_SIZE), (0, 1 << 40)] {
        let space = space(&platform, spin_at_signal::code());
        let mut thread = forger(&space, &forged(CODE + 5, 0, stack));
        wait_for_progress(&*space);
        let begin = Instant::now();
        thread.kicker().kick();
        loop {
            // On the helper's stack the handler takes it for the helper: its calls are notified like any.
            match thread.next_event() {
                Event::Died => break,
                Event::Syscall(_) => thread.complete(0),
                other => panic!("{other:x?}"),
            }
        }
        assert!(begin.elapsed() < Duration::from_secs(2), "{stack:x?}");
    }
}

crate::guest!(stop_with, "mov eax, 0x53544f", "jmp rbx");

#[test]
fn wild_context_pointers_are_the_end() {
    let platform = platform();
    for frame in [0, 1, DATA, SLOTS, SLOTS - 8, SLOTS + SLOT_SIZE, SLOTS + SLOT_SIZE - 16, u64::MAX, 1 << 63]
    {
        let space = space(&platform, stop_with::code());
        let mut thread = space.new_thread().unwrap();
        assert_eq!(thread.next_event(), Event::Stopped(StopCause::Start));
        let mut context = start_at(CODE);
        context.regs.rbx = site(&*space, 0x53_544f);
        context.regs.rdi = frame;
        context.regs.rsi = 11;
        *thread.context_mut() = context;
        thread.resume().unwrap();
        assert_eq!(thread.next_event(), Event::Died, "{frame:x}");
    }
}

crate::guest!(
    overwrite, // rsi from, rdx to, over and over, with changing bytes
    "xor eax, eax",
    "2: mov rdi, rsi",
    "3: mov [rdi], rax",
    "lea rax, [rax + rax * 4 + 77]",
    "add rdi, 8",
    "cmp rdi, rdx",
    "jb 3b",
    "jmp 2b",
);

crate::guest!(busy, "2: mov eax, 39", "syscall", "ud2", "jmp 2b");

/// All that the kernel could ask for, while a guest overwrites `range`. Everything may fail, nothing may hang.
fn torment(range: std::ops::Range<u64>) {
    let platform = platform();
    let begin = Instant::now();
    let mut rounds = 0;
    while begin.elapsed() < Duration::from_millis(1500) {
        let space = space(&platform, overwrite::code());
        let victim_code = CODE + 2 * SIZE;
        space
            .apply(&[anonymous(victim_code..victim_code + 4096, Prot::READ | Prot::WRITE | Prot::EXEC)])
            .unwrap();
        space.write(victim_code, busy::code()).unwrap();
        let mut bad = space.new_thread().unwrap();
        assert_eq!(bad.next_event(), Event::Stopped(StopCause::Start));
        let mut context = start_at(CODE);
        (context.regs.rsi, context.regs.rdx) = (range.start, range.end);
        *bad.context_mut() = context;
        bad.resume().unwrap();
        let done = Arc::new(AtomicBool::new(false));
        let watching = std::thread::spawn({
            let (space, done) = (Arc::clone(&space), Arc::clone(&done));
            move || {
                let victim = || -> Result<(), stockade_abi::Errno> {
                    let mut thread = space.new_thread()?;
                    *thread.context_mut() = start_at(victim_code);
                    thread.next_event();
                    thread.resume()?;
                    for _ in 0..20 {
                        match thread.next_event() {
                            Event::Syscall(_) => {
                                thread.stop()?;
                                thread.context_mut().regs.rip += 2;
                                thread.resume()?;
                            }
                            Event::Stopped(_) => {
                                let _ = thread.fp_state();
                                thread.context_mut().regs.rip = victim_code;
                                thread.resume()?;
                            }
                            Event::Died => return Err(stockade_abi::Errno::ESRCH),
                        }
                    }
                    Ok(())
                };
                let at = DATA + SIZE;
                for _ in 0..20 {
                    let _ =
                        space.apply(&[anonymous(at..at + SIZE, Prot::READ), MemoryOp::Unmap(at..at + SIZE)]);
                    let _ = space.atomic_u32(DATA, AtomicOp::Add(1));
                    let _ = space.resident(DATA..DATA + SIZE);
                    let _ = space.fork().map(|f| f.apply(&[anonymous(at..at + SIZE, Prot::READ)]));
                    if victim() == Err(stockade_abi::Errno::ESRCH) {
                        break;
                    }
                }
                done.store(true, Ordering::Relaxed);
                space.kill();
            }
        });
        // The bad one is served, too.
        while bad.next_event() != Event::Died {
            bad.complete(0);
        }
        watching.join().unwrap();
        rounds += 1;
    }
    println!("{range:x?}: {rounds} rounds in {:?}", begin.elapsed());
    assert!(begin.elapsed() < Duration::from_secs(8));
}

#[test]
fn scratch_memory_overwritten() {
    torment(SCRATCH..SCRATCH + 0x2000);
}

#[test]
fn helpers_stack_overwritten() {
    torment(HELPER_STACK..HELPER_STACK + SLOT_SIZE);
}

#[test]
fn signal_stacks_overwritten() {
    torment(SLOTS..SLOTS + 3 * SLOT_SIZE);
}
