//! Arguments as text.

use std::fmt::Write;

use stockade_abi::general as c;
use stockade_abi::signal;

use super::names::{self, choice, flags, open_flags};
use super::structs;
use crate::mm::{MemoryManager, UserMemory};
use crate::syscalls::Args;
use crate::syscalls::table::{Kind, Syscall};

/// Bytes of a buffer or string shown at most, as strace(1) does by default.
const SHOWN: usize = 32;
/// Strings that are counted at most.
const MAX_COUNTED: u64 = 4096;

/// What arguments point to, as text: read from the guest while the call is made, so that the rest of a line can be
/// written at any time.
#[derive(Clone, Debug, Default)]
pub(super) struct Pointees {
    text: String,
    /// Where each argument's lies in `text`; nowhere is empty.
    at: [(u32, u32); 6],
}

impl Pointees {
    /// What a call gives; to be looked at before it is made.
    pub(super) fn given(mm: &MemoryManager, args: &Args, entry: Option<&Syscall>) -> Self {
        let mut pointees = Self::default();
        pointees.add(mm, args, entry, None);
        pointees
    }

    /// Adds what a call took; to be looked at when it has been made.
    pub(super) fn add_taken(
        &mut self,
        mm: &MemoryManager,
        args: &Args,
        entry: Option<&Syscall>,
        result: u64,
    ) {
        self.add(mm, args, entry, Some(result));
    }

    fn add(&mut self, mm: &MemoryManager, args: &Args, entry: Option<&Syscall>, result: Option<u64>) {
        let Some(entry) = entry else { return };
        for (i, kind) in entry.args.iter().enumerate().take(shown_count(entry, args)) {
            let is_due = match kind {
                Kind::InOut(_) => true,
                Kind::Out(_) | Kind::OutBuf => result.is_some(),
                _ => result.is_none(),
            };
            if is_due {
                let start = self.text.len();
                pointee(&mut self.text, mm, args, i, *kind, result);
                if self.text.len() > start {
                    self.at[i] = (start as u32, self.text.len() as u32);
                }
            }
        }
    }

    /// Bytes that it takes.
    pub(super) fn len(&self) -> usize {
        self.text.len()
    }

    fn get(&self, index: usize) -> &str {
        let (start, end) = self.at[index];
        self.text.get(start as usize..end as usize).unwrap_or("")
    }
}

/// How many arguments are shown.
pub(super) fn count(entry: Option<&Syscall>, args: &Args) -> usize {
    entry.map_or(args.0.len(), |entry| shown_count(entry, args))
}

/// All arguments.
pub(super) fn arguments(text: &mut String, args: &Args, entry: Option<&Syscall>, pointees: &Pointees) {
    for i in 0..count(entry, args) {
        if i > 0 {
            text.push_str(", ");
        }
        argument(text, args, entry, i, pointees);
    }
}

/// One argument.
pub(super) fn argument(
    text: &mut String,
    args: &Args,
    entry: Option<&Syscall>,
    index: usize,
    pointees: &Pointees,
) {
    let shown = pointees.get(index);
    if shown.is_empty() {
        scalar(text, args.u64(index), entry.map(|entry| entry.args[index]));
    } else {
        text.push_str(shown);
    }
}

/// Arguments that mean something: a mode only where a file may be made.
fn shown_count(entry: &Syscall, args: &Args) -> usize {
    let makes = |at: usize| args.u32(at) & (c::O_CREAT | (c::O_TMPFILE & !c::O_DIRECTORY)) != 0;
    match entry.args {
        [.., Kind::OpenFlags, Kind::Mode] if !makes(entry.args.len() - 2) => entry.args.len() - 1,
        all => all.len(),
    }
}

/// What can be written without a look at the guest's memory; an address of what could not be read there, too.
fn scalar(text: &mut String, value: u64, kind: Option<Kind>) {
    // Writing to a string cannot fail.
    let _ = match kind {
        Some(Kind::Fd | Kind::Int) => write!(text, "{}", value as i32),
        Some(Kind::DirFd) if value as i32 == c::AT_FDCWD => write!(text, "AT_FDCWD"),
        Some(Kind::DirFd) => write!(text, "{}", value as i32),
        Some(Kind::Uint) => write!(text, "{}", value as u32),
        Some(Kind::Size) => write!(text, "{value}"),
        Some(Kind::Hex) if value == 0 => write!(text, "0"),
        Some(Kind::Mode) => write!(text, "0{:o}", value as u32),
        Some(Kind::Ptr | Kind::In(_) | Kind::Out(_) | Kind::InOut(_) | Kind::Envp) if value == 0 => {
            write!(text, "NULL")
        }
        Some(Kind::Flags(table)) => write!(text, "{}", flags(u64::from(value as u32), table, "0")),
        Some(Kind::Choice(table)) => write!(text, "{}", choice(value as u32, table)),
        Some(Kind::FutexOp) => {
            let private = if value & u64::from(c::FUTEX_PRIVATE_FLAG) != 0 { "_PRIVATE" } else { "" };
            let operation = value as u32 & !(c::FUTEX_PRIVATE_FLAG | c::FUTEX_CLOCK_REALTIME);
            let clock =
                if value & u64::from(c::FUTEX_CLOCK_REALTIME) != 0 { "|FUTEX_CLOCK_REALTIME" } else { "" };
            write!(text, "{}{private}{clock}", choice(operation, names::FUTEX))
        }
        Some(Kind::CloneFlags) => {
            let signal =
                signal::name((value & 0xff) as i32).map(|name| format!("|{name}")).unwrap_or_default();
            write!(text, "flags={}{signal}", flags(value & 0xffff_ff00, names::CLONE, "0"))
        }
        Some(Kind::Signal) => match signal::name(value as i32) {
            Some(name) => write!(text, "{name}"),
            None => write!(text, "{}", value as i32),
        },
        Some(Kind::OpenFlags) => write!(text, "{}", open_flags(value as u32)),
        Some(Kind::Prot) => write!(text, "{}", flags(value, names::PROT, "PROT_NONE")),
        Some(Kind::MmapFlags) => write!(text, "{}", flags(value, names::MMAP, "0")),
        _ => write!(text, "{value:#x}"),
    };
}

/// What an argument points to; nothing if it does not, or if that cannot be read.
fn pointee(
    text: &mut String,
    mm: &MemoryManager,
    args: &Args,
    index: usize,
    kind: Kind,
    result: Option<u64>,
) {
    let value = args.u64(index);
    let next = args.u64((index + 1).min(5));
    match kind {
        Kind::In(_) | Kind::Out(_) | Kind::InOut(_) | Kind::Envp if value == 0 => {}
        Kind::In(what) | Kind::Out(what) | Kind::InOut(what) => {
            if let Some(shown) = structs::show(mm, what, value, next, result) {
                text.push_str(&shown);
            }
        }
        Kind::Path => {
            if let Ok(path) = mm.copy_in_c_string(value, 4096) {
                quote(text, &path, path.len());
            }
        }
        Kind::InBuf => buffer(text, mm, value, next),
        Kind::OutBuf => buffer(text, mm, value, result.unwrap_or(0)),
        Kind::Argv => strings(text, mm, value),
        Kind::Envp => {
            let word = |i: u64| mm.copy_in::<u64>(value.wrapping_add(i * 8));
            let count = (0..MAX_COUNTED).take_while(|&i| word(i).is_ok_and(|at| at != 0)).count();
            let _ = write!(text, "{value:#x} /* {count} vars */");
        }
        _ => {}
    }
}

/// Nothing if it cannot be read.
pub(super) fn buffer(text: &mut String, mm: &MemoryManager, addr: u64, len: u64) {
    let len = usize::try_from(len).unwrap_or(usize::MAX);
    let mut bytes = [0; SHOWN];
    let shown = &mut bytes[..len.min(SHOWN)];
    if mm.read_exact(addr, shown).is_ok() {
        quote(text, shown, len);
    }
}

fn strings(text: &mut String, mm: &MemoryManager, addr: u64) {
    text.push('[');
    for i in 0..SHOWN as u64 {
        let at = match mm.copy_in::<u64>(addr.wrapping_add(i * 8)) {
            Ok(0) | Err(_) => break,
            Ok(at) => at,
        };
        if i > 0 {
            text.push_str(", ");
        }
        match mm.copy_in_c_string(at, 4096) {
            Ok(s) => quote(text, &s[..s.len().min(SHOWN)], s.len()),
            Err(_) => {
                let _ = write!(text, "{at:#x}");
            }
        }
    }
    text.push(']');
}

/// C's escapes; `...` if there is more than what is shown.
pub(super) fn quoted(bytes: &[u8], len: usize) -> String {
    let mut text = String::new();
    quote(&mut text, bytes, len);
    text
}

fn quote(text: &mut String, bytes: &[u8], len: usize) {
    text.push('"');
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
