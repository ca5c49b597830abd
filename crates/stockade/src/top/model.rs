//! Rates, from figures taken one after the other, and the order in which they are shown.

use std::collections::HashMap;
use stockade_control::types::top::{Top, TopCall, TopProcess};

/// By what processes are sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Processes {
    /// CPU time, the last interval's.
    #[default]
    Cpu,
    /// Memory.
    Memory,
    /// Number.
    Pid,
}

/// By what calls are sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Calls {
    /// Calls per second.
    #[default]
    Rate,
    /// The longest that one took.
    Slowest,
    /// Failures, since the command began.
    Failing,
    /// Those that are answered with ENOSYS first.
    Unsupported,
}

/// A process in the last interval.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Process {
    pub(super) pid: i32,
    pub(super) uid: u32,
    pub(super) threads: u32,
    /// Of one processor, in percent.
    pub(super) cpu: f64,
    /// Nanoseconds since its beginning.
    pub(super) cpu_time: u64,
    pub(super) memory: u64,
    pub(super) zombie: bool,
    pub(super) command: String,
}

/// Calls of one name.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Call {
    pub(super) name: String,
    /// Per second, in the last interval.
    pub(super) rate: f64,
    /// Nanoseconds, in the last interval; 0 if none ended in it.
    pub(super) average: u64,
    /// Nanoseconds, since somebody looks.
    pub(super) longest: u64,
    /// Since the command began.
    pub(super) failed: u64,
    pub(super) unsupported: bool,
    pub(super) count: u64,
}

/// What is shown.
#[derive(Debug, Default)]
pub(super) struct Model {
    first: Option<Top>,
    last: Top,
    before: Top,
    pub(super) processes: Processes,
    pub(super) calls: Calls,
    chosen: i32,
}

impl Model {
    /// The next figures.
    pub(super) fn take(&mut self, top: Top) {
        self.first.get_or_insert_with(|| top.clone());
        self.before = std::mem::replace(&mut self.last, top);
    }

    /// The last figures.
    pub(super) fn figures(&self) -> &Top {
        &self.last
    }

    /// Seconds between the last two figures; none after the first.
    fn interval(&self) -> Option<f64> {
        let nanos = self.last.now.checked_sub(self.before.now).filter(|_| self.before.now > 0)?;
        (nanos > 0).then_some(nanos as f64 / 1e9)
    }

    fn rate(&self, now: u64, before: u64) -> f64 {
        self.interval().map_or(0.0, |seconds| now.saturating_sub(before) as f64 / seconds)
    }

    /// The processes in order.
    pub(super) fn listed(&self) -> Vec<Process> {
        let before: HashMap<i32, &TopProcess> = self.before.processes.iter().map(|p| (p.pid, p)).collect();
        let process = |p: &TopProcess| Process {
            pid: p.pid,
            uid: p.uid,
            threads: p.threads,
            // One that is new has used all of its time in this interval.
            cpu: self.rate(p.cpu, before.get(&p.pid).map_or(0, |b| b.cpu)) / 1e7,
            cpu_time: p.cpu,
            memory: p.memory,
            zombie: p.zombie,
            command: p.command.clone(),
        };
        let mut list: Vec<_> = self.last.processes.iter().map(process).collect();
        match self.processes {
            Processes::Cpu => list.sort_by(|a, b| b.cpu.total_cmp(&a.cpu)),
            Processes::Memory => list.sort_by_key(|p| std::cmp::Reverse(p.memory)),
            Processes::Pid => {}
        }
        list
    }

    /// The calls in order.
    pub(super) fn called(&self) -> Vec<Call> {
        let by_name = |top: &'_ Top| -> HashMap<String, TopCall> {
            top.calls.iter().map(|c| (c.name.clone(), c.clone())).collect()
        };
        let before = by_name(&self.before);
        let first = self.first.as_ref().map(by_name).unwrap_or_default();
        let call = |c: &TopCall| {
            let b = before.get(&c.name).cloned().unwrap_or_default();
            let ended = c.timed.saturating_sub(b.timed);
            Call {
                name: c.name.clone(),
                rate: self.rate(c.count, b.count),
                average: c.nanos.saturating_sub(b.nanos).checked_div(ended).unwrap_or(0),
                longest: c.longest,
                failed: c.failed.saturating_sub(first.get(&c.name).map_or(0, |f| f.failed)),
                unsupported: c.unsupported,
                count: c.count,
            }
        };
        let mut list: Vec<_> = self.last.calls.iter().map(call).collect();
        list.sort_by(|a, b| b.rate.total_cmp(&a.rate).then(b.count.cmp(&a.count)));
        match self.calls {
            Calls::Rate => {}
            Calls::Slowest => list.sort_by_key(|c| std::cmp::Reverse(c.longest)),
            Calls::Failing => list.sort_by_key(|c| std::cmp::Reverse(c.failed)),
            Calls::Unsupported => list.sort_by_key(|c| !c.unsupported),
        }
        list
    }

    /// All calls per second.
    pub(super) fn calls_per_second(&self) -> f64 {
        let sum = |top: &Top| top.calls.iter().map(|c| c.count).sum::<u64>();
        self.rate(sum(&self.last), sum(&self.before))
    }

    /// Of one processor, in percent.
    pub(super) fn cpu(&self) -> f64 {
        self.listed().iter().map(|p| p.cpu).sum()
    }

    /// The process that deeds are done to: the first until another is chosen.
    pub(super) fn selected(&self) -> Option<Process> {
        let list = self.listed();
        list.iter().find(|p| p.pid == self.chosen).or(list.first()).cloned()
    }

    /// Chooses another, so many lines further down.
    pub(super) fn select(&mut self, lines: isize) {
        let list = self.listed();
        let at = list.iter().position(|p| p.pid == self.chosen).unwrap_or(0);
        let to = at.saturating_add_signed(lines).min(list.len().saturating_sub(1));
        self.chosen = list.get(to).map_or(0, |p| p.pid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn top(now: u64, cpu: [u64; 2], calls: &[(&str, u64, u64, u64)]) -> Top {
        let process = |pid, cpu| TopProcess { pid, cpu, memory: 100 / pid as u64, ..TopProcess::default() };
        let call = |&(name, count, failed, longest): &(&str, u64, u64, u64)| TopCall {
            name: name.into(),
            count,
            timed: count,
            failed,
            nanos: count * 1000,
            longest,
            unsupported: name == "bpf",
        };
        Top {
            now,
            processes: vec![process(1, cpu[0]), process(2, cpu[1])],
            calls: calls.iter().map(call).collect(),
            ..Top::default()
        }
    }

    #[test]
    fn rates_are_differences() {
        let mut model = Model::default();
        model.take(top(1_000_000_000, [5, 0], &[("read", 10, 4, 9)]));
        assert_eq!((model.calls_per_second(), model.cpu()), (0.0, 0.0));
        let calls = [("read", 30, 5, 9), ("bpf", 2, 2, 1), ("poll", 12, 0, 99)];
        model.take(top(3_000_000_000, [5, 500_000_000], &calls));
        assert_eq!((model.calls_per_second(), model.cpu()), (17.0, 25.0));
        assert_eq!(model.listed().iter().map(|p| p.pid).collect::<Vec<_>>(), [2, 1]);
        let read = &model.called()[0];
        assert_eq!((read.name.as_str(), read.rate, read.average, read.failed), ("read", 10.0, 1000, 1));
    }

    #[test]
    fn orders() {
        let mut model = Model::default();
        model.take(top(1, [0, 0], &[]));
        model.take(top(2, [0, 9], &[("read", 30, 5, 9), ("bpf", 2, 6, 1), ("poll", 12, 0, 99)]));
        let first = |model: &Model| model.called()[0].name.clone();
        for (calls, name) in [
            (Calls::Rate, "read"),
            (Calls::Slowest, "poll"),
            (Calls::Failing, "bpf"),
            (Calls::Unsupported, "bpf"),
        ] {
            model.calls = calls;
            assert_eq!(first(&model), name, "{calls:?}");
        }
        for (processes, pid) in [(Processes::Cpu, 2), (Processes::Memory, 1), (Processes::Pid, 1)] {
            model.processes = processes;
            assert_eq!(model.listed()[0].pid, pid, "{processes:?}");
        }
    }

    #[test]
    fn a_choice_stays_with_its_process() {
        let mut model = Model::default();
        model.take(top(1, [0, 0], &[]));
        model.take(top(1_000_000_001, [9, 0], &[]));
        assert_eq!(model.selected().unwrap().pid, 1);
        model.select(5);
        assert_eq!(model.selected().unwrap().pid, 2);
        model.take(top(2_000_000_001, [9, 100], &[]));
        assert_eq!((model.listed()[0].pid, model.selected().unwrap().pid), (2, 2));
        model.select(-3);
        assert_eq!(model.selected().unwrap().pid, 2);
    }
}
