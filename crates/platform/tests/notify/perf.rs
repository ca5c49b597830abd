//! What things cost; printed, with generous bounds against losing an order of magnitude unnoticed.

use std::time::{Duration, Instant};

use stockade_platform::{Event, MemoryOp, Platform, Prot, StopCause};

use crate::common::{CODE, DATA, SIZE, anonymous, platform, space, start_at, syscall, thread};

fn median(n: usize, mut work: impl FnMut()) -> Duration {
    let mut times: Vec<Duration> = (0..n)
        .map(|_| {
            let begin = Instant::now();
            work();
            begin.elapsed()
        })
        .collect();
    times.sort();
    times[n / 2]
}

crate::guest!(getpid, "2: mov eax, 39", "syscall", "jmp 2b");
crate::guest!(trap, "2: mov eax, 15", "syscall", "jmp 2b");

#[test]
#[ignore = "measures"]
fn costs() {
    let begin = Instant::now();
    let platform = platform();
    println!("start of the platform: {:?}", begin.elapsed());
    println!("new address space: {:?}", median(50, || drop(platform.new_address_space().unwrap())));
    let space = space(&platform, getpid::code());
    println!("fork: {:?}", median(200, || _ = space.fork().unwrap()));
    let mut forks = Vec::new();
    println!("fork, kept: {:?}", median(200, || forks.push(space.fork().unwrap())));
    let begin = Instant::now();
    forks.clear();
    println!("end of 200 forks: {:?} each", begin.elapsed() / 200);
    let mut threads = Vec::new();
    let start = || {
        let mut thread = space.new_thread().unwrap();
        assert_eq!(thread.next_event(), Event::Stopped(StopCause::Start));
        *thread.context_mut() = start_at(CODE);
        thread
    };
    println!("new thread: {:?}", median(100, || threads.push(start())));
    println!("threads end: {:?}", median(100, || threads.pop().unwrap().exit()));
    println!("new thread and its end: {:?}", median(100, || start().exit()));
    println!(
        "new thread, first call, end: {:?}",
        median(100, || {
            let mut thread = start();
            thread.resume().unwrap();
            assert_eq!(syscall(&mut *thread).nr, 39);
            thread.stop().unwrap();
            thread.exit();
        })
    );
    let at = DATA + SIZE;
    let rw = Prot::READ | Prot::WRITE;
    println!("mmap: {:?}", median(500, || space.apply(&[anonymous(at..at + SIZE, rw)]).unwrap()));
    println!("munmap: {:?}", median(500, || space.apply(&[MemoryOp::Unmap(at..at + SIZE)]).unwrap()));
    println!("cas: {:?}", median(500, || _ = space.atomic_u32(DATA, stockade_platform::AtomicOp::Add(1))));
    let mut word = [0; 64];
    println!("read 64: {:?}", median(500, || _ = space.read(DATA, &mut word)));
    println!("load_u32: {:?}", median(500, || _ = space.load_u32(DATA)));
    let mut thread = thread(&space);
    println!(
        "call: {:?}",
        median(20000, || {
            assert_eq!(syscall(&mut *thread).nr, 39);
            thread.complete(0);
        })
    );
    println!(
        "call, stopped: {:?}",
        median(2000, || {
            assert_eq!(syscall(&mut *thread).nr, 39);
            thread.stop().unwrap();
            thread.context_mut().regs.rip += 2;
            thread.resume().unwrap();
        })
    );
    let space = crate::common::space(&platform, trap::code());
    let mut thread = crate::common::thread(&space);
    println!(
        "call, trapped: {:?}",
        median(2000, || {
            assert!(matches!(thread.next_event(), Event::Stopped(StopCause::Syscall(_))));
            thread.context_mut().regs.rbx += 1;
            thread.resume().unwrap();
        })
    );
    println!("usage: {:?}", median(200, || _ = thread.usage()));
}

#[test]
#[ignore = "for a profiler"]
fn many_threads() {
    let platform = platform();
    let space = space(&platform, getpid::code());
    for _ in 0..20000 {
        let mut thread = space.new_thread().unwrap();
        assert_eq!(thread.next_event(), Event::Stopped(StopCause::Start));
        thread.exit();
    }
}

#[test]
#[ignore = "measures"]
fn two_at_once() {
    let platform = platform();
    let rate = |shared: bool, n: usize| {
        let first = space(&platform, getpid::code());
        let begin = Instant::now();
        let spaces: Vec<_> =
            (0..n).map(|_| if shared { first.clone() } else { space(&platform, getpid::code()) }).collect();
        std::thread::scope(|scope| {
            for space in &spaces {
                scope.spawn(|| {
                    let mut thread = thread(space);
                    for _ in 0..100_000 {
                        assert_eq!(syscall(&mut *thread).nr, 39);
                        thread.complete(0);
                    }
                });
            }
        });
        n as f64 * 100_000.0 / begin.elapsed().as_secs_f64()
    };
    for shared in [false, true] {
        let (one, two) = (rate(shared, 1), rate(shared, 2));
        println!(
            "{}: one {one:.0}/s, two {two:.0}/s, {:.2} x",
            if shared { "threads" } else { "processes" },
            two / one
        );
    }
}
