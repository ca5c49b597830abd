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
    let mut program = vec![
        load(ARCH),
        jump(libc::BPF_JEQ, AUDIT_ARCH, 1, 0),
        ret(libc::SECCOMP_RET_KILL_PROCESS),
        load(NR),
    ];
    let mut rules: Vec<_> = table.iter().collect();
    rules.sort_unstable_by_key(|rule| rule.nr);
    program.extend(tree(&rules, own));
    program
}

/// Finds the rule of the number that was loaded, among `rules` in order of their numbers.
fn tree(rules: &[&Rule], own: u32) -> Vec<sock_filter> {
    let (lower, upper) = match rules {
        [] => return vec![ret(libc::SECCOMP_RET_TRAP)],
        [rule] => {
            let mut code = body(rule, own);
            code.insert(0, jump(libc::BPF_JEQ, rule.nr, 0, distance(code.len())));
            code.push(ret(libc::SECCOMP_RET_TRAP));
            return code;
        }
        _ => rules.split_at(rules.len() / 2),
    };
    let (below, above) = (tree(lower, own), tree(upper, own));
    let first = upper.first().map_or(0, |rule| rule.nr);
    // The long way goes by a jump that has room for it.
    let skip = stmt(libc::BPF_JMP | libc::BPF_JA, below.len() as u32);
    [vec![jump(libc::BPF_JGE, first, 0, 1), skip], below, above].concat()
}

/// What to do once the number has matched; ends in a verdict.
fn body(rule: &Rule, own: u32) -> Vec<sock_filter> {
    match rule.verdict {
        Verdict::Allow => vec![ret(libc::SECCOMP_RET_ALLOW)],
        Verdict::Fail(errno) => vec![fail(errno)],
        Verdict::When(ways) => any(ways, own, ret(libc::SECCOMP_RET_TRAP)),
        Verdict::WhenElse(ways, errno) => any(ways, own, fail(errno)),
    }
}

/// Allows if one of the ways fits.
fn any(ways: &[&[Check]], own: u32, otherwise: sock_filter) -> Vec<sock_filter> {
    let mut code: Vec<_> = ways.iter().flat_map(|checks| way(checks, own)).collect();
    code.push(otherwise);
    code
}

fn fail(errno: i32) -> sock_filter {
    ret(libc::SECCOMP_RET_ERRNO | errno.cast_unsigned() & libc::SECCOMP_RET_DATA)
}

/// Allows if all of `checks` hold, goes on behind itself if not. Written from its end, so that jumps know their lengths.
fn way(checks: &[Check], own: u32) -> Vec<sock_filter> {
    let mut code = vec![ret(libc::SECCOMP_RET_ALLOW)];
    for check in checks.iter().rev() {
        let mut longer = test(check, own, code.len());
        longer.append(&mut code);
        code = longer;
    }
    code
}

/// Goes on if `check` holds, and jumps over what follows and `rest` instructions more if not.
fn test(check: &Check, own: u32, rest: usize) -> Vec<sock_filter> {
    let rest = distance(rest);
    match *check {
        Check::Is(arg, value) => vec![
            load(low(arg)),
            jump(libc::BPF_JEQ, value as u32, 0, rest + 2),
            load(low(arg) + 4),
            jump(libc::BPF_JEQ, (value >> 32) as u32, 0, rest),
        ],
        Check::Is32(arg, value) => one_of(arg, &[value], rest),
        Check::In32(arg, values) => one_of(arg, values, rest),
        Check::Own(arg) => one_of(arg, &[own], rest),
        Check::OwnOr0(arg) => one_of(arg, &[own, 0], rest),
        Check::Not32(arg, value) => vec![load(low(arg)), jump(libc::BPF_JEQ, value, rest, 0)],
        Check::Without32(arg, bits) => vec![load(low(arg)), jump(libc::BPF_JSET, bits, rest, 0)],
        Check::Masked32(arg, mask, value) => vec![
            load(low(arg)),
            stmt(libc::BPF_ALU | libc::BPF_AND | libc::BPF_K, mask),
            jump(libc::BPF_JEQ, value, 0, rest),
        ],
    }
}

fn one_of(arg: u32, values: &[u32], rest: u8) -> Vec<sock_filter> {
    let mut code = vec![load(low(arg))];
    for (i, &value) in values.iter().enumerate() {
        let left = distance(values.len() - 1 - i);
        code.push(jump(libc::BPF_JEQ, value, left, if left == 0 { rest } else { 0 }));
    }
    code
}

/// Offset of the low half of an argument.
const fn low(arg: u32) -> u32 {
    16 + 8 * arg
}

/// A jump's length. Rules are data of this crate, and a test compiles them all: one that is too long fails there.
fn distance(instructions: usize) -> u8 {
    u8::try_from(instructions).unwrap_or_else(|_| panic!("a rule is too long for one jump: split it"))
}

fn stmt(code: u32, k: u32) -> sock_filter {
    sock_filter { code: code as u16, jt: 0, jf: 0, k }
}

fn jump(test: u32, k: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter { code: (libc::BPF_JMP | libc::BPF_K | test) as u16, jt, jf, k }
}

fn load(offset: u32) -> sock_filter {
    stmt(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, offset)
}

fn ret(action: u32) -> sock_filter {
    stmt(libc::BPF_RET | libc::BPF_K, action)
}

#[cfg(test)]
#[path = "compile/tests.rs"]
mod tests;
