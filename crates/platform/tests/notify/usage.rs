//! What the host says that guest threads have used.

use std::time::Duration;

use stockade_platform::{MemoryOp, Prot};

use crate::common::{DATA, SIZE, anonymous, platform, space, syscall, thread};

crate::guest!(stands_still, "2: mov eax, 39", "syscall", "jmp 2b");

#[test]
fn the_helpers_time_is_the_first_threads_and_no_clock_goes_back() {
    let platform = platform();
    let space = space(&platform, stands_still::code());
    let mut first = thread(&space);
    let kicker = first.kicker();
    assert_eq!(syscall(&mut *first).nr, 39);
    let before = kicker.cpu_time().expect("time");
    // The guest stands still while the helper works for it.
    let at = DATA + SIZE..DATA + 2 * SIZE;
    for _ in 0..300 {
        space
            .apply(&[anonymous(at.clone(), Prot::READ | Prot::WRITE), MemoryOp::Unmap(at.clone())])
            .expect("apply");
    }
    let alone = kicker.cpu_time().expect("time");
    assert!(alone - before > Duration::from_micros(100), "{before:?} {alone:?}");
    let mut second = space.new_thread().expect("thread");
    second.next_event();
    let together = kicker.cpu_time().expect("time");
    assert!(together >= alone, "{alone:?} {together:?}");
    for used in [first.usage(), kicker.usage().expect("usage")] {
        assert!(used.user + used.system >= alone, "{alone:?} {used:?}");
    }
    // The helper's time counts once.
    let other = second.kicker().cpu_time().expect("time");
    assert!(other < alone, "{alone:?} {other:?}");
}
