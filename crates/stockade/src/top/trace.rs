//! What one process does: its system calls, as strace(1) writes them.

use std::collections::VecDeque;
use stockade_control::types::top::{StraceLine, StraceLines};

/// Lines that are kept: more than a screen has.
const KEPT: usize = 256;

/// The latest lines of a process.
#[derive(Debug)]
pub(super) struct Trace {
    pub(super) pid: i32,
    pub(super) command: String,
    /// The line that comes next.
    pub(super) next: u64,
    pub(super) has_ended: bool,
    lines: VecDeque<StraceLine>,
}

impl Trace {
    /// Nothing yet. Lines from before, of another process, are not asked for.
    pub(super) fn of(pid: i32, command: String) -> Self {
        Self { pid, command, next: 0, has_ended: false, lines: VecDeque::new() }
    }

    /// More lines; what was missed between is said.
    pub(super) fn take(&mut self, new: StraceLines) {
        let missed = new.next.saturating_sub(self.next).saturating_sub(new.lines.len() as u64);
        if missed > 0 && self.next > 0 {
            self.lines.push_back(StraceLine { tid: 0, text: format!("... {missed} more") });
        }
        (self.next, self.has_ended) = (new.next, new.ended);
        self.lines.extend(new.lines);
        self.lines.drain(..self.lines.len().saturating_sub(KEPT));
    }

    /// The last lines, at most so many, the oldest first. Each names its thread if there are several.
    pub(super) fn last(&self, count: usize) -> Vec<String> {
        let is_other = |line: &&StraceLine| line.tid != 0 && line.tid != self.pid;
        let are_several = self.lines.iter().any(|line| is_other(&line));
        let text = |line: &StraceLine| match line.tid {
            0 => line.text.clone(),
            tid if are_several => format!("[{tid}] {}", line.text),
            _ => line.text.clone(),
        };
        self.lines.range(self.lines.len().saturating_sub(count)..).map(text).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(next: u64, lines: &[(i32, &str)]) -> StraceLines {
        let line = |&(tid, text): &(i32, &str)| StraceLine { tid, text: text.into() };
        StraceLines { next, lines: lines.iter().map(line).collect(), ended: false }
    }

    #[test]
    fn shows_the_last_and_says_what_is_missing() {
        let mut trace = Trace::of(3, "sh".into());
        trace.take(lines(900, &[(3, "read()")]));
        assert_eq!(trace.last(10), ["read()"]);
        trace.take(lines(905, &[(3, "close(3)"), (4, "write()")]));
        assert_eq!(trace.last(3), ["... 3 more", "[3] close(3)", "[4] write()"]);
        let many: Vec<_> = (0..600).map(|_| (3, "x")).collect();
        trace.take(lines(1505, &many));
        assert_eq!((trace.lines.len(), trace.last(1)), (KEPT, vec!["x".to_owned()]));
    }
}
