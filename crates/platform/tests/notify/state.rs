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

/// Address of a function in a vDSO image (ELF), as far as the dynamic symbols tell.
fn symbol(image: &[u8], base: u64, name: &str) -> Option<u64> {
    let u64_at = |at: usize| u64::from_ne_bytes(image[at..at + 8].try_into().unwrap());
    let u16_at = |at: usize| u16::from_ne_bytes(image[at..at + 2].try_into().unwrap()) as usize;
    let (phoff, phentsize, phnum) = (u64_at(32) as usize, u16_at(54), u16_at(56));
    let dynamic = (0..phnum).map(|i| phoff + i * phentsize).find(|&p| image[p] == 2)?;
    let offset = u64_at(dynamic + 8) as usize;
    let tag = |wanted: u64| {
        (0..).map(|i| offset + i * 16).find(|&d| u64_at(d) == wanted).map(|d| u64_at(d + 8) as usize)
    };
    let (strings, symbols) = (tag(5)?, tag(6)?);
    (0..(strings.saturating_sub(symbols) / 24)).map(|i| symbols + i * 24).find_map(|s| {
        let at = strings + u16_at(s) + (u16_at(s + 2) << 16);
        let found = image[at..].starts_with(name.as_bytes()) && image[at + name.len()] == 0;
        found.then(|| base + u64_at(s + 8))
    })
}

#[test]
fn the_hosts_vdso_works_where_the_layout_says() {
    let platform = platform();
    let space = space(&platform, clock::code());
    let base = platform.layout().host_vdso.unwrap();
    println!("vDSO at {base:x}, reserved {:x?}", platform.layout().reserved);
    let thread = thread(&space);
    let map = std::fs::read_to_string(format!("/proc/{}/maps", space.host_pid())).unwrap();
    println!("{map}");
    let line = map.lines().find(|l| l.ends_with("[vdso]")).unwrap();
    assert!(line.starts_with(&format!("{base:x}-")), "{map}");
    let mut image = vec![0; 0x4000];
    let memory = std::fs::File::open(format!("/proc/{}/mem", space.host_pid())).unwrap();
    let n = std::os::unix::fs::FileExt::read_at(&memory, &mut image, base).unwrap();
    let entry = symbol(&image[..n], base, "__vdso_clock_gettime").unwrap();
    thread.kicker().kick();
    drop(thread);
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
