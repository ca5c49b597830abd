//! Calls as events: noted by the thread that makes the call, and put into words by whoever reads them.

use std::time::Duration;

use super::format::{self, Pointees};
use super::name;
use crate::syscalls::table::Syscall;
use crate::syscalls::{Args, SysResult};
use crate::task::Task;

/// A call begins or has ended.
pub struct Event {
    tid: i32,
    process: Process,
    number: u64,
    entry: Option<&'static Syscall>,
    args: Args,
    pointees: Pointees,
    end: Option<(SysResult, Duration)>,
}

/// `comm`, which is this long at most.
#[derive(Clone, Copy)]
struct Process([u8; 16]);

/// What an event says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The thread's number in the root PID namespace.
    pub tid: i32,
    /// The thread's name (`comm`).
    pub process: String,
    /// The call's name.
    pub function: String,
    /// Its arguments, as strace(1) writes them; of one that ends, with what it gave.
    pub args: Vec<String>,
    /// How it ended; none if it begins.
    pub end: Option<End>,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// What it gave, or why it failed.
    pub result: SysResult,
    /// How long it took.
    pub elapsed: Duration,
}

impl Event {
    /// `task` makes a call.
    pub(super) fn begin(
        task: &Task,
        number: u64,
        args: &Args,
        entry: Option<&'static Syscall>,
        pointees: Pointees,
    ) -> Self {
        let mut process = [0; 16];
        {
            let name = task.name.read();
            let shown = name.len().min(process.len());
            process[..shown].copy_from_slice(&name[..shown]);
        }
        let process = Process(process);
        Self { tid: task.tid(), process, number, entry, args: Args(args.0), pointees, end: None }
    }

    /// What the end of the same call will be told with.
    pub(super) fn ending(&self) -> Self {
        Self { args: Args(self.args.0), pointees: Pointees::default(), ..*self }
    }

    /// The call has been made.
    pub(super) fn ended(self, pointees: Pointees, result: SysResult, elapsed: Duration) -> Self {
        Self { pointees, end: Some((result, elapsed)), ..self }
    }

    /// Bytes that it takes beside itself.
    pub(super) fn extra(&self) -> usize {
        self.pointees.len()
    }

    /// In words.
    #[must_use]
    pub fn record(&self) -> Record {
        let mut args = Vec::with_capacity(6);
        for i in 0..format::count(self.entry, &self.args) {
            let mut text = String::new();
            format::argument(&mut text, &self.args, self.entry, i, &self.pointees);
            args.push(text);
        }
        let bytes = self.process.0.split(|&b| b == 0).next().unwrap_or_default();
        Record {
            tid: self.tid,
            process: String::from_utf8_lossy(bytes).into_owned(),
            function: name(self.number, self.entry).into_owned(),
            args,
            end: self.end.map(|(result, elapsed)| End { result, elapsed }),
        }
    }
}
