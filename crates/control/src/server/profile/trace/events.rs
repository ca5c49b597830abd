//! Records as trace events.

use std::collections::HashMap;
use std::io::{self, Write};

use serde::Serialize;
use stockade_abi::nr;
use stockade_sentry::syscalls::SysResult;
use stockade_sentry::trace::{Record, What};

use crate::server::profile::samples::text;

/// Something of a task that has begun and not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Open {
    Call(u64),
    Wait,
}

/// Turns records into events that viewers can nest: what ends has begun, and what has begun ends.
pub(super) struct Events {
    begun: u64,
    /// By thread; empty for one that was seen.
    open: HashMap<i32, (i32, Vec<Open>)>,
    lost: u64,
    is_first: bool,
}

#[derive(Serialize)]
struct Event<'a, A> {
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    cat: &'a str,
    ph: char,
    /// Microseconds.
    ts: Micros,
    #[serde(skip_serializing_if = "Option::is_none")]
    dur: Option<Micros>,
    pid: i32,
    tid: i32,
    /// Of an instant: it is its thread's.
    #[serde(skip_serializing_if = "Option::is_none")]
    s: Option<char>,
    #[serde(skip_serializing_if = "Option::is_none")]
    args: Option<A>,
}

/// Nanoseconds, written as microseconds.
struct Micros(u64);

impl Serialize for Micros {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.0 as f64 / 1000.0)
    }
}

#[derive(Serialize)]
struct Named<'a> {
    name: &'a str,
}

#[derive(Serialize)]
struct Ended {
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'static str>,
}

#[derive(Serialize)]
struct OnCpu {
    cpu: u32,
}

#[derive(Serialize)]
struct At {
    address: String,
}

#[derive(Serialize)]
struct Faults {
    minor: u64,
    major: u64,
}

#[derive(Serialize)]
struct Remarks<'a> {
    sandbox: &'a str,
    version: &'a str,
    /// Records that found no room.
    lost: u64,
}

/// What has no arguments.
const NONE: Option<()> = None;

fn call_name(number: u64) -> &'static str {
    nr::name(number).unwrap_or("unknown call")
}

fn ended(result: SysResult) -> Ended {
    match result {
        Ok(value) => Ended { result: Some(value.cast_signed()), error: None },
        Err(e) if e.is_restart() => Ended { result: None, error: Some("interrupted") },
        Err(e) => Ended { result: None, error: Some(e.name().unwrap_or("unknown error")) },
    }
}

impl Events {
    /// Of a trace that begins then.
    pub(super) fn new(begun: u64) -> Self {
        Self { begun, open: HashMap::new(), lost: 0, is_first: true }
    }

    pub(super) fn begin(&self, out: &mut impl Write) -> io::Result<()> {
        out.write_all(b"{\"displayTimeUnit\":\"ns\",\"traceEvents\":[")
    }

    /// So many records were lost.
    pub(super) fn lose(&mut self, lost: u64) {
        self.lost += lost;
    }

    pub(super) fn write(&mut self, out: &mut impl Write, record: &Record) -> io::Result<()> {
        let Record { at, pid, tid, what } = *record;
        let is_new = !self.open.contains_key(&tid);
        self.open.entry(tid).or_insert((pid, Vec::new())).0 = pid;
        match what {
            What::Name(name) => {
                let name = text(&name);
                if pid == tid {
                    self.name(out, "process_name", record, &name)?;
                }
                self.name(out, "thread_name", record, &name)
            }
            What::Call(number) => {
                // Calls do not nest: of one that is open the end was lost.
                self.close(out, at, tid, 0)?;
                self.open_one(tid, Open::Call(number));
                let event = event(call_name(number), "syscall", 'B', at, pid, tid, NONE);
                self.event(out, &event)
            }
            What::Called(number, result) => {
                let open = self.open.get(&tid).map_or(&[][..], |(_, open)| open);
                if let Some(depth) = open.iter().rposition(|o| *o == Open::Call(number)) {
                    self.close(out, at, tid, depth + 1)?;
                    self.forget(tid, depth);
                    let event = event(call_name(number), "syscall", 'E', at, pid, tid, Some(ended(result)));
                    return self.event(out, &event);
                }
                if !is_new {
                    return Ok(());
                }
                // It began before the trace did.
                let mut event =
                    event(call_name(number), "syscall", 'X', self.begun, pid, tid, Some(ended(result)));
                event.dur = Some(Micros(at.saturating_sub(self.begun)));
                self.event(out, &event)
            }
            What::Wait => {
                self.open_one(tid, Open::Wait);
                self.event(out, &event("wait", "wait", 'B', at, pid, tid, NONE))
            }
            What::Woken => {
                let open = self.open.get(&tid).map_or(&[][..], |(_, open)| open);
                match open.iter().rposition(|o| *o == Open::Wait) {
                    Some(depth) => self.close(out, at, tid, depth),
                    None => Ok(()),
                }
            }
            What::Ran(since, cpu) => {
                let since = since.max(self.begun);
                let mut event = event("guest code", "sched", 'X', since, pid, tid, Some(OnCpu { cpu }));
                event.dur = Some(Micros(at.saturating_sub(since)));
                self.event(out, &event)
            }
            What::Fault(signo, address) => {
                let name = stockade_abi::signal::name(signo).unwrap_or_else(|| "fault".into());
                let address = Some(At { address: format!("{address:#x}") });
                let mut event = event(&name, "fault", 'i', at, pid, tid, address);
                event.s = Some('t');
                self.event(out, &event)
            }
            What::Ended => {
                self.close(out, at, tid, 0)?;
                self.open.remove(&tid);
                let mut event = event("end", "sched", 'i', at, pid, tid, NONE);
                event.s = Some('t');
                self.event(out, &event)
            }
        }
    }

    /// Page faults that the host has served, all processes together.
    pub(super) fn count_faults(
        &mut self,
        out: &mut impl Write,
        at: u64,
        minor: u64,
        major: u64,
    ) -> io::Result<()> {
        self.event(out, &event("page faults", "fault", 'C', at, 0, 0, Some(Faults { minor, major })))
    }

    /// Ends what is still open, and the file.
    pub(super) fn end(&mut self, out: &mut impl Write, at: u64, sandbox: &str) -> io::Result<()> {
        let tids: Vec<i32> = self.open.keys().copied().collect();
        for tid in tids {
            self.close(out, at, tid, 0)?;
        }
        let remarks = Remarks { sandbox, version: env!("CARGO_PKG_VERSION"), lost: self.lost };
        out.write_all(b"\n],\"otherData\":")?;
        serde_json::to_writer(&mut *out, &remarks)?;
        out.write_all(b"}\n")
    }

    fn open_one(&mut self, tid: i32, one: Open) {
        if let Some((_, open)) = self.open.get_mut(&tid) {
            open.push(one);
        }
    }

    fn forget(&mut self, tid: i32, depth: usize) {
        if let Some((_, open)) = self.open.get_mut(&tid) {
            open.truncate(depth);
        }
    }

    /// Ends what a thread has open beyond `depth`.
    fn close(&mut self, out: &mut impl Write, at: u64, tid: i32, depth: usize) -> io::Result<()> {
        while let Some((pid, open)) = self.open.get_mut(&tid)
            && open.len() > depth
        {
            let pid = *pid;
            let event = match open.pop() {
                Some(Open::Call(number)) => event(call_name(number), "syscall", 'E', at, pid, tid, NONE),
                _ => event("wait", "wait", 'E', at, pid, tid, NONE),
            };
            self.event(out, &event)?;
        }
        Ok(())
    }

    fn name(&mut self, out: &mut impl Write, kind: &str, record: &Record, name: &str) -> io::Result<()> {
        self.event(out, &event(kind, "", 'M', record.at, record.pid, record.tid, Some(Named { name })))
    }

    fn event(&mut self, out: &mut impl Write, event: &Event<'_, impl Serialize>) -> io::Result<()> {
        out.write_all(if std::mem::take(&mut self.is_first) { b"\n" } else { b",\n" })?;
        Ok(serde_json::to_writer(out, event)?)
    }
}

fn event<'a, A>(
    name: &'a str,
    cat: &'a str,
    ph: char,
    at: u64,
    pid: i32,
    tid: i32,
    args: Option<A>,
) -> Event<'a, A> {
    Event { name, cat, ph, ts: Micros(at), dur: None, pid, tid, s: None, args }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: u64 = 1_000_000;

    fn written(records: &[(u64, i32, What)]) -> Vec<serde_json::Value> {
        let (mut events, mut out) = (Events::new(START), Vec::new());
        events.begin(&mut out).unwrap();
        for &(after, tid, what) in records {
            events.write(&mut out, &Record { at: START + after, pid: 1, tid, what }).unwrap();
        }
        events.lose(3);
        events.end(&mut out, START + 1000, "box").unwrap();
        let file: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(file["otherData"]["lost"], 3);
        file["traceEvents"].as_array().unwrap().clone()
    }

    fn shapes(records: &[(u64, i32, What)]) -> Vec<String> {
        let shape =
            |e: &serde_json::Value| format!("{}{}", e["ph"].as_str().unwrap(), e["name"].as_str().unwrap());
        written(records).iter().map(shape).collect()
    }

    #[test]
    fn what_begins_ends() {
        let call =
            [(1, 1, What::Call(0)), (2, 1, What::Wait), (3, 1, What::Woken), (4, 1, What::Called(0, Ok(7)))];
        assert_eq!(shapes(&call), ["Bread", "Bwait", "Ewait", "Eread"]);
        assert_eq!(written(&call)[3]["args"]["result"], 7);
        assert_eq!(written(&call)[0]["ts"], 1000.001);
        assert_eq!(shapes(&call[..2]), ["Bread", "Bwait", "Ewait", "Eread"]);
        // Ends that were lost.
        assert_eq!(shapes(&[call[0], call[1], call[3]]), ["Bread", "Bwait", "Ewait", "Eread"]);
        assert_eq!(shapes(&[call[0], (5, 1, What::Call(1))]), ["Bread", "Eread", "Bwrite", "Ewrite"]);
        // Beginnings that were lost.
        assert_eq!(
            shapes(&[(1, 1, What::Call(1)), (2, 1, What::Called(1, Ok(0))), call[3]]),
            ["Bwrite", "Ewrite"]
        );
    }

    #[test]
    fn what_began_before_is_there_from_the_start() {
        let events = written(&[(500, 4, What::Called(0, Err(stockade_abi::Errno::EIO)))]);
        assert_eq!((&events[0]["ph"], &events[0]["dur"]), (&"X".into(), &0.5.into()));
        assert_eq!(events[0]["args"]["error"], "EIO");
    }

    #[test]
    fn names_of_leaders_are_their_processes() {
        let name = What::Name(*b"sh\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
        assert_eq!(shapes(&[(0, 1, name), (0, 2, name)]), ["Mprocess_name", "Mthread_name", "Mthread_name"]);
    }
}
