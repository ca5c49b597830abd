//! Many of everything.

use std::sync::Arc;
use std::time::{Duration, Instant};

use stockade_platform::{Event, Platform, Prot, StopCause};

use crate::common::{CODE, DATA, anonymous, platform, space, start_at, syscall, thread};

crate::guest!(add, "2: mov eax, 39", "syscall", "lock add [0x500000], eax", "jmp 2b");

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

#[test]
fn a_thousand_address_spaces() {
    let platform = platform();
    let first = space(&platform, add::code());
    let before = descriptors();
    let mut all = Vec::new();
    for i in 0..1000 {
        let space = if i % 2 == 0 { first.fork().unwrap() } else { platform.new_address_space().unwrap() };
        let thread = (i % 2 == 0).then(|| thread(&space));
        all.push((space, thread));
    }
    let each = (descriptors() - before) as f64 / 1000.0;
    println!("{each} descriptors each");
    assert!(each <= 4.0);
    for (space, thread) in &mut all {
        let Some(thread) = thread else { continue };
        assert_eq!(syscall(&mut **thread).nr, 39);
        thread.complete(5);
        assert_eq!(syscall(&mut **thread).nr, 39);
        assert_eq!(space.load_u32(DATA), Ok(5));
    }
    drop(all);
    // Some of the dead wait for the next to be reaped with; hardly more than a batch. Other tests have descriptors, too,
    // while they run.
    let begin = Instant::now();
    while descriptors() > before + 40 {
        assert!(begin.elapsed() < Duration::from_secs(20), "{} descriptors left", descriptors() - before);
        drop(platform.new_address_space().unwrap());
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn many_threads_in_one_address_space() {
    let platform = platform();
    let space = space(&platform, add::code());
    let joins: Vec<_> = (0..4)
        .map(|_| {
            let space = Arc::clone(&space);
            std::thread::spawn(move || {
                for _ in 0..5 {
                    let mut threads: Vec<_> = (0..20).map(|_| thread(&space)).collect();
                    for thread in &mut threads {
                        for _ in 0..3 {
                            assert_eq!(syscall(&mut **thread).nr, 39);
                            thread.complete(1);
                        }
                    }
                    for mut thread in threads {
                        assert_eq!(syscall(&mut *thread).nr, 39);
                        thread.stop().unwrap();
                        thread.exit();
                    }
                }
            })
        })
        .collect();
    for join in joins {
        join.join().unwrap();
    }
    assert_eq!(space.load_u32(DATA), Ok(4 * 5 * 20 * 3));
}

#[test]
fn forks_while_threads_run() {
    let platform = platform();
    let parent = space(&platform, add::code());
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let serving = std::thread::spawn({
        let (parent, stop) = (Arc::clone(&parent), Arc::clone(&stop));
        move || {
            let mut thread = thread(&parent);
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                assert_eq!(syscall(&mut *thread).nr, 39);
                thread.complete(1);
            }
        }
    });
    let mut last = 0;
    for _ in 0..100 {
        let child = parent.fork().unwrap();
        let mut thread = child.new_thread().unwrap();
        assert_eq!(thread.next_event(), Event::Stopped(StopCause::Start));
        *thread.context_mut() = start_at(CODE);
        thread.resume().unwrap();
        let at_fork = child.load_u32(DATA).unwrap();
        assert!(at_fork >= last);
        last = at_fork;
        assert_eq!(syscall(&mut *thread).nr, 39);
        thread.complete(1000);
        assert_eq!(syscall(&mut *thread).nr, 39);
        assert_eq!(child.load_u32(DATA), Ok(at_fork + 1000));
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    serving.join().unwrap();
}

/// A child must not take what its parent was told to do next for its own.
#[test]
fn spaces_made_at_once_stay_apart() {
    let platform = Arc::new(platform());
    let first = space(&*platform, add::code());
    let joins: Vec<_> = (0..8u8)
        .map(|who| {
            let (platform, first) = (Arc::clone(&platform), Arc::clone(&first));
            std::thread::spawn(move || {
                for round in 0..100u8 {
                    let fresh =
                        if round % 4 == 0 { first.fork() } else { platform.new_address_space() }.unwrap();
                    let place = 0x70_0000 + u64::from(who) * 0x1_0000;
                    fresh.apply(&[anonymous(place..place + 0x1000, Prot::READ | Prot::WRITE)]).unwrap();
                    assert_eq!(fresh.write(place, &[who, round]), Ok(2));
                    let mut back = [0; 2];
                    assert_eq!(fresh.read(place, &mut back), Ok(2));
                    assert_eq!(back, [who, round]);
                }
            })
        })
        .collect();
    for join in joins {
        join.join().unwrap();
    }
}
