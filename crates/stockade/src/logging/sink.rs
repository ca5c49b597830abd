//! Where lines go: a file or standard error, and the sandbox's own log; each line in one write(2), and no more of them than a
//! bound.

use super::journal::Journal;
use crate::config::{LogConfig, LogFormat};
use crate::failure::{Failure, reason};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use stockade_sentry::strace::Topic;
use tracing_subscriber::fmt::MakeWriter;

/// Bytes that one sandbox may write to its log file: a guest under strace must not fill the host's disk.
pub const LIMIT: u64 = 1 << 30;

/// Where lines go.
#[derive(Debug)]
pub struct Sink {
    file: Option<File>,
    format: LogFormat,
    left: AtomicU64,
    journal: Option<Journal>,
    /// Whether standard error is told of calls where there is no file.
    strace_to_stderr: bool,
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
        let format = config.format;
        Ok(Self { file, format, left: left.into(), journal: None, strace_to_stderr: false })
    }

    /// All lines go to the sandbox's own log, too.
    #[must_use]
    pub fn with_journal(self, journal: Journal) -> Self {
        Self { journal: Some(journal), ..self }
    }

    /// Without a file, lines about calls go to standard error only if its owner asked for them at the start.
    #[must_use]
    pub fn with_strace_to_stderr(self, wanted: bool) -> Self {
        Self { strace_to_stderr: wanted, ..self }
    }

    /// The descriptors that have to stay open in the sentry.
    #[must_use]
    pub fn keep(&self) -> Vec<RawFd> {
        let own = self.journal.iter().flat_map(Journal::keep);
        self.file.iter().map(AsRawFd::as_raw_fd).chain(own).collect()
    }

    /// How lines look.
    #[must_use]
    pub fn format(&self) -> LogFormat {
        self.format
    }

    pub(super) fn is_file(&self) -> bool {
        self.file.is_some()
    }

    /// A line about the task with this id in the sandbox's own PID namespace; `text` is without a line end.
    /// What cannot be written is lost: tracing must not change what is traced.
    pub fn task_line(&self, topic: Topic, task: u32, text: &str) {
        let (target, key) = match topic {
            Topic::Strace => ("strace", "call"),
            Topic::Packets => ("packets", "packet"),
        };
        let line = match self.format {
            LogFormat::Text => format!("[pid {task:5}] {text}\n"),
            LogFormat::Json => {
                let timestamp = jiff::Timestamp::now().to_string();
                let object = serde_json::json!({
                    "timestamp": timestamp, "target": target, "pid": task, key: text,
                });
                format!("{object}\n")
            }
        };
        if self.is_file() || (topic == Topic::Strace && self.strace_to_stderr) {
            drop(self.put(line.as_bytes()));
        }
        self.put_own(line.as_bytes());
    }

    fn put_own(&self, line: &[u8]) {
        if let Some(journal) = &self.journal {
            drop(journal.put(line));
        }
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
        Self { file: Some(file), format, left: limit.into(), journal: None, strace_to_stderr: false }
    }
}

/// Which of a sink's places.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    /// The file or standard error.
    Callers,
    /// The sandbox's own log.
    Own,
}

/// A line on its way; tracing hands each over as a whole.
#[derive(Debug)]
pub(super) struct Line<'a>(&'a Sink, Place);

impl Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        // A log that cannot be written must not disturb the sandbox.
        match self.1 {
            Place::Callers => drop(self.0.put(line)),
            Place::Own => self.0.put_own(line),
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A sink as tracing takes it.
#[derive(Debug)]
pub(super) struct Lines(pub(super) Arc<Sink>, pub(super) Place);

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line(&self.0, self.1)
    }
}
