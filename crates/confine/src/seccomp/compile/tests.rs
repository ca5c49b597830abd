use super::super::table::TABLE;
use super::*;

/// Runs a program as the kernel does (for the instructions used here).
fn run(program: &[sock_filter], arch: u32, nr: i64, args: [u64; 6]) -> u32 {
    let mut data = vec![nr as u32, arch, 0, 0];
    data.extend(args.iter().flat_map(|&a| [a as u32, (a >> 32) as u32]));
    let (mut a, mut pc) = (0u32, 0usize);
    loop {
        let i = &program[pc];
        pc += 1;
        let code = u32::from(i.code);
        if code == libc::BPF_LD | libc::BPF_W | libc::BPF_ABS {
            a = data[i.k as usize / 4];
        } else if code == libc::BPF_ALU | libc::BPF_AND | libc::BPF_K {
            a &= i.k;
        } else if code == libc::BPF_JMP | libc::BPF_JA {
            pc += i.k as usize;
        } else if code == libc::BPF_RET | libc::BPF_K {
            return i.k;
        } else {
            let holds = match code & 0xf0 {
                libc::BPF_JEQ => a == i.k,
                libc::BPF_JGE => a >= i.k,
                libc::BPF_JSET => a & i.k != 0,
                other => panic!("instruction {other:#x}"),
            };
            pc += usize::from(if holds { i.jt } else { i.jf });
        }
    }
}

const OWN: u32 = 77;

fn verdict(nr: i64, args: [u64; 6]) -> u32 {
    run(&compile(TABLE, OWN), AUDIT_ARCH, nr, args)
}

fn allowed(nr: i64, args: [u64; 6]) -> bool {
    match verdict(nr, args) {
        libc::SECCOMP_RET_ALLOW => true,
        libc::SECCOMP_RET_TRAP => false,
        other if other == libc::SECCOMP_RET_ERRNO | libc::ENOENT as u32 => false,
        other => panic!("{other:#x}"),
    }
}

#[test]
fn each_check_decides() {
    const fn rule(ways: &'static [&'static [Check]]) -> Rule {
        Rule { nr: 5, name: "x", verdict: Verdict::When(ways), why: "" }
    }
    let fits = |ways, args| {
        let rules = [Rule { nr: 4, name: "y", verdict: Verdict::Allow, why: "" }, rule(ways)];
        run(&compile(&rules, OWN), AUDIT_ARCH, 5, args) == libc::SECCOMP_RET_ALLOW
    };
    const HIGH: u64 = 1 << 32;
    assert!(fits(&[&[Check::Is(0, HIGH | 2)]], [HIGH | 2, 0, 0, 0, 0, 0]));
    assert!(!fits(&[&[Check::Is(0, HIGH | 2)]], [2, 0, 0, 0, 0, 0]));
    assert!(!fits(&[&[Check::Is(0, 2)]], [HIGH | 2, 0, 0, 0, 0, 0]));
    assert!(fits(&[&[Check::Is32(1, 2)]], [0, HIGH | 2, 0, 0, 0, 0]));
    for (value, fit) in [(1, true), (2, true), (3, true), (4, false), (0, false)] {
        assert_eq!(fits(&[&[Check::In32(5, &[1, 2, 3])]], [0, 0, 0, 0, 0, value]), fit);
    }
    assert!(!fits(&[&[Check::Not32(0, 9)]], [9, 0, 0, 0, 0, 0]) && fits(&[&[Check::Not32(0, 9)]], [8; 6]));
    assert!(
        !fits(&[&[Check::Without32(2, 4)]], [0, 0, 7, 0, 0, 0]) && fits(&[&[Check::Without32(2, 4)]], [3; 6])
    );
    let masked: &[&[Check]] = &[&[Check::Masked32(0, 0xf0, 0x20)]];
    assert!(fits(masked, [0x2f; 6]) && !fits(masked, [0x1f; 6]) && !fits(masked, [0x3f; 6]));
    assert!(fits(&[&[Check::OwnOr0(0)]], [77; 6]) && fits(&[&[Check::OwnOr0(0)]], [0; 6]));
    assert!(!fits(&[&[Check::OwnOr0(0)]], [1; 6]));
    // All checks of a way, any of the ways.
    let both: &[&[Check]] =
        &[&[Check::Is32(0, 1), Check::In32(1, &[2, 3])], &[Check::Is(2, 4), Check::Not32(3, 0)]];
    assert!(fits(both, [1, 3, 0, 0, 0, 0]) && fits(both, [0, 0, 4, 1, 0, 0]));
    assert!(!fits(both, [1, 4, 0, 0, 0, 0]) && !fits(both, [0, 3, 4, 0, 0, 0]));
}

#[test]
fn other_architectures_are_killed_and_x32_traps() {
    let program = compile(TABLE, OWN);
    assert_eq!(run(&program, 0x4000_0003, libc::SYS_read, [0; 6]), libc::SECCOMP_RET_KILL_PROCESS);
    for nr in [libc::SYS_read, libc::SYS_mmap] {
        assert_eq!(run(&program, AUDIT_ARCH, nr | 0x4000_0000, [0; 6]), libc::SECCOMP_RET_TRAP);
    }
}

#[test]
fn the_table_is_well_formed() {
    let mut seen = std::collections::BTreeSet::new();
    for rule in TABLE {
        assert!(seen.insert(rule.nr), "{} is there twice", rule.name);
        assert!(rule.why.len() >= 7, "{} has no reason", rule.name);
        if let Verdict::When(ways) | Verdict::WhenElse(ways, _) = rule.verdict {
            assert!(!ways.is_empty() && ways.iter().all(|w| !w.is_empty()), "{}", rule.name);
        }
    }
    assert!(compile(TABLE, OWN).len() < 4096, "BPF_MAXINSNS");
}

#[test]
fn what_must_never_pass() {
    let never = [
        libc::SYS_execve,
        libc::SYS_execveat,
        libc::SYS_open,
        libc::SYS_creat,
        libc::SYS_fork,
        libc::SYS_vfork,
        libc::SYS_mount,
        libc::SYS_umount2,
        libc::SYS_pivot_root,
        libc::SYS_chroot,
        libc::SYS_unshare,
        libc::SYS_setns,
        libc::SYS_open_tree,
        libc::SYS_move_mount,
        libc::SYS_fsopen,
        libc::SYS_mount_setattr,
        libc::SYS_bpf,
        libc::SYS_perf_event_open,
        libc::SYS_userfaultfd,
        libc::SYS_io_uring_setup,
        libc::SYS_keyctl,
        libc::SYS_add_key,
        libc::SYS_init_module,
        libc::SYS_kexec_load,
        libc::SYS_setuid,
        libc::SYS_capset,
        libc::SYS_connect,
        libc::SYS_bind,
        libc::SYS_open_by_handle_at,
        libc::SYS_personality,
        libc::SYS_modify_ldt,
        libc::SYS_seccomp,
        libc::SYS_ptrace,
        libc::SYS_pidfd_getfd,
    ];
    for nr in never {
        for args in [[0; 6], [1; 6], [u64::MAX; 6]] {
            assert!(!allowed(nr, args), "{nr}");
        }
    }
}

#[test]
fn arguments_that_must_not_pass() {
    let exec = (libc::PROT_READ | libc::PROT_EXEC) as u64;
    assert!(!allowed(libc::SYS_mmap, [0, 4096, exec, 0x22, 0, 0]));
    assert!(!allowed(libc::SYS_mprotect, [0, 4096, exec, 0, 0, 0]));
    assert!(!allowed(libc::SYS_mprotect, [0, 4096, exec | 1 << 40, 0, 0, 0]));
    assert!(allowed(libc::SYS_mprotect, [0, 4096, 3, 0, 0, 0]));
    let cwd = libc::AT_FDCWD as u64;
    for dirfd in [cwd, cwd & 0xffff_ffff, cwd & 0xffff_ffff | 7 << 32] {
        assert!(!allowed(libc::SYS_openat, [dirfd, 0, 0, 0, 0, 0]));
        assert!(!allowed(libc::SYS_openat2, [dirfd, 0, 0, 0, 0, 0]));
    }
    assert!(allowed(libc::SYS_openat2, [5, 0, 0, 0, 0, 0]));
    assert_eq!(verdict(libc::SYS_unlinkat, [cwd, 0, 0, 0, 0, 0]), libc::SECCOMP_RET_TRAP);
    assert!(!allowed(libc::SYS_ioctl, [0, libc::TIOCSTI, 0, 0, 0, 0]));
    assert!(allowed(libc::SYS_ioctl, [0, libc::TIOCGWINSZ, 0, 0, 0, 0]));
    assert!(!allowed(libc::SYS_clone, [libc::SIGCHLD as u64, 0, 0, 0, 0, 0]));
    assert!(!allowed(libc::SYS_clone, [(0x3d_0f00 | libc::CLONE_NEWUSER) as u64, 0, 0, 0, 0, 0]));
    assert!(allowed(libc::SYS_clone, [0x3d_0f00, 0, 0, 0, 0, 0]));
    assert_eq!(verdict(libc::SYS_clone3, [0; 6]), libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32);
    let unix = libc::AF_UNIX as u64;
    assert!(allowed(libc::SYS_socketpair, [unix, 0, 0, 0, 0, 0]));
    assert!(!allowed(libc::SYS_socketpair, [libc::AF_TIPC as u64, 0, 0, 0, 0, 0]));
    for kind in [libc::S_IFCHR, libc::S_IFBLK] {
        assert!(!allowed(libc::SYS_mknodat, [5, 0, (kind | 0o666).into(), 0x105, 0, 0]));
    }
    assert!(allowed(libc::SYS_mknodat, [5, 0, (libc::S_IFIFO | 0o666).into(), 0, 0, 0]));
    assert!(allowed(libc::SYS_openat, [3, 0, 0, 0, 0, 0]));
    assert_eq!(
        verdict(libc::SYS_openat, [cwd, 0, 0, 0, 0, 0]),
        libc::SECCOMP_RET_ERRNO | libc::ENOENT as u32
    );
    assert!(!allowed(libc::SYS_prctl, [libc::PR_SET_DUMPABLE as u64, 1, 0, 0, 0, 0]));
    assert!(!allowed(libc::SYS_fcntl, [0, libc::F_SETOWN as u64, 1, 0, 0, 0]));
    assert!(!allowed(libc::SYS_prlimit64, [0, 7, 0x1000, 0, 0, 0]));
    assert!(allowed(libc::SYS_prlimit64, [0, 7, 0, 0x1000, 0, 0]));
}

#[test]
fn a_search_is_short() {
    // The kernel runs it for every number at installation.
    let program = compile(TABLE, OWN);
    assert!(program.len() < 800, "{}", program.len());
    for nr in 0..500 {
        let (mut pc, mut steps) = (4, 0);
        // Up to the first instruction that is not the search's.
        while let code = u32::from(program[pc].code)
            && code & 0x07 == libc::BPF_JMP
        {
            let i = &program[pc];
            steps += 1;
            pc += 1;
            pc += match code & 0xf0 {
                libc::BPF_JA => i.k as usize,
                libc::BPF_JGE => usize::from(if nr >= i.k { i.jt } else { i.jf }),
                other => panic!("{other:#x}"),
            };
        }
        assert!(steps <= 12, "{steps}");
    }
}

/// Against the table itself, read another way.
#[test]
fn every_number_gets_what_the_table_says() {
    let program = compile(TABLE, OWN);
    for nr in 0..1024 {
        let expected = match TABLE.iter().find(|rule| rule.nr == nr).map(|rule| rule.verdict) {
            None => libc::SECCOMP_RET_TRAP,
            Some(Verdict::Allow) => libc::SECCOMP_RET_ALLOW,
            Some(Verdict::Fail(errno) | Verdict::WhenElse(_, errno)) => {
                libc::SECCOMP_RET_ERRNO | errno as u32
            }
            Some(Verdict::When(_)) => continue,
        };
        // Working directories, which those with an alternative fail on.
        let args = [libc::AT_FDCWD as u64; 6];
        assert_eq!(run(&program, AUDIT_ARCH, nr.into(), args), expected, "{nr}");
    }
}
