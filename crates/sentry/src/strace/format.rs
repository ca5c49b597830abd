//! Arguments as text.

use std::fmt::Write;

use stockade_abi::general as c;
use stockade_abi::signal;

use super::names::{self, choice, flags, open_flags};
use super::structs;
use crate::mm::{MemoryManager, UserMemory};
use crate::syscalls::table::{Kind, Syscall};
use crate::syscalls::{Args, Ctx};

/// Bytes of a buffer or string shown at most, as strace(1) does by default.
const SHOWN: usize = 32;
/// Strings that are counted at most.
const MAX_COUNTED: u64 = 4096;

/// Whether a call's output is worth showing.
pub(super) fn has_output(entry: &Syscall) -> bool {
    entry.args.iter().any(|kind| matches!(kind, Kind::OutBuf | Kind::Out(_) | Kind::InOut(_)))
}

/// All arguments; `result` is known once the call has been made.
pub(super) fn arguments(ctx: &Ctx, args: &Args, entry: Option<&Syscall>, result: Option<u64>) -> String {
    let mut text = String::new();
    match entry {
        Some(entry) => {
            let shown = shown_count(entry, args);
            for (i, kind) in entry.args.iter().enumerate().take(shown) {
                if i > 0 {
                    text.push_str(", ");
                }
                argument(&mut text, ctx, args, i, *kind, result);
            }
        }
        None => {
            let list: Vec<String> = args.0.iter().map(|a| format!("{a:#x}")).collect();
            text = list.join(", ");
        }
    }
    text
}

/// Arguments that mean something: a mode only where a file may be made.
fn shown_count(entry: &Syscall, args: &Args) -> usize {
    let makes = |at: usize| args.u32(at) & (c::O_CREAT | (c::O_TMPFILE & !c::O_DIRECTORY)) != 0;
    match entry.args {
        [.., Kind::OpenFlags, Kind::Mode] if !makes(entry.args.len() - 2) => entry.args.len() - 1,
        all => all.len(),
    }
}

fn argument(text: &mut String, ctx: &Ctx, args: &Args, index: usize, kind: Kind, result: Option<u64>) {
    let value = args.u64(index);
    // Writing to a string cannot fail.
    let _ = match kind {
        Kind::Fd | Kind::Int => write!(text, "{}", value as i32),
        Kind::DirFd if value as i32 == c::AT_FDCWD => write!(text, "AT_FDCWD"),
        Kind::DirFd => write!(text, "{}", value as i32),
        Kind::Uint => write!(text, "{}", value as u32),
        Kind::Size => write!(text, "{value}"),
        Kind::Hex if value == 0 => write!(text, "0"),
        Kind::Hex => write!(text, "{value:#x}"),
        Kind::Mode => write!(text, "0{:o}", value as u32),
        Kind::Ptr | Kind::In(_) | Kind::Out(_) | Kind::InOut(_) if value == 0 => write!(text, "NULL"),
        Kind::Ptr => write!(text, "{value:#x}"),
        Kind::Out(_) if result.is_none() => write!(text, "{value:#x}"),
        Kind::In(what) | Kind::Out(what) | Kind::InOut(what) => {
            let next = args.u64((index + 1).min(5));
            match structs::show(&ctx.mm, what, value, next, result) {
                Some(shown) => write!(text, "{shown}"),
                None => write!(text, "{value:#x}"),
            }
        }
        Kind::Flags(table) => write!(text, "{}", flags(u64::from(value as u32), table, "0")),
        Kind::Choice(table) => write!(text, "{}", choice(value as u32, table)),
        Kind::FutexOp => {
            let private = if value & u64::from(c::FUTEX_PRIVATE_FLAG) != 0 { "_PRIVATE" } else { "" };
            let operation = value as u32 & !(c::FUTEX_PRIVATE_FLAG | c::FUTEX_CLOCK_REALTIME);
            let clock =
                if value & u64::from(c::FUTEX_CLOCK_REALTIME) != 0 { "|FUTEX_CLOCK_REALTIME" } else { "" };
            write!(text, "{}{private}{clock}", choice(operation, names::FUTEX))
        }
        Kind::CloneFlags => {
            let signal =
                signal::name((value & 0xff) as i32).map(|name| format!("|{name}")).unwrap_or_default();
            write!(text, "flags={}{signal}", flags(value & 0xffff_ff00, names::CLONE, "0"))
        }
        Kind::Path => match ctx.mm.copy_in_c_string(value, 4096) {
            Ok(path) => write!(text, "{}", quoted(&path, path.len())),
            Err(_) => write!(text, "{value:#x}"),
        },
        Kind::InBuf => buffer(text, &ctx.mm, value, args.u64((index + 1).min(5))),
        Kind::OutBuf => match result {
            Some(len) => buffer(text, &ctx.mm, value, len),
            None => write!(text, "{value:#x}"),
        },
        Kind::Argv => strings(text, ctx, value),
        Kind::Envp if value == 0 => write!(text, "NULL"),
        Kind::Envp => {
            let word = |i: u64| ctx.mm.copy_in::<u64>(value.wrapping_add(i * 8));
            let count = (0..MAX_COUNTED).take_while(|&i| word(i).is_ok_and(|at| at != 0)).count();
            write!(text, "{value:#x} /* {count} vars */")
        }
        Kind::Signal => match signal::name(value as i32) {
            Some(name) => write!(text, "{name}"),
            None => write!(text, "{}", value as i32),
        },
        Kind::OpenFlags => write!(text, "{}", open_flags(value as u32)),
        Kind::Prot => write!(text, "{}", flags(value, names::PROT, "PROT_NONE")),
        Kind::MmapFlags => write!(text, "{}", flags(value, names::MMAP, "0")),
    };
}

pub(super) fn buffer(text: &mut String, mm: &MemoryManager, addr: u64, len: u64) -> std::fmt::Result {
    let len = usize::try_from(len).unwrap_or(usize::MAX);
    let mut bytes = vec![0; len.min(SHOWN)];
    match mm.read_exact(addr, &mut bytes) {
        Ok(()) => write!(text, "{}", quoted(&bytes, len)),
        Err(_) => write!(text, "{addr:#x}"),
    }
}

fn strings(text: &mut String, ctx: &Ctx, addr: u64) -> std::fmt::Result {
    let mut shown = Vec::new();
    for i in 0..SHOWN as u64 {
        match ctx.mm.copy_in::<u64>(addr.wrapping_add(i * 8)) {
            Ok(0) | Err(_) => break,
            Ok(at) => match ctx.mm.copy_in_c_string(at, 4096) {
                Ok(s) => shown.push(quoted(&s[..s.len().min(SHOWN)], s.len())),
                Err(_) => shown.push(format!("{at:#x}")),
            },
        }
    }
    write!(text, "[{}]", shown.join(", "))
}

/// C's escapes; `...` if there is more than what is shown.
pub(super) fn quoted(bytes: &[u8], len: usize) -> String {
    let mut text = String::from("\"");
    for &b in bytes {
        match b {
            b'\n' => text.push_str("\\n"),
            b'\t' => text.push_str("\\t"),
            b'\r' => text.push_str("\\r"),
            b'"' => text.push_str("\\\""),
            b'\\' => text.push_str("\\\\"),
            0x20..=0x7e => text.push(char::from(b)),
            _ => {
                let _ = write!(text, "\\{b:o}");
            }
        }
    }
    text.push('"');
    if len > bytes.len() {
        text.push_str("...");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_as_strace_writes_it() {
        assert_eq!(quoted(b"a\n\x01\"", 4), r#""a\n\1\"""#);
        assert_eq!(quoted(b"abc", 9), r#""abc"..."#);
        assert_eq!(open_flags(c::O_RDWR | c::O_CREAT | c::O_CLOEXEC), "O_RDWR|O_CREAT|O_CLOEXEC");
        assert_eq!(flags(3, names::PROT, "PROT_NONE"), "PROT_READ|PROT_WRITE");
    }
}
