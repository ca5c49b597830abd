//! Guest programs, area by area: each must say inside a sandbox what it says on Linux, also if the sandbox is saved and
//! restored again and again meanwhile.

use std::path::Path;

use stockade_oracle::{compare, repository};

/// Declares an area: two tests for each of its programs.
macro_rules! areas {
    ($($area:ident: $($program:ident)*;)*) => {
        $(mod $area {
            $(#[test]
            fn $program() {
                super::check(stringify!($area), stringify!($program));
            })*

            mod interrupted {
                $(#[test]
                fn $program() {
                    super::super::check_interrupted(stringify!($area), stringify!($program));
                })*
            }
        })*

        const ALL: &[(&str, &[&str])] = &[$((stringify!($area), &[$(stringify!($program)),*])),*];
    };
}

areas! {
    events: epoll eventfd pipe poll;
    files: copy data descriptors directory inotify locks mounts names open perm stat walk;
    futex: pi shared wait;
    loader: auxv dynamic errors script;
    memory: brk madvise memfd mmap mremap protect share stack;
    misc: abi compat;
    proc: maps own system;
    signals: action altstack fault fpu info mask queue restart restart_waits signalfd stop timedwait;
    tasks: caps clone creds exec exit fork orphan pidfd pidns prctl races rlimit robust sched session setuid times wait;
    time: clock itimer sleep timer vdso;
    tty: control line pty;
    unix: message named pair;
}

fn check(area: &str, program: &str) {
    if let Err(report) = compare::program(Path::new(env!("CARGO_TARGET_TMPDIR")), area, program) {
        panic!("{area}/{program}: {report}");
    }
}

fn check_interrupted(area: &str, program: &str) {
    if let Err(report) = compare::interrupted(Path::new(env!("CARGO_TARGET_TMPDIR")), area, program) {
        panic!("{area}/{program}, saved and restored: {report}");
    }
}

#[test]
fn every_program_is_listed() {
    let mut found = Vec::new();
    for area in repository().join("tests/guest").read_dir().unwrap().map(Result::unwrap) {
        if !area.file_type().unwrap().is_dir() {
            continue;
        }
        for file in area.path().read_dir().unwrap().map(Result::unwrap) {
            let path = file.path();
            if path.extension().is_some_and(|e| e == "c") {
                found.push((area.file_name(), path.file_stem().unwrap().to_owned()));
            }
        }
    }
    found.sort();
    let mut listed: Vec<_> =
        ALL.iter().flat_map(|(a, ps)| ps.iter().map(|p| ((*a).into(), (*p).into()))).collect();
    listed.sort();
    assert_eq!(found, listed);
}
