//! Stacks of all threads of the sentry, with what each does, as text.

use std::fmt::Write as _;
use std::sync::Arc;

use serde::de::IgnoredAny;
use stockade_confine::profile::{Frame, Sample, Symbols, ThreadStack, thread_stacks};

use super::required;
use super::samples::text;
use crate::server::methods::Nothing;
use crate::server::{Error, Files, Sandbox};
use crate::types::profile::ProfileOpts;

/// What a function on a thread's stack, by file and name, says of what the thread waits for; the innermost counts.
const WAITS: &[(&str, &str, Wait)] = &[
    ("platform/src/notify/listener.rs", "receive", Wait::Guest),
    ("sentry/src/wait.rs", "park", Wait::Event),
    ("task/pause.rs", "take_part_in_pause", Wait::Words("stands still: the sandbox is paused")),
    ("task/stop.rs", "take_part_in_stop", Wait::Words("stands still: its process is stopped")),
    ("raw_mutex.rs", "lock_slow", Wait::Words("waits for a lock")),
    ("raw_rwlock.rs", "lock_exclusive_slow", Wait::Words("waits for a lock")),
    ("raw_rwlock.rs", "lock_shared_slow", Wait::Words("waits for a lock")),
    ("task/workers.rs", "next", Wait::Words("waits for a task to serve")),
    ("task/group.rs", "wait_exited", Wait::Words("waits for a process to end")),
    ("task/kernel.rs", "wait", Wait::Words("waits for the end of the sandbox")),
    ("server/connections.rs", "accept", Wait::Words("waits for connections")),
    ("wire/connection.rs", "receive", Wait::Words("waits for a call")),
    ("front/sentry.rs", "asked", Wait::Words("waits for the front")),
    ("time/service.rs", "serve", Wait::Words("waits for the next timer")),
    ("stdio/watch.rs", "run", Wait::Words("waits for streams of the host")),
];

#[derive(Clone, Copy)]
enum Wait {
    /// For the next call of its guest thread.
    Guest,
    /// For what a call is about.
    Event,
    Words(&'static str),
}

/// `Profile.Goroutine`
pub(in crate::server) fn goroutine(
    sandbox: &Arc<Sandbox>,
    args: ProfileOpts,
    files: Files,
) -> Result<Nothing, Error> {
    required(files, &args.file)?.finish(all(sandbox)?.as_bytes())?;
    Ok(Nothing {})
}

/// `debug.Stacks`
pub(in crate::server) fn stacks(sandbox: &Arc<Sandbox>, _: IgnoredAny, _: Files) -> Result<String, Error> {
    all(sandbox)
}

fn all(sandbox: &Sandbox) -> Result<String, Error> {
    let failed = |e| Error::new(format!("the sentry's threads cannot be listed: {e}"));
    let threads = thread_stacks(sandbox.proc()).map_err(failed)?;
    Ok(Symbols::with(sandbox.program.as_ref(), |symbols| {
        let mut out = String::new();
        for thread in &threads {
            describe(thread, symbols, &mut out);
        }
        out
    }))
}

fn describe(thread: &ThreadStack, symbols: &Symbols<'_>, out: &mut String) {
    let Some(sample) = &thread.sample else {
        let _ = writeln!(out, "thread {} [does not answer: the host has stopped it]\n", thread.tid);
        return;
    };
    let frames: Vec<(usize, Vec<Frame>)> = sample
        .stack()
        .iter()
        .enumerate()
        .map(|(depth, &address)| (address, symbols.resolve(address.saturating_sub(usize::from(depth > 0)))))
        .collect();
    let functions = frames.iter().flat_map(|(_, frames)| frames);
    let _ = writeln!(
        out,
        "thread {} {:?} [{}{}]:",
        thread.tid,
        text(&sample.thread),
        whom(sample),
        doing(sample, thread.sleeps, functions)
    );
    for (address, frames) in &frames {
        let mut lead = format!("  {address:#x}");
        for frame in frames {
            let _ = write!(out, "{lead} {}", frame.function);
            if frame.line > 0 {
                let _ = write!(out, " at {}:{}", frame.file, frame.line);
            }
            out.push('\n');
            lead = "     ".into();
        }
        if frames.is_empty() {
            let _ = writeln!(out, "{lead}");
        }
    }
    out.push('\n');
}

/// For whom a thread works.
fn whom(sample: &Sample) -> String {
    let label = &sample.label;
    if label.pid == 0 {
        return String::new();
    }
    format!("PID {}, thread {}, {}: ", label.pid, label.tid, text(&label.command))
}

/// What it does, from the call that it serves and where it is.
fn doing<'a>(sample: &Sample, sleeps: bool, mut functions: impl Iterator<Item = &'a Frame>) -> String {
    let call = sample.call.copied();
    let within = call.map(|call| format!("in {call}, ")).unwrap_or_default();
    let is = |frame: &Frame, file: &str, name: &str| {
        frame.file.ends_with(file) && frame.function.rsplit("::").next() == Some(name)
    };
    let wait = functions.find_map(|frame| {
        WAITS.iter().find(|(file, name, _)| is(frame, file, name)).map(|(_, _, wait)| *wait)
    });
    match wait {
        Some(Wait::Guest) if call.is_none() => "its guest thread runs, or is about to".into(),
        Some(Wait::Event) => match call {
            Some(call) => format!("in {call}, waits for what the call is about"),
            None => "waits".into(),
        },
        Some(Wait::Words(words)) => format!("{within}{words}"),
        _ if sleeps => format!("{within}waits for the host"),
        _ => format!("{within}runs"),
    }
}
