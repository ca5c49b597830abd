#![expect(unsafe_code, reason = "crashes in child processes")]

use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::process::Command;

use super::*;

/// Runs `crash` in a process of its own: the test `name` of this very program, alone and on the main thread.
fn report_of(name: &str, crash: fn()) -> Option<String> {
    const MARK: &str = "STOCKADE_CRASH_TEST";
    if std::env::var(MARK).is_ok() {
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(std::env::var(MARK).unwrap())
            .unwrap();
        install(file.try_clone().unwrap().into()).unwrap();
        show_threads(File::open("/proc").unwrap().into());
        set_call(Some(&"frobnicate"));
        crash();
        file.rewind().unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        panic!("it lives: {text}");
    }
    let path = std::env::temp_dir().join(format!("stockade-crash-{}-{name}", std::process::id()));
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", &format!("crash::tests::{name}"), "--test-threads=1", "--nocapture"]);
    let output = command.env(MARK, &path).output().unwrap();
    let report = std::fs::read_to_string(&path).unwrap_or_default();
    let _ = std::fs::remove_file(&path);
    assert_eq!(output.status.code(), Some(CRASH_STATUS.into()), "{report}{output:?}");
    Some(report)
}

fn assert_has(report: &str, texts: &[&str]) {
    for text in texts {
        assert!(report.contains(text), "no {text:?} in:\n{report}");
    }
}

#[test]
fn segfault() {
    // SAFETY: it crashes, as it should.
    let crash = || unsafe {
        std::ptr::without_provenance::<u8>(0x1234).read_volatile();
    };
    let report = report_of("segfault", crash).unwrap();
    let version = concat!("Stockade ", env!("CARGO_PKG_VERSION"));
    assert_has(
        &report,
        &[version, "cause: SIGSEGV", "address 0x1234", "serving frobnicate:", "end of the report"],
    );
    assert!(report.lines().filter(|line| line.starts_with("  0x")).count() > 3, "{report}");
}

#[test]
fn panic_with_a_literal() {
    let report = report_of("panic_with_a_literal", || panic!("a literal")).unwrap();
    assert_has(
        &report,
        &["cause: panic: a literal", "crash/tests.rs:", "serving frobnicate:", "end of the report"],
    );
}

#[test]
fn panic_with_a_guests_data() {
    let secret = || panic!("secret: {}", std::env::args().count() + 41_000);
    let report = report_of("panic_with_a_guests_data", secret).unwrap();
    assert_has(&report, &["cause: panic: a formatted message, left out", "end of the report"]);
    assert!(!report.contains("secret") && !report.contains("4100"), "{report}");
}

#[test]
fn abort() {
    let report = report_of("abort", || std::process::abort()).unwrap();
    assert_has(&report, &["cause: SIGABRT", "end of the report"]);
}

#[test]
fn refused_call() {
    let report = report_of("refused_call", || {
        // SAFETY: no pointers.
        unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
        crate::seccomp::install().unwrap();
        // SAFETY: no pointers.
        unsafe { libc::socket(libc::AF_INET, libc::SOCK_STREAM, 0) };
    });
    let report = with_names(&report.unwrap());
    let call = "socket (number 41) is not in the sentry's list of host calls: 0x2 0x1 0x0";
    assert_has(&report, &["cause: SIGSYS", call, "serving frobnicate:", "end of the report"]);
}

#[test]
fn other_threads() {
    let report = report_of("other_threads", || {
        let (tx, rx) = std::sync::mpsc::channel();
        for name in &["openat", "read"] {
            let tx = tx.clone();
            std::thread::spawn(move || {
                let _stack = guard_thread().unwrap();
                set_call(Some(name));
                tx.send(()).unwrap();
                std::thread::park();
            });
        }
        rx.recv().unwrap();
        rx.recv().unwrap();
        panic!("with company");
    });
    assert_has(
        &report.unwrap(),
        &["serving frobnicate:", "serving openat:", "serving read:", "end of the report"],
    );
}

#[test]
fn stack_overflow_on_a_thread() {
    fn deeper(n: u64) -> u64 {
        let page = std::hint::black_box([n; 256]);
        if page[1] == u64::MAX { n } else { deeper(n + 1).wrapping_add(page[(n % 256) as usize]) }
    }
    let report = report_of("stack_overflow_on_a_thread", || {
        let thread = std::thread::spawn(|| {
            let _stack = guard_thread().unwrap();
            deeper(0)
        });
        thread.join().unwrap();
    });
    let report = report.unwrap();
    assert_has(&report, &["cause: SIGSEGV", "a stack overflow", "end of the report"]);
    assert!(report.lines().filter(|line| line.starts_with("  0x")).count() > 20, "{report}");
}

#[test]
fn fault_on_an_unguarded_thread() {
    let report = report_of("fault_on_an_unguarded_thread", || {
        // SAFETY: it crashes, as it should.
        let crash = || unsafe { std::ptr::without_provenance::<u8>(0x1234).read_volatile() };
        std::thread::spawn(crash).join().unwrap();
    });
    assert_has(
        &report.unwrap(),
        &["cause: SIGSEGV", "too small", "serving frobnicate:", "end of the report"],
    );
}

#[test]
fn names_its_frames() {
    let mut report = String::new();
    backtrace::trace(|frame| {
        report += &format!("  {:#x}\n", frame.ip().addr());
        true
    });
    let named = with_names(&format!("x\n{report}host call: 9 0x0 0x1000 0x7 0x22 0x0 0x0\n"));
    assert_has(
        &named,
        &["names_its_frames", "mmap (number 9) is not allowed with these arguments: 0x0 0x1000 0x7"],
    );
}
