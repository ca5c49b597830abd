//! Started under somebody else's seccomp filter, or by an ordinary user.

use stockade_abi::nr;
use stockade_platform::{Event, StopCause};

use crate::common::{CODE, platform, space, start_at};

/// Puts the calling thread, and what it makes, under a filter that answers some calls by itself.
fn confine(errors: &[u32], kills: &[u32]) {
    let op = |code: u32, jt, jf, k| libc::sock_filter { code: code as u16, jt, jf, k };
    let equal = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    let ret = libc::BPF_RET | libc::BPF_K;
    let mut filter = vec![op(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0)];
    for &nr in errors {
        filter.extend([op(equal, 0, 1, nr), op(ret, 0, 0, libc::SECCOMP_RET_ERRNO | libc::EPERM as u32)]);
    }
    for &nr in kills {
        filter.extend([op(equal, 0, 1, nr), op(ret, 0, 0, libc::SECCOMP_RET_KILL_PROCESS)]);
    }
    filter.push(op(ret, 0, 0, libc::SECCOMP_RET_ALLOW));
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    // SAFETY: the program points to a live filter of its length.
    let r = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program)
    };
    assert_eq!(r, 0);
}

crate::guest!(call, "mov eax, edi", "syscall", "mov ebx, eax", "ud2");

#[test]
fn calls_that_an_inherited_filter_denies_still_arrive() {
    const DENIED: [u32; 5] = [nr::mount, nr::add_key, nr::swapon, nr::bpf, nr::getppid];
    let all = move || {
        confine(&DENIED, &[nr::acct, nr::quotactl]);
        let platform = platform();
        for nr in DENIED.into_iter().chain([nr::getpid]) {
            for stop in [false, true] {
                let space = space(&platform, call::code());
                let mut thread = space.new_thread().unwrap();
                assert_eq!(thread.next_event(), Event::Stopped(StopCause::Start));
                *thread.context_mut() = start_at(CODE);
                thread.context_mut().regs.rdi = nr.into();
                thread.resume().unwrap();
                let Event::Syscall(request) = thread.next_event() else { panic!("{nr}") };
                assert_eq!(request.nr, u64::from(nr));
                if stop {
                    thread.stop().unwrap();
                    assert_eq!((thread.context().regs.rip, thread.context().regs.rax), (CODE + 2, nr.into()));
                    thread.resume().unwrap();
                    assert_eq!(thread.next_event(), Event::Syscall(request));
                }
                thread.complete(77);
                assert!(matches!(thread.next_event(), Event::Stopped(StopCause::Fault(_))));
                assert_eq!(thread.context().regs.rbx, 77);
            }
        }
    };
    std::thread::spawn(all).join().unwrap();
}

#[test]
fn an_ordinary_user_can() {
    let all = || {
        // SAFETY: no pointers; raw calls change this thread alone.
        unsafe {
            assert_eq!(libc::syscall(libc::SYS_setresgid, 1234, 1234, 1234), 0);
            assert_eq!(libc::syscall(libc::SYS_setresuid, 1234, 1234, 1234), 0);
            // As a program that this user starts would be.
            assert_eq!(libc::prctl(libc::PR_SET_DUMPABLE, 1, 0, 0, 0), 0);
        }
        let platform = platform();
        let space = space(&platform, call::code());
        let mut thread = space.new_thread().unwrap();
        assert_eq!(thread.next_event(), Event::Stopped(StopCause::Start));
        *thread.context_mut() = start_at(CODE);
        thread.resume().unwrap();
        assert!(matches!(thread.next_event(), Event::Syscall(_)));
    };
    // SAFETY: no pointers.
    if unsafe { libc::geteuid() } == 0 {
        std::thread::spawn(all).join().unwrap();
    }
}
