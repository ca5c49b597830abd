//! The thin thread through everything: a guest makes system calls, and they are answered.
use std::time::Instant;

use crate::common::{platform, space, syscall, thread};
use stockade_platform::{Event, StopCause};

const GETPPID: u64 = 110;
const EXIT_GROUP: u64 = 231;

crate::guest!(
    getppid_loop,
    "mov ebx, 20000",
    "2: mov eax, 110",
    "syscall",
    "cmp rax, 4711",
    "jne 3f",
    "dec ebx",
    "jnz 2b",
    "mov edi, 7",
    "mov eax, 231",
    "syscall",
    "3: ud2",
);

#[test]
fn calls_are_answered_and_fast() {
    let platform = platform();
    let space = space(&platform, getppid_loop::code());
    let mut thread = thread(&space);
    let begin = Instant::now();
    for _ in 0..20000 {
        assert_eq!(syscall(&mut *thread).nr, GETPPID);
        thread.complete(4711);
    }
    let each = begin.elapsed() / 20000;
    println!("getppid: {} ns", each.as_nanos());
    match thread.next_event() {
        Event::Stopped(StopCause::Syscall(request)) => {
            assert_eq!((request.nr, request.args[0]), (EXIT_GROUP, 7))
        }
        other => panic!("{other:x?}"),
    }
    thread.exit();
    assert_eq!(thread.next_event(), Event::Died);
}
