//! Guest memory: changes, copies in and out, forks.

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::AsFd;
use std::sync::Arc;

use stockade_abi::Errno;
use stockade_platform::{
    AddressSpace, Advice, AtomicOp, Backing, Event, MemoryOp, Platform, Prot, StopCause,
};

use crate::common::{CODE, DATA, SIZE, anonymous, platform, space, start_at, syscall, thread};

const PAGE: u64 = 4096;
const RW: Prot = Prot::READ.union(Prot::WRITE);

#[test]
fn copies_end_where_memory_ends() {
    let platform = platform();
    let space = platform.new_address_space().unwrap();
    space.apply(&[anonymous(DATA..DATA + 3 * PAGE, RW)]).unwrap();
    space.apply(&[MemoryOp::Protect(DATA + PAGE..DATA + 2 * PAGE, Prot::READ)]).unwrap();
    space.apply(&[MemoryOp::Unmap(DATA + 2 * PAGE..DATA + 3 * PAGE)]).unwrap();
    let mut buffer = vec![0xff; 3 * PAGE as usize];
    assert_eq!(space.read(DATA, &mut buffer), Ok(2 * PAGE as usize));
    assert_eq!(space.read(DATA + 100, &mut buffer), Ok(2 * PAGE as usize - 100));
    assert_eq!(space.read(DATA + 2 * PAGE, &mut buffer), Err(Errno::EFAULT));
    assert_eq!(space.write(DATA + 5, &buffer), Ok(PAGE as usize - 5));
    assert_eq!(space.write(DATA + PAGE, &buffer), Err(Errno::EFAULT));
    assert_eq!(space.read(0, &mut buffer), Err(Errno::EFAULT));
    assert_eq!(space.read(u64::MAX - 10, &mut buffer), Err(Errno::EFAULT));
    assert_eq!(space.read(DATA, &mut []), Ok(0));
    let (mut a, mut b) = ([0; 10], [0; 10]);
    let mut local = [IoSliceMut::new(&mut a), IoSliceMut::new(&mut b)];
    assert_eq!(space.write(DATA, b"abcdef"), Ok(6));
    assert_eq!(space.read_vectored(&[(DATA, 3), (DATA + 4, 2)], &mut local), Ok(5));
    assert_eq!(&a[..5], b"abcef");
    let local = [IoSlice::new(b"12"), IoSlice::new(b"34")];
    assert_eq!(space.write_vectored(&[(DATA, 1), (DATA + PAGE - 2, 3)], &local), Ok(3));
    // The stub's own range is nobody's business.
    assert_eq!(space.read(0x7ff0_0000_0000, &mut a), Err(Errno::EFAULT));
    assert_eq!(space.write(0x7ff0_1000_0000, &a), Err(Errno::EFAULT));
}

#[test]
fn changes_stop_at_the_first_that_fails() {
    let platform = platform();
    let space = platform.new_address_space().unwrap();
    let bad = |range| MemoryOp::Unmap(range);
    for range in [0..PAGE, 1..PAGE + 1, DATA..DATA, 0x7ff0_0000_0000..0x7ff0_0000_1000, DATA..u64::MAX - 4095]
    {
        let ops = [anonymous(DATA..DATA + PAGE, RW), bad(range.clone()), anonymous(DATA..DATA + PAGE, RW)];
        assert_eq!(space.apply(&ops), Err((1, Errno::EINVAL)), "{range:x?}");
    }
    let protect = MemoryOp::Protect(DATA + PAGE..DATA + 2 * PAGE, Prot::READ);
    let many: Vec<_> = (0..100).map(|i| anonymous(DATA + i * PAGE..DATA + (i + 1) * PAGE, RW)).collect();
    space.apply(&many).unwrap();
    let mut ops = many.clone();
    ops.push(bad(DATA + PAGE..DATA + 2 * PAGE));
    ops.push(protect);
    assert_eq!(space.apply(&ops), Err((101, Errno::ENOMEM)));
}

#[test]
fn own_pages_are_told_from_others() {
    let platform = platform();
    let space = platform.new_address_space().unwrap();
    let file = rustix::fs::memfd_create("test", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
    rustix::io::pwrite(&file, &[7; 8 * PAGE as usize], 0).unwrap();
    let map = |range, backing| MemoryOp::Map { range, prot: RW, backing, no_reserve: true, populate: false };
    let page = |i: u64| DATA + i * PAGE;
    let ops = [
        map(page(0)..page(8), Backing::Anonymous),
        map(page(8)..page(16), Backing::Private(file.as_fd(), 0)),
        map(page(16)..page(24), Backing::Shared(file.as_fd(), 0)),
        // Room that nobody uses costs nothing.
        map(1 << 40..1 << 45, Backing::Anonymous),
    ];
    space.apply(&ops).unwrap();
    let own = |space: &dyn AddressSpace, sharing| {
        let own = space.own_pages(0x1000..1 << 46, sharing).unwrap();
        own.into_iter().map(|o| (o.range.start, o.range.end, o.is_shared)).collect::<Vec<_>>()
    };
    assert_eq!(own(&*space, true), []);
    let mut buffer = [0; 24 * PAGE as usize];
    space.read(DATA, &mut buffer).unwrap();
    assert_eq!(own(&*space, true), []);
    for i in [1, 2, 3, 7, 8, 9, 12, 17, 18] {
        space.write(page(i), b"x").unwrap();
    }
    space.write(1 << 43, b"x").unwrap();
    let far = (1 << 43, (1 << 43) + PAGE);
    let runs = [(page(1), page(4)), (page(7), page(10)), (page(12), page(13)), far];
    assert_eq!(own(&*space, false), runs.map(|(start, end)| (start, end, false)));
    space.apply(&[MemoryOp::Protect(page(2)..page(3), Prot::empty())]).unwrap();
    assert_eq!(own(&*space, true), runs.map(|(start, end)| (start, end, false)));
    let child = space.fork().unwrap();
    assert_eq!(own(&*child, true), runs.map(|(start, end)| (start, end, true)));
    // To look at them does not part them; to read them does, in one of them.
    let mut two = [0; 2 * PAGE as usize];
    assert_eq!(child.peek(&[(page(1), 4096), (page(8), 4096)], &mut two), Ok(8192));
    assert_eq!((two[0], two[4096], two[4097]), (b'x', b'x', 7));
    assert_eq!(child.peek(&[(page(1), 4096), (page(99), 4096)], &mut two), Ok(4096));
    assert_eq!(child.peek(&[(page(99), 4096), (page(1), 4096)], &mut two), Err(Errno::EFAULT));
    assert_eq!(own(&*child, true), runs.map(|(start, end)| (start, end, true)));
    child.write(page(8), b"y").unwrap();
    let parts = [(page(1), page(4), true), (page(7), page(8), true), (page(8), page(9), false)];
    assert_eq!(own(&*child, true)[..3], parts);
    assert_eq!(own(&*space, true)[..3], parts);
}

#[test]
fn files_and_moves() {
    let platform = platform();
    let space = platform.new_address_space().unwrap();
    let file = rustix::fs::memfd_create("test", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
    rustix::fs::ftruncate(&file, 4 * PAGE).unwrap();
    rustix::io::pwrite(&file, b"file", PAGE).unwrap();
    let map = |range, backing| MemoryOp::Map { range, prot: RW, backing, no_reserve: true, populate: true };
    let ops: Vec<_> = (0..40)
        .map(|i| {
            let at = DATA + i * 2 * PAGE;
            let backing = if i % 2 == 0 {
                Backing::Shared(file.as_fd(), PAGE)
            } else {
                Backing::Private(file.as_fd(), PAGE)
            };
            map(at..at + PAGE, backing)
        })
        .collect();
    space.apply(&ops).unwrap();
    space.write(DATA + 2 * PAGE, b"mine").unwrap();
    space.write(DATA, b"ours").unwrap();
    let mut bytes = [0; 4];
    let mut at = |i: u64| space.read(DATA + i * 2 * PAGE, &mut bytes).map(|_| bytes);
    assert_eq!((at(0), at(1), at(2), at(3)), (Ok(*b"ours"), Ok(*b"mine"), Ok(*b"ours"), Ok(*b"file")));
    let moved = MemoryOp::Move { from: DATA..DATA + PAGE, to: CODE..CODE + PAGE, keep_old: false };
    space.apply(&[moved]).unwrap();
    assert_eq!(space.load_u32(CODE), Ok(u32::from_ne_bytes(*b"ours")));
    assert_eq!(space.load_u32(DATA), Err(Errno::EFAULT));
    space.apply(&[anonymous(CODE..CODE + PAGE, RW)]).unwrap();
    space.apply(&[MemoryOp::Resize { start: CODE, old_len: PAGE, new_len: 3 * PAGE }]).unwrap();
    space.write(CODE + 2 * PAGE, b"x").unwrap();
    assert_eq!(space.resident(CODE..CODE + 3 * PAGE), Ok(vec![0, 0, 1]));
    space.apply(&[MemoryOp::Advise(CODE..CODE + 3 * PAGE, Advice::DontNeed)]).unwrap();
    assert_eq!(space.resident(CODE..CODE + 3 * PAGE), Ok(vec![0, 0, 0]));
    assert_eq!(space.resident(CODE..CODE + 4 * PAGE), Err(Errno::ENOMEM));
    assert!(space.resident_size() > 0);
}

#[test]
fn words() {
    let platform = platform();
    let space = platform.new_address_space().unwrap();
    space.apply(&[anonymous(DATA..DATA + PAGE, RW), anonymous(CODE..CODE + PAGE, Prot::READ)]).unwrap();
    assert_eq!(space.load_u32(DATA + 2), Err(Errno::EINVAL));
    assert_eq!(space.atomic_u32(DATA + 2, AtomicOp::Set(1)), Err(Errno::EINVAL));
    for at in [DATA, DATA + 4, DATA + PAGE - 4] {
        assert_eq!(space.atomic_u32(at, AtomicOp::Set(0xff)), Ok(0));
        assert_eq!(space.atomic_u32(at, AtomicOp::Add(u32::MAX)), Ok(0xff));
        assert_eq!(space.atomic_u32(at, AtomicOp::Or(0x101)), Ok(0xfe));
        assert_eq!(space.atomic_u32(at, AtomicOp::AndNot(0xf)), Ok(0x1ff));
        assert_eq!(space.atomic_u32(at, AtomicOp::Xor(0x1f0)), Ok(0x1f0));
        assert_eq!(space.atomic_u32(at, AtomicOp::CompareExchange(1, 9)), Ok(0));
        assert_eq!(space.atomic_u32(at, AtomicOp::CompareExchange(0, 9)), Ok(0));
        assert_eq!(space.load_u32(at), Ok(9));
    }
    for at in [0, CODE, DATA + PAGE, 0x7ff0_0020_0000] {
        for _ in 0..3 {
            assert_eq!(space.atomic_u32(at, AtomicOp::Set(1)), Err(Errno::EFAULT), "{at:x}");
        }
    }
    // The helper has survived.
    assert_eq!(space.atomic_u32(DATA, AtomicOp::Set(1)), Ok(9));
}

#[test]
fn words_while_their_memory_comes_and_goes() {
    let platform = platform();
    let space = platform.new_address_space().unwrap();
    space.apply(&[anonymous(DATA..DATA + PAGE, RW)]).unwrap();
    let other = Arc::clone(&space);
    let mapping = std::thread::spawn(move || {
        for _ in 0..3000 {
            other.apply(&[MemoryOp::Protect(DATA..DATA + PAGE, Prot::empty())]).unwrap();
            other.apply(&[MemoryOp::Protect(DATA..DATA + PAGE, RW)]).unwrap();
        }
    });
    let (mut done, mut failed) = (0u32, 0u32);
    while !mapping.is_finished() {
        match space.atomic_u32(DATA, AtomicOp::Add(1)) {
            Ok(_) => done += 1,
            Err(Errno::EFAULT) => failed += 1,
            Err(e) => panic!("{e}"),
        }
    }
    mapping.join().unwrap();
    assert_eq!(space.load_u32(DATA), Ok(done));
    println!("{done} updates, {failed} faults");
}

crate::guest!(count, "2: lock add dword ptr [0x500000], 2", "jmp 2b");

#[test]
fn words_that_guests_update_meanwhile() {
    let platform = platform();
    let space = space(&platform, count::code());
    let thread = thread(&space);
    let kicker = thread.kicker();
    let mut odd = 0;
    for i in 0..2000u32 {
        let op = if i % 2 == 0 { AtomicOp::Or(1) } else { AtomicOp::AndNot(1) };
        // Nothing but our own update changes the lowest bit.
        assert_eq!(space.atomic_u32(DATA, op).map(|old| old & 1), Ok(odd));
        odd = u32::from(i % 2 == 0);
    }
    kicker.kick();
}

crate::guest!(
    write_and_tell,
    "mov rbx, rdi",
    "2: mov [0x500000], rbx",
    "mov eax, 39",
    "syscall",
    "mov rdi, [0x500000]",
    "mov eax, 1",
    "syscall",
    "jmp 2b",
);

#[test]
fn a_fork_has_its_own_memory() {
    let platform = platform();
    let parent = space(&platform, write_and_tell::code());
    let mut threads = Vec::new();
    let mut spaces = vec![parent];
    for i in 0..8 {
        let space = spaces[i / 2].fork().unwrap();
        spaces.push(space);
    }
    for (i, space) in spaces.iter().enumerate() {
        let mut thread = space.new_thread().unwrap();
        assert_eq!(thread.next_event(), Event::Stopped(StopCause::Start));
        let mut context = start_at(CODE);
        context.regs.rdi = i as u64 + 100;
        *thread.context_mut() = context;
        thread.resume().unwrap();
        threads.push(thread);
    }
    for _ in 0..2 {
        for thread in &mut threads {
            assert_eq!(syscall(&mut **thread).nr, 39);
        }
        for thread in &mut threads {
            thread.complete(0);
        }
        for (i, thread) in threads.iter_mut().enumerate() {
            let request = syscall(&mut **thread);
            assert_eq!((request.nr, request.args[0]), (1, i as u64 + 100));
            thread.complete(0);
        }
    }
    // Parents may go first.
    drop(spaces.remove(0));
    assert_eq!(threads.remove(0).next_event(), Event::Died);
    assert_eq!(syscall(&mut *threads[0]).nr, 39);
    assert!(spaces.iter().all(|s| s.read(CODE, &mut [0]) == Ok(1)));
    assert_eq!(spaces[0].read(DATA + SIZE, &mut [0]), Err(Errno::EFAULT));
}
