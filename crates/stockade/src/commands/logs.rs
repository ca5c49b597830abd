//! `stockade logs`: what the programs of a detached sandbox printed.

mod sentry;

use crate::cli::LogsArgs;
use crate::failure::{Failure, reason};
use crate::output::{Entry, Follow, Stream, Watch};
use crate::state::{StateDir, Status};
use std::collections::VecDeque;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

/// Prints it, each stream to its own.
pub(super) fn run(args: &LogsArgs, state_dir: Option<&Path>) -> Result<ExitCode, Failure> {
    let state = StateDir::open(state_dir)?;
    let record = state.sandbox(&args.id)?;
    if args.sentry {
        return sentry::run(&state, &args.id, args.tail, args.follow);
    }
    if !record.detached {
        return Err(Failure::new(
            format!("sandbox {}: its output goes where `stockade do` was called", args.id),
            format!(
                "what detached sandboxes print is kept; `stockade logs --sentry {}` prints Stockade's own log",
                args.id
            ),
        ));
    }
    let on_host = |e: io::Error| Failure::new(format!("sandbox {}: {}", args.id, reason(&e)), "");
    let directory = state.directory(&args.id);
    let watch = args.follow.then(|| Watch::new(&directory)).transpose().map_err(on_host)?;
    let mut log = Follow::open(&directory).map_err(on_host)?;
    let mut printer = Printer::new(args);
    let mut is_over = watch.is_none();
    loop {
        let outcome = match log.next() {
            Ok(Some(entry)) => printer.take(&entry),
            Ok(None) => printer.caught_up(),
            Err(e) => return Err(on_host(e)),
        };
        match outcome {
            Ok(true) => continue,
            Ok(false) => {}
            // A reader that went away is no error.
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => return Ok(ExitCode::SUCCESS),
            Err(e) => return Err(Failure::new(format!("standard output: {}", reason(&e)), "")),
        }
        match &watch {
            // Once more: the last lines may have come just before the end.
            Some(watch) if !is_over => {
                watch.wait().map_err(on_host)?;
                is_over = state.sandbox(&args.id).is_ok_and(|r| r.status == Status::Stopped)
                    || !state.is_alive(&args.id)?;
            }
            _ => return Ok(ExitCode::SUCCESS),
        }
    }
}

/// Prints entries, or keeps the last ones first.
struct Printer<'a> {
    args: &'a LogsArgs,
    /// Lines that will be printed when all that is there was read, if only the last are wanted.
    tail: Option<VecDeque<(Stream, Vec<u8>)>>,
    /// Whether what is next begins a line, per stream.
    begins: [bool; 2],
}

impl<'a> Printer<'a> {
    fn new(args: &'a LogsArgs) -> Self {
        Self { args, tail: args.tail.map(|_| VecDeque::new()), begins: [true; 2] }
    }

    fn take(&mut self, entry: &Entry<'_>) -> io::Result<bool> {
        if self.args.since.as_ref().is_some_and(|since| entry.time < since.0.as_str()) {
            return Ok(true);
        }
        let begins = &mut self.begins[usize::from(entry.stream == Stream::Err)];
        let mut text = Vec::with_capacity(entry.text.len() + 40);
        if self.args.timestamps && *begins {
            text.extend_from_slice(entry.time.as_bytes());
            text.push(b' ');
        }
        text.extend_from_slice(entry.text);
        if entry.is_full {
            text.push(b'\n');
        }
        let continues = !*begins;
        *begins = entry.is_full;
        match (&mut self.tail, self.args.tail) {
            (Some(tail), Some(most)) => {
                match tail.iter_mut().rev().find(|(stream, _)| *stream == entry.stream) {
                    Some((_, line)) if continues => line.extend_from_slice(&text),
                    _ => tail.push_back((entry.stream, text)),
                }
                if tail.len() > most {
                    tail.pop_front();
                }
                Ok(true)
            }
            _ => print(entry.stream, &text).map(|()| true),
        }
    }

    /// All that is there was read; false if there is nothing to print either.
    fn caught_up(&mut self) -> io::Result<bool> {
        for (stream, line) in self.tail.take().into_iter().flatten() {
            print(stream, &line)?;
        }
        io::stdout().flush()?;
        Ok(false)
    }
}

fn print(stream: Stream, text: &[u8]) -> io::Result<()> {
    match stream {
        Stream::Out => io::stdout().write_all(text),
        Stream::Err => {
            // In the order in which they were written, where both go to one terminal.
            io::stdout().flush()?;
            io::stderr().write_all(text)
        }
    }
}
