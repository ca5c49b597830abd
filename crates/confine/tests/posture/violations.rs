//! What a sentry must not do, and what it leaves behind when it does.

use std::time::Duration;

use stockade_confine::{Access, End, SentryHost, crash};

use crate::tools::{Case, case, start, tree};

pub(crate) const CASES: &[Case] = &[
    case("refused calls end it with a report", refused),
    case("a panic leaves a report", panics),
    case("a fault on a thread leaves a report", faults),
    case("a report shows all threads", threads),
    case("what the sentry needs is allowed", allowed),
];

/// The report of a sentry that locks down and then does this.
fn report_of(crime: impl FnOnce(&SentryHost)) -> String {
    let mut handle = start(&[tree("/", Access::ReadOnly)], |host| {
        host.lock_down().expect("lock_down");
        crash::set_call(Some(&"frobnicate"));
        crime(&host);
        0
    });
    let end = handle.wait().expect("waitid");
    let report = handle.crash_report().expect("readable").unwrap_or_default();
    assert_eq!(end, End::Crashed, "{report}");
    assert!(report.starts_with("Stockade "), "{report}");
    assert!(report.contains("serving frobnicate:") && report.ends_with("end of the report\n"), "{report}");
    report
}

fn assert_has(report: &str, texts: &[&str]) {
    for text in texts {
        assert!(report.contains(text), "no {text:?} in:\n{report}");
    }
}

#[expect(unsafe_code, reason = "calls that the filter refuses")]
fn refused() {
    type Crime = fn() -> libc::c_long;
    // SAFETY: none of them is carried out.
    let crimes: [(&str, Crime); 9] = unsafe {
        [
            ("execve", || libc::syscall(libc::SYS_execve, c"/bin/sh".as_ptr(), 0, 0)),
            ("fork", || libc::syscall(libc::SYS_fork)),
            ("clone", || libc::syscall(libc::SYS_clone, libc::CLONE_NEWUSER | libc::SIGCHLD, 0, 0, 0, 0)),
            ("socket", || libc::socket(libc::AF_INET, libc::SOCK_STREAM, 0).into()),
            ("mprotect", || libc::mprotect(std::ptr::null_mut(), 4096, libc::PROT_EXEC).into()),
            ("ioctl", || libc::ioctl(0, libc::TIOCSTI, c"x".as_ptr()).into()),
            ("mount", || {
                libc::mount(c"/".as_ptr(), c"/".as_ptr(), std::ptr::null(), 0, std::ptr::null()).into()
            }),
            ("prctl", || libc::prctl(libc::PR_SET_DUMPABLE, 1, 0, 0, 0).into()),
            ("setuid", || libc::syscall(libc::SYS_setuid, 0)),
        ]
    };
    for (name, crime) in crimes {
        let report = report_of(|_| {
            crime();
        });
        let refusal = format!("{name} (number ");
        assert_has(&report, &["cause: SIGSYS", &refusal]);
    }
}

fn panics() {
    let report = report_of(|_| panic!("on purpose"));
    assert_has(&report, &["cause: panic: on purpose", "violations.rs:"]);
}

#[expect(unsafe_code, reason = "a fault")]
fn faults() {
    let report = report_of(|_| {
        let thread = std::thread::Builder::new().name("guilty".into());
        let thread = thread.spawn(|| {
            let _stack = crash::guard_thread().expect("sigaltstack");
            crash::set_call(Some(&"guilty"));
            // SAFETY: it crashes, as it should.
            unsafe { std::ptr::without_provenance::<u8>(0xdead_b000).read_volatile() }
        });
        let _ = thread.expect("a thread").join();
    });
    assert_has(&report, &["cause: SIGSEGV", "address 0xdeadb000", "serving guilty:", "violations.rs:"]);
}

fn threads() {
    let report = report_of(|_| {
        for call in &["openat", "read"] {
            std::thread::spawn(move || {
                crash::set_call(Some(call));
                std::thread::sleep(Duration::from_secs(100));
            });
        }
        std::thread::sleep(Duration::from_millis(50));
        panic!("with company");
    });
    assert_has(&report, &["serving openat:", "serving read:"]);
}

/// What the standard library and the C library do behind one's back.
fn allowed() {
    let mut handle = start(&[tree("/", Access::ReadOnly)], |host| {
        host.lock_down().expect("lock_down");
        let _ = std::thread::available_parallelism();
        let _ = std::env::current_dir();
        let _ = std::fs::read("/proc/self/cgroup");
        let _ = std::fs::metadata("/etc");
        let _ = std::time::SystemTime::now();
        let _ = std::collections::HashMap::from([(1, 2)]);
        let big: Vec<Vec<u8>> = (0..64).map(|n| vec![n; 1 << 20]).collect();
        let threads: Vec<_> = (0..8)
            .map(|n| std::thread::Builder::new().name(format!("t{n}")).spawn(move || vec![n; 1 << 20].len()))
            .collect();
        for thread in threads {
            assert_eq!(thread.expect("spawn").join().expect("join"), 1 << 20);
        }
        let lock = std::sync::Arc::new((std::sync::Mutex::new(0), std::sync::Condvar::new()));
        let guard = lock.0.lock().expect("lock");
        drop(lock.1.wait_timeout(guard, Duration::from_millis(1)));
        u8::from(big.len() == 64) + 6
    });
    let end = handle.wait().expect("waitid");
    assert_eq!(end, End::Exited(7), "{:?}", handle.crash_report());
}
