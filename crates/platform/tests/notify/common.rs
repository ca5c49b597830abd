//! A platform, and guest code to run on it.

use std::ops::Range;
use std::sync::Arc;

use stockade_platform::notify::Options;
use stockade_platform::{
    AddressSpace, Backing, Context, Event, GpRegs, GuestThread, MemoryOp, Notify, Platform, Prot, StopCause,
};

/// Where guest code is put.
pub(crate) const CODE: u64 = 0x40_0000;
/// Read-write guest memory.
pub(crate) const DATA: u64 = 0x50_0000;
/// Its size, and that of the code.
pub(crate) const SIZE: u64 = 0x1_0000;

/// A platform with default options.
pub(crate) fn platform() -> Notify {
    platform_as(None)
}

/// A platform whose stubs have these ids.
pub(crate) fn platform_as(stub_ids: Option<(u32, u32)>) -> Notify {
    let proc = std::fs::File::open("/proc").unwrap().into();
    Notify::new(Options { proc, stub_ids, root: None, share_network: false }).unwrap()
}

/// Anonymous memory.
pub(crate) fn anonymous(range: Range<u64>, prot: Prot) -> MemoryOp<'static> {
    MemoryOp::Map { range, prot, backing: Backing::Anonymous, no_reserve: false, populate: false }
}

/// An address space with `code` at [`CODE`] and zeros at [`DATA`].
pub(crate) fn space(platform: &dyn Platform, code: &[u8]) -> Arc<dyn AddressSpace> {
    let space = platform.new_address_space().unwrap();
    let ops = [
        anonymous(CODE..CODE + SIZE, Prot::READ | Prot::WRITE),
        anonymous(DATA..DATA + SIZE, Prot::READ | Prot::WRITE),
    ];
    space.apply(&ops).unwrap();
    assert_eq!(space.write(CODE, code), Ok(code.len()));
    space.apply(&[MemoryOp::Protect(CODE..CODE + SIZE, Prot::READ | Prot::EXEC)]).unwrap();
    space
}

/// Registers to start guest code with.
pub(crate) fn start_at(ip: u64) -> Context {
    let regs = GpRegs { rip: ip, rsp: DATA + SIZE - 64, eflags: 0x202, ..GpRegs::default() };
    Context { regs, ..Context::default() }
}

/// A thread of `space` that runs from the start of the code.
pub(crate) fn thread(space: &Arc<dyn AddressSpace>) -> Box<dyn GuestThread> {
    let mut thread = space.new_thread().unwrap();
    assert_eq!(thread.next_event(), Event::Stopped(StopCause::Start));
    *thread.context_mut() = start_at(CODE);
    thread.resume().unwrap();
    thread
}

/// The number of the system call that must come next.
pub(crate) fn syscall(thread: &mut dyn GuestThread) -> stockade_platform::SyscallRequest {
    match thread.next_event() {
        Event::Syscall(request) => request,
        other => panic!("not a system call: {other:x?}"),
    }
}

/// Guest code as the assembler makes it: `guest!(NAME, "instructions")` gives a function that returns its bytes.
#[macro_export]
macro_rules! guest {
    ($name:ident, $($line:literal),+ $(,)?) => {
        mod $name {
            std::arch::global_asm!(
                concat!(".pushsection .rodata.guest, \"a\", @progbits\n.globl guest_", stringify!($name)),
                concat!("guest_", stringify!($name), ":"),
                $($line),+,
                concat!(".globl guest_end_", stringify!($name), "\nguest_end_", stringify!($name), ":\n.popsection")
            );
            unsafe extern "C" {
                #[link_name = concat!("guest_", stringify!($name))]
                safe static BEGIN: u8;
                #[link_name = concat!("guest_end_", stringify!($name))]
                safe static END: u8;
            }
            pub(crate) fn code() -> &'static [u8] {
                let len = std::ptr::from_ref(&END) as usize - std::ptr::from_ref(&BEGIN) as usize;
                // SAFETY: the two symbols enclose the code, which is constant.
                unsafe { std::slice::from_raw_parts(std::ptr::from_ref(&BEGIN), len) }
            }
        }
    };
}
