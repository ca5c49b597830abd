//! `stockade logs --sentry`: the sandbox's own log of what Stockade did.

use crate::failure::{Failure, reason};
use crate::logging::paths;
use crate::state::StateDir;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// How often a log that is followed is looked at: each line of strace is a write to it.
const STEP: Duration = Duration::from_millis(50);

/// Prints what is kept, and what comes.
pub(super) fn run(
    state: &StateDir,
    id: &str,
    tail: Option<usize>,
    follow: bool,
) -> Result<ExitCode, Failure> {
    match print(state, id, tail, follow) {
        // A reader that went away is no error.
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::new(format!("sandbox {id}: its log: {}", reason(&e)), ""))
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}

fn print(state: &StateDir, id: &str, tail: Option<usize>, follow: bool) -> io::Result<()> {
    let mut log = Log::open(paths(&state.directory(id)))?;
    let mut text = Vec::new();
    log.previous.read_to_end(&mut text)?;
    log.read_on(&mut text)?;
    write(tail.map_or(text.as_slice(), |lines| last_lines(&text, lines)))?;
    let mut is_over = !follow;
    while !is_over {
        // Once more after its end: the last lines may have come just before.
        is_over = !state.is_alive(id).unwrap_or(false);
        std::thread::sleep(STEP);
        text.clear();
        log.read_on(&mut text)?;
        write(&text)?;
    }
    Ok(())
}

/// Both files; the newer one is copied to the older one and emptied when it is full.
struct Log {
    current: File,
    previous: File,
    at: u64,
}

impl Log {
    fn open([current, previous]: [PathBuf; 2]) -> io::Result<Self> {
        Ok(Self { current: File::open(current)?, previous: File::open(previous)?, at: 0 })
    }

    /// What was written since the last time, as far as it is kept.
    fn read_on(&mut self, text: &mut Vec<u8>) -> io::Result<()> {
        if self.current.metadata()?.len() < self.at {
            read_from(&self.previous, self.at, text)?;
            self.at = 0;
        }
        self.at += read_from(&self.current, self.at, text)?;
        Ok(())
    }
}

fn read_from(file: &File, start: u64, text: &mut Vec<u8>) -> io::Result<u64> {
    let mut part = vec![0; 64 << 10];
    let mut at = start;
    loop {
        let n = file.read_at(&mut part, at)?;
        if n == 0 {
            return Ok(at - start);
        }
        text.extend_from_slice(&part[..n]);
        at += n as u64;
    }
}

fn last_lines(text: &[u8], lines: usize) -> &[u8] {
    let ends = text.iter().enumerate().rev().filter(|(_, b)| **b == b'\n').map(|(i, _)| i + 1);
    // The first of them ends the last line.
    let start = if lines == 0 { text.len() } else { ends.skip(1).nth(lines - 1).unwrap_or(0) };
    &text[start..]
}

fn write(text: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text)?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_counted_from_the_end() {
        let text = b"a\nb\nc\n";
        for (lines, wanted) in [(0, &b""[..]), (1, b"c\n"), (2, b"b\nc\n"), (3, text), (9, text)] {
            assert_eq!(last_lines(text, lines), wanted, "{lines}");
        }
        assert_eq!(last_lines(b"", 2), b"");
    }

    #[test]
    fn what_is_moved_meanwhile_is_read_once() {
        let directory = tempfile::tempdir().unwrap();
        let paths = paths(directory.path());
        std::fs::write(&paths[0], "one\ntwo\n").unwrap();
        std::fs::write(&paths[1], "").unwrap();
        let mut log = Log::open(paths.clone()).unwrap();
        let mut read = || {
            let mut text = Vec::new();
            log.read_on(&mut text).unwrap();
            String::from_utf8(text).unwrap()
        };
        assert_eq!(read(), "one\ntwo\n");
        std::fs::write(&paths[1], "one\ntwo\nthree\n").unwrap();
        std::fs::write(&paths[0], "four\n").unwrap();
        assert_eq!(read(), "three\nfour\n");
        assert_eq!(read(), "");
    }
}
