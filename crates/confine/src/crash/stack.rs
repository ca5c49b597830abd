//! Stacks to handle signals on, for threads whose own has overflowed.

#![expect(unsafe_code, reason = "sigaltstack(2)")]

use std::io;
use std::marker::PhantomData;
use std::ptr;

/// Room for a signal frame with the largest register sets and for unwinding a stack. Memory is used when touched only.
const SIZE: usize = 64 * 1024;

/// An alternate stack of the thread that made it, in force until it is dropped.
#[derive(Debug)]
pub struct AlternateStack {
    base: *mut libc::c_void,
    before: libc::stack_t,
    /// Of one thread.
    _thread: PhantomData<*mut ()>,
}

/// Gives the calling thread a stack on which a crash report can be written if its own overflows. The standard library's
/// threads have a small one, on which a fault is reported, but not the stack it happened on.
///
/// # Errors
/// ENOMEM.
pub fn guard_thread() -> io::Result<AlternateStack> {
    let (base, before) = replace()?;
    Ok(AlternateStack { base, before, _thread: PhantomData })
}

/// The same for as long as the process lives.
pub(super) fn guard_main_thread() -> io::Result<()> {
    replace().map(drop)
}

/// Whether the calling thread, in a handler, runs on an alternate stack that is too small to unwind on.
pub(super) fn is_small() -> bool {
    let mut stack = libc::stack_t { ss_sp: ptr::null_mut(), ss_flags: 0, ss_size: 0 };
    // SAFETY: writes a local.
    unsafe { libc::sigaltstack(ptr::null(), &raw mut stack) };
    stack.ss_flags & libc::SS_ONSTACK != 0 && stack.ss_size < SIZE / 2
}

/// Puts a new stack into force; its address, and what was in force before.
fn replace() -> io::Result<(*mut libc::c_void, libc::stack_t)> {
    // SAFETY: new memory where the kernel likes.
    let base = unsafe {
        libc::mmap(
            ptr::null_mut(),
            SIZE,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_STACK,
            -1,
            0,
        )
    };
    if base == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    let stack = libc::stack_t { ss_sp: base, ss_flags: 0, ss_size: SIZE };
    let mut before = libc::stack_t { ss_sp: ptr::null_mut(), ss_flags: libc::SS_DISABLE, ss_size: 0 };
    // SAFETY: the memory is ours and stays until the stack is taken out of force; both structures live through the call.
    if unsafe { libc::sigaltstack(&raw const stack, &raw mut before) } != 0 {
        let error = io::Error::last_os_error();
        // SAFETY: nobody refers to it.
        unsafe { libc::munmap(base, SIZE) };
        return Err(error);
    }
    Ok((base, before))
}

impl Drop for AlternateStack {
    fn drop(&mut self) {
        // SAFETY: puts back what was in force, after which nothing refers to the memory. Not on it: this is no handler.
        unsafe {
            libc::sigaltstack(&raw const self.before, ptr::null_mut());
            libc::munmap(self.base, SIZE);
        }
    }
}
