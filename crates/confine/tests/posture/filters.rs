//! Under somebody else's seccomp filter, as in a container.

use stockade_confine::{Access, End, Error, Options, launch};

use crate::tools::{Case, case, start, tree};

pub(crate) const CASES: &[Case] = &[
    case("a container's filter", container),
    case("a filter without process_vm_readv", without_memory),
    case("a filter without namespaces", without_namespaces),
];

/// Puts this process under a filter that answers calls with an errno, and clone(2) with any of `flags` with EPERM.
#[expect(unsafe_code, reason = "installing a filter")]
fn deny(calls: &[(i64, i32)], flags: i32) {
    let op = |code: u32, jt, jf, k| libc::sock_filter { code: code as u16, jt, jf, k };
    let (load, ret) = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, libc::BPF_RET | libc::BPF_K);
    let equal = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    let bits = libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K;
    let fail = |errno: i32| libc::SECCOMP_RET_ERRNO | errno as u32;
    let mut filter = vec![op(load, 0, 0, 0)];
    for &(nr, errno) in calls {
        filter.extend([op(equal, 0, 1, nr as u32), op(ret, 0, 0, fail(errno))]);
    }
    filter.extend([
        op(equal, 0, 3, libc::SYS_clone as u32),
        op(load, 0, 0, 16),
        op(bits, 0, 1, flags as u32),
        op(ret, 0, 0, fail(libc::EPERM)),
        op(ret, 0, 0, libc::SECCOMP_RET_ALLOW),
    ]);
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    // SAFETY: the program lives through the call.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        assert_eq!(libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program), 0);
    }
}

/// As docker's default profile for a privileged-enough container: some calls are refused, and clone3 is not there.
fn container() {
    let refused =
        [libc::SYS_add_key, libc::SYS_keyctl, libc::SYS_bpf, libc::SYS_swapon, libc::SYS_userfaultfd];
    let mut calls: Vec<_> = refused.map(|nr| (nr, libc::EPERM)).into();
    calls.push((libc::SYS_clone3, libc::ENOSYS));
    deny(&calls, 0);
    let mut handle = start(&[tree("/", Access::ReadOnly)], |host| {
        host.lock_down().expect("lock_down");
        std::thread::spawn(|| 5).join().expect("join")
    });
    assert_eq!(handle.wait().expect("waitid"), End::Exited(5), "{:?}", handle.crash_report());
}

/// The error of a start, in one sentence.
fn refusal() -> String {
    let error = launch(&Options::default(), |_| 0).expect_err("refused");
    assert!(matches!(error, Error::Missing(_)), "{error:?}");
    error.to_string()
}

fn without_memory() {
    deny(&[(libc::SYS_process_vm_readv, libc::EPERM)], 0);
    let error = refusal();
    assert!(error.contains("the inherited seccomp filter refuses process_vm_readv; give"), "{error}");
}

fn without_namespaces() {
    deny(&[(libc::SYS_clone3, libc::ENOSYS)], libc::CLONE_NEWUSER);
    let error = refusal();
    assert!(
        error.contains("lacks user namespaces") && error.contains("; in a container, permit them"),
        "{error}"
    );
}
