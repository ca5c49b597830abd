//! Where lines go: a file or standard error, each line in one write(2), and no more of them than a bound.

use crate::config::{LogConfig, LogFormat};
use crate::failure::{Failure, reason};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tracing_subscriber::fmt::MakeWriter;

/// Bytes that one sandbox may write to its log file: a guest under strace must not fill the host's disk.
pub const LIMIT: u64 = 1 << 30;

/// Where lines go.
#[derive(Debug)]
pub struct Sink {
    file: Option<File>,
    format: LogFormat,
    left: AtomicU64,
}

impl Sink {
    /// Opens the file, with mode 0600 if it is new. For the front: the sentry cannot open it any more.
    ///
    /// # Errors
    /// When the host refuses.
    pub fn open(config: &LogConfig) -> Result<Self, Failure> {
        let open = |path| OpenOptions::new().append(true).create(true).mode(0o600).open(path);
        let file = config.file.as_ref().map(open).transpose().map_err(|e| {
            let path = config.file.as_deref().unwrap_or("".as_ref()).display();
            Failure::new(format!("--log {path}: {}", reason(&e)), "give a file that you may write to")
        })?;
        let left = if file.is_some() { LIMIT } else { u64::MAX };
        Ok(Self { file, format: config.format, left: left.into() })
    }

    /// The descriptor that has to stay open in the sentry.
    #[must_use]
    pub fn keep(&self) -> Option<RawFd> {
        self.file.as_ref().map(AsRawFd::as_raw_fd)
    }

    /// How lines look.
    #[must_use]
    pub fn format(&self) -> LogFormat {
        self.format
    }

    pub(super) fn is_file(&self) -> bool {
        self.file.is_some()
    }

    /// A line of strace, of the task with this id in the sandbox's own PID namespace; `call` is without a line end.
    /// What cannot be written is lost: tracing must not change what is traced.
    pub fn strace_line(&self, task: u32, call: &str) {
        let line = match self.format {
            LogFormat::Text => format!("[pid {task:5}] {call}\n"),
            LogFormat::Json => {
                let timestamp = jiff::Timestamp::now().to_string();
                let object = serde_json::json!({
                    "timestamp": timestamp, "target": "strace", "pid": task, "call": call,
                });
                format!("{object}\n")
            }
        };
        drop(self.put(line.as_bytes()));
    }

    fn put(&self, line: &[u8]) -> io::Result<()> {
        let Some(mut file) = self.file.as_ref() else {
            return io::stderr().write_all(line);
        };
        let size = line.len() as u64;
        match self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
            (left > 0).then(|| left.saturating_sub(size))
        }) {
            Ok(left) if left > size => file.write_all(line),
            Ok(_) => file.write_all(self.last_line().as_bytes()),
            Err(_) => Ok(()),
        }
    }

    fn last_line(&self) -> String {
        let message = format!("the log has reached its bound of {LIMIT} bytes and ends here");
        match self.format {
            LogFormat::Text => format!("{message}\n"),
            LogFormat::Json => format!("{}\n", serde_json::json!({ "level": "WARN", "message": message })),
        }
    }

    #[cfg(test)]
    pub(super) fn bounded(file: File, format: LogFormat, limit: u64) -> Self {
        Self { file: Some(file), format, left: limit.into() }
    }
}

/// A line on its way; tracing hands each over as a whole.
#[derive(Debug)]
pub(super) struct Line<'a>(&'a Sink);

impl Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        // A log that cannot be written must not disturb the sandbox.
        drop(self.0.put(line));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A sink as tracing takes it.
#[derive(Debug)]
pub(super) struct Lines(pub(super) Arc<Sink>);

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line(&self.0)
    }
}
