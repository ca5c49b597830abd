use std::os::fd::AsFd;

use super::*;
use crate::{Advice, AtomicOp, Backing, Event, FaultInfo, GuestThread, MemoryOp, Prot, StopCause};

const AT: u64 = 0x10_0000;
const PAGE: u64 = 4096;
const RW: Prot = Prot::READ.union(Prot::WRITE);

fn anonymous(pages: std::ops::Range<u64>) -> MemoryOp<'static> {
    let range = AT + pages.start * PAGE..AT + pages.end * PAGE;
    MemoryOp::Map { range, prot: RW, backing: Backing::Anonymous, no_reserve: false, populate: false }
}

fn started(space: &dyn AddressSpace, rip: u64) -> Box<dyn GuestThread> {
    let mut thread = space.new_thread().unwrap();
    assert_eq!(thread.next_event(), Event::Stopped(StopCause::Start));
    thread.context_mut().regs.rip = rip;
    thread.resume().unwrap();
    thread
}

#[test]
fn memory_behaves() {
    let space = Mock::new().new_address_space().unwrap();
    space.apply(&[anonymous(0..4), MemoryOp::Protect(AT + PAGE..AT + 2 * PAGE, Prot::READ)]).unwrap();
    space.apply(&[MemoryOp::Unmap(AT + 3 * PAGE..AT + 4 * PAGE)]).unwrap();
    assert_eq!(space.write(AT + 1, &[1; 9000]), Ok(4095));
    let mut bytes = vec![7; 5 * PAGE as usize];
    assert_eq!(space.read(AT, &mut bytes), Ok(3 * PAGE as usize));
    assert_eq!((bytes[0], bytes[1], bytes[4095], bytes[4096]), (0, 1, 1, 0));
    assert_eq!(space.apply(&[MemoryOp::Protect(AT..AT + 4 * PAGE, RW)]), Err((0, Errno::ENOMEM)));
    let fork = space.fork().unwrap();
    assert_eq!(fork.atomic_u32(AT + 4, AtomicOp::Xor(2)), Ok(0x0101_0101));
    assert_eq!((fork.load_u32(AT + 4), space.load_u32(AT + 4)), (Ok(0x0101_0103), Ok(0x0101_0101)));
    let moved = MemoryOp::Move { from: AT..AT + PAGE, to: AT + 8 * PAGE..AT + 9 * PAGE, keep_old: true };
    space.apply(&[moved]).unwrap();
    assert_eq!((space.load_u32(AT + 4), space.load_u32(AT + 8 * PAGE + 4)), (Ok(0), Ok(0x0101_0101)));
    space.apply(&[MemoryOp::Advise(AT + 8 * PAGE..AT + 9 * PAGE, Advice::DontNeed)]).unwrap();
    assert_eq!(space.load_u32(AT + 8 * PAGE + 4), Ok(0));
    assert_eq!(space.apply(&[MemoryOp::Unmap(AT + 1..AT + PAGE)]), Err((0, Errno::EINVAL)));
}

#[test]
fn shared_files_are_shared() {
    let space = Mock::new().new_address_space().unwrap();
    let file = rustix::fs::memfd_create("test", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
    rustix::fs::ftruncate(&file, 2 * PAGE).unwrap();
    let map = |backing, at| MemoryOp::Map {
        range: at..at + PAGE,
        prot: RW,
        backing,
        no_reserve: false,
        populate: false,
    };
    let shared = Backing::Shared(file.as_fd(), PAGE);
    space
        .apply(&[
            map(shared, AT),
            map(shared, AT + PAGE),
            map(Backing::Private(file.as_fd(), 0), AT + 2 * PAGE),
        ])
        .unwrap();
    let fork = space.fork().unwrap();
    fork.write(AT + 3, b"x").unwrap();
    fork.write(AT + 2 * PAGE, b"y").unwrap();
    let mut byte = [0];
    assert_eq!((space.read(AT + PAGE + 3, &mut byte), byte), (Ok(1), *b"x"));
    assert_eq!((space.read(AT + 2 * PAGE, &mut byte), byte), (Ok(1), [0]));
}

#[test]
fn a_stopped_call_is_made_again_or_diverted() {
    let platform = Mock::new();
    platform.program(0x1000, |guest, context| {
        assert_eq!(context.regs.rip, 0x1000);
        assert_eq!(guest.syscall(39, [1; 6]), Outcome::Returned(5));
        guest.context.regs.rip = 0x2000;
        let Outcome::Diverted(context) = guest.trapped_syscall(15, [0; 6]) else { panic!() };
        assert_eq!(context.regs.rip, 0x3000);
        assert!(guest.follow());
    });
    platform.program(0x3000, |guest, _| {
        let info = FaultInfo { signo: 11, ..FaultInfo::default() };
        assert_eq!(guest.fault(info), Outcome::Returned(0));
        assert_eq!(guest.spin(), Outcome::Returned(0));
        guest.syscall(60, [0; 6]);
    });
    let space = platform.new_address_space().unwrap();
    let mut thread = started(&*space, 0x1000);
    for _ in 0..2 {
        assert!(matches!(thread.next_event(), Event::Syscall(r) if (r.nr, r.ip) == (39, 0x1002)));
        thread.stop().unwrap();
        assert_eq!((thread.context().regs.rip, thread.context().regs.rax), (0x1000, 39));
        thread.resume().unwrap();
    }
    assert!(matches!(thread.next_event(), Event::Syscall(_)));
    thread.complete(5);
    assert!(matches!(thread.next_event(), Event::Stopped(StopCause::Syscall(r)) if r.nr == 15));
    thread.context_mut().regs.rip = 0x3000;
    thread.resume().unwrap();
    assert!(matches!(thread.next_event(), Event::Stopped(StopCause::Fault(info)) if info.signo == 11));
    thread.resume().unwrap();
    thread.kicker().kick();
    assert_eq!(thread.next_event(), Event::Stopped(StopCause::Kick));
    thread.resume().unwrap();
    assert!(matches!(thread.next_event(), Event::Syscall(r) if r.nr == 60));
    space.kill();
    assert_eq!(thread.next_event(), Event::Died);
    assert_eq!(space.read(AT, &mut [0]), Err(Errno::ESRCH));
}
