//! Floating point state, and the host's vDSO.

use stockade_platform::{Event, FpState, Platform, StopCause};

use crate::common::{CODE, DATA, platform, space, start_at, syscall, thread};

crate::guest!(
    vectors,
    "vmovdqu ymm0, [0x500000]",
    "fld1",
    "fldpi",
    "xor eax, eax",
    "mov [rax], eax", // a fault, of two bytes
    "vmovdqu [0x500020], ymm0",
    "fstp qword ptr [0x500040]",
    "fstp qword ptr [0x500048]",
    "mov eax, 39",
    "syscall",
    "ud2",
);

fn faulted(thread: &mut dyn stockade_platform::GuestThread) {
    let event = thread.next_event();
    assert!(matches!(event, Event::Stopped(StopCause::Fault(_))), "{event:x?}");
}

fn results(space: &dyn stockade_platform::AddressSpace) -> ([u8; 32], f64, f64) {
    let mut bytes = [0; 48];
    assert_eq!(space.read(DATA + 0x20, &mut bytes), Ok(48));
    let double = |at: usize| f64::from_ne_bytes(bytes[at..at + 8].try_into().unwrap());
    (bytes[..32].try_into().unwrap(), double(32), double(40))
}

/// What `fninit` sets, and the default of MXCSR.
const FCW: [u8; 2] = 0x37fu16.to_ne_bytes();
const MXCSR: [u8; 4] = 0x1f80u32.to_ne_bytes();

#[test]
fn vector_and_x87_state_is_kept_fetched_and_set() {
    let platform = platform();
    let space = space(&platform, vectors::code());
    let pattern: [u8; 32] = std::array::from_fn(|i| i as u8 * 7 + 1);
    space.write(DATA, &pattern).unwrap();
    let mut first = thread(&space);
    faulted(&mut *first);
    let state = first.fp_state().unwrap();
    assert_eq!(state.0.len(), platform.layout().xsave_size);
    let sw = |at: usize| u64::from_ne_bytes(state.0[464 + at..472 + at].try_into().unwrap());
    assert_eq!(sw(8), platform.layout().xfeatures);
    assert_eq!(sw(16) as u32 as usize, state.0.len());
    assert_eq!(sw(0) as u32, 0x4650_5853);
    let stopped_at = first.context().regs.rip;

    // Left alone.
    first.context_mut().regs.rip += 2;
    first.resume().unwrap();
    assert_eq!(syscall(&mut *first).nr, 39);
    assert_eq!(results(&*space), (pattern, std::f64::consts::PI, 1.0));
    first.stop().unwrap();

    // Put into a thread that stopped, and into one that starts.
    first.context_mut().regs.rip = stopped_at + 2;
    first.context_mut().fp = Some(state.clone());
    space.write(DATA + 0x20, &[0; 48]).unwrap();
    first.resume().unwrap();
    assert_eq!(syscall(&mut *first).nr, 39);
    assert_eq!(results(&*space), (pattern, std::f64::consts::PI, 1.0));
    first.stop().unwrap();

    let start = |fp: Option<FpState>| {
        space.write(DATA + 0x20, &[0; 48]).unwrap();
        let mut thread = space.new_thread().unwrap();
        assert_eq!(thread.next_event(), Event::Stopped(StopCause::Start));
        let initial = thread.fp_state().unwrap().0;
        assert_eq!((initial.len(), &initial[..2], &initial[24..28]), (state.0.len(), &FCW[..], &MXCSR[..]));
        let mut context = start_at(CODE);
        context.regs.rip = stopped_at + 2;
        context.fp = fp;
        *thread.context_mut() = context;
        thread.resume().unwrap();
        assert_eq!(syscall(&mut *thread).nr, 39);
        results(&*space)
    };
    assert_eq!(start(Some(state.clone())), (pattern, std::f64::consts::PI, 1.0));
    assert_eq!(start(None).0, [0; 32]);
    // What the processor would refuse becomes the initial state.
    let mut bad = state.clone();
    bad.0[512 + 8] = 1;
    assert_eq!(start(Some(bad.clone())).0, [0; 32]);
    assert_eq!(start(Some(FpState(vec![1; 100]))).0, [0; 32]);
    first.context_mut().regs.rip = stopped_at + 2;
    first.context_mut().fp = Some(bad);
    first.resume().unwrap();
    assert_eq!(syscall(&mut *first).nr, 39);
    assert_eq!(results(&*space).0, [0; 32]);
    // And back again, into a frame whose state pointer is gone.
    first.stop().unwrap();
    first.context_mut().regs.rip = stopped_at + 2;
    first.context_mut().fp = Some(state);
    first.resume().unwrap();
    assert_eq!(syscall(&mut *first).nr, 39);
    assert_eq!(results(&*space), (pattern, std::f64::consts::PI, 1.0));
}

crate::guest!(
    clock,
    "mov rbx, rdi",
    "mov edi, 1", // CLOCK_MONOTONIC
    "mov esi, 0x500000",
    "call rbx",
    "mov edi, eax",
    "mov eax, 39",
    "syscall",
    "ud2",
);

#[test]
fn the_hosts_vdso_works_where_the_layout_says() {
    let platform = platform();
    let space = space(&platform, clock::code());
    let entry = platform.layout().host_vdso.clock_gettime.unwrap();
    let mut thread = space.new_thread().unwrap();
    assert_eq!(thread.next_event(), Event::Stopped(StopCause::Start));
    *thread.context_mut() = start_at(CODE);
    thread.context_mut().regs.rdi = entry;
    thread.resume().unwrap();
    let request = syscall(&mut *thread);
    assert_eq!((request.nr, request.args[0]), (39, 0), "answered without a call");
    let seconds = space.load_u32(DATA).unwrap();
    assert!(seconds > 0);
}
