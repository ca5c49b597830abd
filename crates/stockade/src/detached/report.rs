//! What the monitor tells the command that waits for it: an object of JSON per line, over a pipe.

use rustix::pipe::{PipeFlags, pipe_with};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Write as _};

/// What happened.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Report {
    /// Something that the caller should know.
    Notice(String),
    /// The first program runs; nothing follows.
    Started,
    /// It does not; nothing follows.
    Failed {
        /// The exit status of the command.
        status: u8,
        /// What there is to say beyond that.
        message: Option<String>,
    },
}

/// The command's end.
#[derive(Debug)]
pub(crate) struct Reports(BufReader<File>);

/// The monitor's end.
#[derive(Debug)]
pub(super) struct Reporter(File);

pub(super) fn channel() -> io::Result<(Reports, Reporter)> {
    let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
    Ok((Reports(BufReader::new(read.into())), Reporter(write.into())))
}

impl Reports {
    /// The next; none if the monitor is gone.
    pub(super) fn next(&mut self) -> io::Result<Option<Report>> {
        let mut line = String::new();
        match self.0.read_line(&mut line)? {
            0 => Ok(None),
            _ => Ok(Some(serde_json::from_str(&line)?)),
        }
    }
}

impl Reporter {
    /// Tells it; EPIPE if nobody waits any more.
    pub(super) fn tell(&mut self, report: &Report) -> io::Result<()> {
        let mut line = serde_json::to_vec(report)?;
        line.push(b'\n');
        self.0.write_all(&line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_arrive_in_order() {
        let (mut reports, mut reporter) = channel().unwrap();
        let failed = Report::Failed { status: 127, message: Some("a\nb".into()) };
        reporter.tell(&Report::Notice("n".into())).unwrap();
        reporter.tell(&failed).unwrap();
        drop(reporter);
        assert_eq!(reports.next().unwrap(), Some(Report::Notice("n".into())));
        assert_eq!(reports.next().unwrap(), Some(failed));
        assert_eq!(reports.next().unwrap(), None);
    }
}
