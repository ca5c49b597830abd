//! Text to a descriptor, without memory from the heap: for signal handlers.

#![expect(unsafe_code, reason = "a descriptor known by number only")]

use std::fmt::{self, Write};
use std::sync::atomic::{AtomicI32, Ordering};

/// Where the report goes; negative if nowhere.
pub(super) static REPORT: AtomicI32 = AtomicI32::new(-1);

/// Collects a line and writes it.
pub(super) struct Out {
    line: [u8; 160],
    len: usize,
}

impl Out {
    pub(super) const fn new() -> Self {
        Self { line: [0; 160], len: 0 }
    }

    fn flush(&mut self) {
        let mut rest = &self.line[..self.len];
        while !rest.is_empty() {
            let fd = REPORT.load(Ordering::Relaxed);
            // SAFETY: reads from a slice of ours. A bad descriptor is an error like others.
            let n = unsafe { libc::write(fd, rest.as_ptr().cast(), rest.len()) };
            match usize::try_from(n) {
                Ok(n @ 1..) => rest = rest.get(n..).unwrap_or_default(),
                // Interrupted, or nobody to tell.
                _ if n < 0 && last_errno() == libc::EINTR => {}
                _ => break,
            }
        }
        self.len = 0;
    }
}

impl Write for Out {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for &byte in text.as_bytes() {
            if self.len == self.line.len() {
                self.flush();
            }
            self.line[self.len] = byte;
            self.len += 1;
        }
        if text.ends_with('\n') {
            self.flush();
        }
        Ok(())
    }
}

impl Drop for Out {
    fn drop(&mut self) {
        self.flush();
    }
}

/// The C library's errno of this thread.
pub(super) fn last_errno() -> i32 {
    // SAFETY: the location is this thread's for as long as it lives.
    unsafe { *libc::__errno_location() }
}

/// Writes a formatted line. Nothing can be done about a report that cannot be written.
macro_rules! line {
    ($($text:tt)*) => {{
        use std::fmt::Write as _;
        let _ = writeln!($crate::crash::out::Out::new(), $($text)*);
    }};
}
pub(super) use line;
