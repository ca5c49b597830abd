//! The latest lines of one process, for who looks at it now and then.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};

use stockade_platform::sync::Mutex;

use crate::task::Task;

/// Lines that are kept, and bytes of each.
const MAX_LINES: usize = 256;
const MAX_LINE: usize = 1024;
/// For how long nobody has to ask until no more are kept.
const PATIENCE: Duration = Duration::from_secs(10);

/// A line of strace(1)'s, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The thread's number in the root PID namespace.
    pub tid: i32,
    /// The line, without an end; what is too long of it is left out.
    pub text: String,
}

/// What has been kept.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Watched {
    /// The number of the line that comes next, to ask with.
    pub next: u64,
    /// Those from the one that was asked for, but for what was not kept.
    pub lines: Vec<Line>,
}

/// Keeps the latest lines of the process that is asked for.
#[derive(Default)]
pub(super) struct Watch {
    /// The process, in the root PID namespace; 0 for none.
    pid: AtomicI32,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    lines: VecDeque<Line>,
    next: u64,
    asked: Option<Instant>,
}

impl Watch {
    /// Whether this task's lines are wanted.
    pub(super) fn wants(&self, task: &Task) -> bool {
        self.pid() == task.tg.tgid
    }

    pub(super) fn is_on(&self) -> bool {
        self.pid() != 0
    }

    pub(super) fn pid(&self) -> i32 {
        self.pid.load(Ordering::Relaxed)
    }

    /// Keeps a line. False if nobody has asked for long: none is wanted any more.
    pub(super) fn keep(&self, tid: i32, line: &str) -> bool {
        let mut kept = self.kept.lock();
        if kept.asked.is_none_or(|asked| asked.elapsed() > PATIENCE) {
            self.pid.store(0, Ordering::Relaxed);
            *kept = Kept::default();
            return false;
        }
        if kept.lines.len() >= MAX_LINES {
            kept.lines.pop_front();
        }
        let end = line.floor_char_boundary(MAX_LINE);
        let cut = if end < line.len() { "..." } else { "" };
        kept.lines.push_back(Line { tid, text: format!("{}{cut}", &line[..end]) });
        kept.next += 1;
        true
    }

    /// Lines of a process from number `since` on; those that come are kept from now on. One process is watched at a time.
    pub(super) fn ask(&self, pid: i32, since: u64) -> Watched {
        let mut kept = self.kept.lock();
        if self.pid.swap(pid, Ordering::Relaxed) != pid {
            kept.lines.clear();
        }
        kept.asked = Some(Instant::now());
        let wanted = kept.next.saturating_sub(since).min(kept.lines.len() as u64) as usize;
        let lines = kept.lines.range(kept.lines.len() - wanted..).cloned().collect();
        Watched { next: kept.next, lines }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_lines_are_kept() {
        let watch = Watch::default();
        assert!(!watch.keep(1, "nobody asks") && !watch.is_on());
        assert_eq!(watch.ask(7, 0), Watched::default());
        for i in 0..MAX_LINES + 10 {
            assert!(watch.keep(7, &i.to_string()));
        }
        let all = watch.ask(7, 0);
        assert_eq!((all.next, all.lines.len(), all.lines[0].text.as_str()), (266, MAX_LINES, "10"));
        assert_eq!(
            watch.ask(7, 264).lines.iter().map(|l| l.text.as_str()).collect::<Vec<_>>(),
            ["264", "265"]
        );
        assert!(watch.ask(7, u64::MAX).lines.is_empty());
        assert!(watch.keep(7, &"é".repeat(MAX_LINE)));
        assert_eq!(watch.ask(7, 266).lines[0].text.len(), MAX_LINE + 3);
        // Of another process nothing is known yet; numbers go on.
        assert_eq!(watch.ask(8, 0), Watched { next: 267, lines: Vec::new() });
        watch.kept.lock().asked = Instant::now().checked_sub(PATIENCE * 2);
        assert!(watch.is_on() && !watch.keep(8, "x") && !watch.is_on());
    }
}
