//! How far something is that takes a while: one line on a terminal, and nothing anywhere else.

use crate::parse::format_size;
use std::io::{IsTerminal as _, Write as _};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread::scope;
use std::time::{Duration, Instant};

/// What is sooner over is not talked about.
const SILENCE: Duration = Duration::from_secs(1);
const STEP: Duration = Duration::from_millis(200);

/// Does something, and meanwhile shows how many bytes of it are done.
pub(crate) fn during<T>(what: &str, bytes: impl Fn() -> u64 + Send, work: impl FnOnce() -> T) -> T {
    if !std::io::stderr().is_terminal() {
        return work();
    }
    scope(|scope| {
        let (done, is_done) = channel::<()>();
        scope.spawn(move || {
            let start = Instant::now();
            let mut wait = SILENCE;
            while is_done.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
                show(&line(what, bytes(), start.elapsed()));
                wait = STEP;
            }
            if wait == STEP {
                show("");
            }
        });
        let result = work();
        drop(done);
        result
    })
}

fn line(what: &str, bytes: u64, elapsed: Duration) -> String {
    let rate = u128::from(bytes) * 1000 / elapsed.as_millis().max(1);
    let rate = u64::try_from(rate).unwrap_or(u64::MAX);
    format!("{what}: {}, {}/s", format_size(bytes), format_size(rate))
}

/// In the place of what was shown before.
fn show(text: &str) {
    drop(std::io::stderr().write_all(format!("\r\x1b[K{text}").as_bytes()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_bytes_and_rate() {
        assert_eq!(line("saving", 3 << 20, Duration::from_millis(1500)), "saving: 3 MiB, 2 MiB/s");
        assert_eq!(line("saving", 0, Duration::ZERO), "saving: 0 bytes, 0 bytes/s");
        assert_eq!(during("saving", || 0, || 7), 7);
    }
}
