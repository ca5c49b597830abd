//! The stub's code as the assembler made it, and where its parts are.
#![expect(unsafe_code, reason = "symbols of assembled code can only be declared as unsafe externs")]

use std::arch::global_asm;

use super::layout as l;

global_asm!(
    include_str!("stub.s"),
    code = const l::CODE,
    control = const l::CONTROL,
    scratch = const l::SCRATCH,
    helper_stack = const l::HELPER_STACK,
    slot_size = const l::SLOT_SIZE,
    ops = const l::OPS_OFFSET,
    op_size = const l::OP_SIZE,
    op_atomic = const l::OP_ATOMIC,
    attempts = const l::ATOMIC_ATTEMPTS,
    atomic_result = const l::ATOMIC_RESULT - l::SCRATCH,
    kind_thread = const l::KIND_THREAD,
    reply_shift = const l::REPLY_STRIDE.trailing_zeros(),
    stop_call = const l::STOP_CALL,
    resume_bases = const l::RESUME_BASES,
    resume_exit = const l::RESUME_EXIT,
    mask = const l::constants::MASK,
    listener_message = const l::constants::LISTENER_MESSAGE,
    guest_program = const l::constants::GUEST_PROGRAM,
    listener_flags = const super::filter::LISTENER_FLAGS,
    thread_flags = const super::filter::THREAD_FLAGS,
    first_frame = const super::frame::start(0),
    msg_nosignal = const libc::MSG_NOSIGNAL,
    eagain = const libc::EAGAIN,
    eintr = const libc::EINTR,
    ebadf = const libc::EBADF,
    efault = const libc::EFAULT,
    nr_clone = const libc::SYS_clone,
    nr_recvmsg = const libc::SYS_recvmsg,
    nr_sendmsg = const libc::SYS_sendmsg,
    nr_sendto = const libc::SYS_sendto,
    nr_close_range = const libc::SYS_close_range,
    nr_sched_yield = const libc::SYS_sched_yield,
    nr_mmap = const libc::SYS_mmap,
    nr_dup2 = const libc::SYS_dup2,
    nr_seccomp = const libc::SYS_seccomp,
    nr_exit = const libc::SYS_exit,
    nr_exit_group = const libc::SYS_exit_group,
    nr_rt_sigprocmask = const libc::SYS_rt_sigprocmask,
    nr_rt_sigreturn = const libc::SYS_rt_sigreturn,
);

unsafe extern "C" {
    safe static stockade_stub_begin: u8;
    safe static stockade_stub_helper: u8;
    safe static stockade_stub_helper_end: u8;
    safe static stockade_stub_handler: u8;
    safe static stockade_stub_stopped: u8;
    safe static stockade_stub_restorer: u8;
    safe static stockade_stub_sigreturn: u8;
    safe static stockade_stub_exit: u8;
    safe static stockade_stub_end: u8;
}

/// Where a symbol of the blob lies in a stub.
fn address(symbol: &'static u8) -> u64 {
    l::CODE + (std::ptr::from_ref(symbol) as u64 - std::ptr::from_ref(&stockade_stub_begin) as u64)
}

/// Entry of the helper.
pub(crate) fn helper() -> u64 {
    address(&stockade_stub_helper)
}

/// End of the helper's code: between the two it may make calls.
pub(crate) fn helper_end() -> u64 {
    address(&stockade_stub_helper_end)
}

/// The signal handler.
pub(crate) fn handler() -> u64 {
    address(&stockade_stub_handler)
}

/// Address after the instruction by which a stopped thread says so.
pub(crate) fn stopped() -> u64 {
    address(&stockade_stub_stopped)
}

/// What `sa_restorer` is set to. It is never returned to.
pub(crate) fn restorer() -> u64 {
    address(&stockade_stub_restorer)
}

/// Address after the one native `rt_sigreturn`.
pub(crate) fn sigreturn() -> u64 {
    address(&stockade_stub_sigreturn)
}

/// Address after the one native `exit`.
pub(crate) fn exit() -> u64 {
    address(&stockade_stub_exit)
}

/// The blob's bytes.
pub(crate) fn bytes() -> &'static [u8] {
    let len = (address(&stockade_stub_end) - l::CODE) as usize;
    // SAFETY: begin and end enclose the blob, which is constant and lives as long as the program.
    unsafe { std::slice::from_raw_parts(&raw const stockade_stub_begin, len) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blob_fits_its_page_and_has_exactly_the_known_call_sites() {
        let bytes = bytes();
        assert!(bytes.len() < l::PAGE as usize);
        let guest_code = &bytes[(helper_end() - l::CODE) as usize..];
        let sites = guest_code.windows(2).filter(|w| *w == [0x0f, 0x05]).count();
        assert_eq!(sites, 3, "stop, rt_sigreturn, exit");
    }
}
