//! From the table to a BPF program (seccomp(2), struct seccomp_data).
//!
//! By hand rather than by seccompiler, whose programs try one call after the other: when a filter is installed, the kernel
//! runs it for each of some 500 numbers (to remember those that it allows whatever their arguments), which would take a
//! third of a millisecond of every start. Here a search tree over the numbers leads to a call's rule.

use libc::sock_filter;

use super::rule::{Check, Rule, Verdict};

/// The offsets of `struct seccomp_data`.
const NR: u32 = 0;
const ARCH: u32 = 4;

#[cfg(target_arch = "x86_64")]
const AUDIT_ARCH: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const AUDIT_ARCH: u32 = 0xc000_00b7;

/// The program of `table` for a process whose PID (in its own namespace) is `own`. What no rule allows traps.
pub(super) fn compile(table: &[Rule], own: u32) -> Vec<sock_filter> {
    let mut program = Program { reversed: Vec::with_capacity(1024), own };
    program.tree(&segments(table));
    program.load(NR);
    let known = program.here();
    program.ret(libc::SECCOMP_RET_KILL_PROCESS);
    program.jump(libc::BPF_JEQ, AUDIT_ARCH, known, program.here());
    program.load(ARCH);
    program.reversed.reverse();
    program.reversed
}

/// Numbers from one on that are treated alike, up to the next segment.
struct Segment {
    first: u32,
    verdict: Option<Verdict>,
}

/// What happens to which numbers, all of them, in their order. x32's have bit 30 set and so are in the last.
fn segments(table: &[Rule]) -> Vec<Segment> {
    let mut rules: Vec<_> = table.iter().collect();
    rules.sort_unstable_by_key(|rule| rule.nr);
    let mut segments = vec![Segment { first: 0, verdict: None }];
    for rule in rules {
        let last = segments.last_mut();
        if let Some(last) = last.filter(|last| last.first == rule.nr) {
            last.verdict = Some(rule.verdict);
        } else {
            segments.push(Segment { first: rule.nr, verdict: Some(rule.verdict) });
        }
        segments.push(Segment { first: rule.nr + 1, verdict: None });
    }
    segments.dedup_by(|later, earlier| {
        matches!(
            (later.verdict, earlier.verdict),
            (Some(Verdict::Allow), Some(Verdict::Allow)) | (None, None)
        )
    });
    segments
}

/// A place to jump to.
type Label = usize;

/// A program written from its end, so that every jump knows its distance: the last instruction comes first.
struct Program {
    reversed: Vec<sock_filter>,
    own: u32,
}

impl Program {
    /// The instruction that was written last: the next one to be executed.
    fn here(&self) -> Label {
        self.reversed.len()
    }

    fn push(&mut self, code: u32, jt: u8, jf: u8, k: u32) {
        self.reversed.push(sock_filter { code: code as u16, jt, jf, k });
    }

    fn ret(&mut self, action: u32) {
        self.push(libc::BPF_RET | libc::BPF_K, 0, 0, action);
    }

    fn load(&mut self, offset: u32) {
        self.push(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, offset);
    }

    /// Goes to `yes` or `no`. Both must be near: a test compiles the table, and fails if a rule is too long for that.
    fn jump(&mut self, test: u32, k: u32, yes: Label, no: Label) {
        let near = |label| match u8::try_from(self.here() - label) {
            Ok(distance) => distance,
            Err(_) => panic!("a rule is too long for one jump: split it"),
        };
        let (jt, jf) = (near(yes), near(no));
        self.push(libc::BPF_JMP | libc::BPF_K | test, jt, jf, k);
    }

    /// Goes to the segment of the number that was loaded.
    fn tree(&mut self, segments: &[Segment]) {
        let (lower, upper) = match segments {
            [] => return,
            [segment] => return self.verdict(segment.verdict),
            _ => segments.split_at(segments.len() / 2),
        };
        self.tree(upper);
        let mut above = self.here();
        self.tree(lower);
        let below = self.here();
        if below - above > u8::MAX.into() {
            self.push(libc::BPF_JMP | libc::BPF_JA, 0, 0, (below - above) as u32);
            above = self.here();
        }
        self.jump(libc::BPF_JGE, upper.first().map_or(0, |segment| segment.first), above, below);
    }

    fn verdict(&mut self, verdict: Option<Verdict>) {
        match verdict {
            None => self.ret(libc::SECCOMP_RET_TRAP),
            Some(Verdict::Allow) => self.ret(libc::SECCOMP_RET_ALLOW),
            Some(Verdict::Fail(errno)) => self.fail(errno),
            Some(Verdict::When(ways)) => {
                self.ret(libc::SECCOMP_RET_TRAP);
                self.any(ways);
            }
            Some(Verdict::WhenElse(ways, errno)) => {
                self.fail(errno);
                self.any(ways);
            }
        }
    }

    fn fail(&mut self, errno: i32) {
        self.ret(libc::SECCOMP_RET_ERRNO | errno.cast_unsigned() & libc::SECCOMP_RET_DATA);
    }

    /// Allows if one of the ways fits, goes on if none does.
    fn any(&mut self, ways: &[&[Check]]) {
        for checks in ways.iter().rev() {
            let otherwise = self.here();
            self.ret(libc::SECCOMP_RET_ALLOW);
            for check in checks.iter().rev() {
                self.test(check, otherwise);
            }
        }
    }

    /// Goes on if `check` holds, to `otherwise` if not.
    fn test(&mut self, check: &Check, otherwise: Label) {
        let next = self.here();
        match *check {
            Check::Is(arg, value) => {
                self.jump(libc::BPF_JEQ, (value >> 32) as u32, next, otherwise);
                self.load(low(arg) + 4);
                self.one_of(arg, &[value as u32], otherwise);
            }
            Check::Is32(arg, value) => self.one_of(arg, &[value], otherwise),
            Check::In32(arg, values) => self.one_of(arg, values, otherwise),
            Check::OwnOr0(arg) => self.one_of(arg, &[self.own, 0], otherwise),
            Check::Not32(arg, value) => {
                self.jump(libc::BPF_JEQ, value, otherwise, next);
                self.load(low(arg));
            }
            Check::Without32(arg, bits) => {
                self.jump(libc::BPF_JSET, bits, otherwise, next);
                self.load(low(arg));
            }
            Check::Masked32(arg, mask, value) => {
                self.jump(libc::BPF_JEQ, value, next, otherwise);
                self.push(libc::BPF_ALU | libc::BPF_AND | libc::BPF_K, 0, 0, mask);
                self.load(low(arg));
            }
        }
    }

    fn one_of(&mut self, arg: u32, values: &[u32], otherwise: Label) {
        let next = self.here();
        let mut else_to = otherwise;
        for &value in values.iter().rev() {
            self.jump(libc::BPF_JEQ, value, next, else_to);
            else_to = self.here();
        }
        self.load(low(arg));
    }
}

/// Offset of the low half of an argument.
const fn low(arg: u32) -> u32 {
    16 + 8 * arg
}

#[cfg(test)]
#[path = "compile/tests.rs"]
mod tests;
