//! Arguments as text.

use std::fmt::Write;

use stockade_abi::general as c;
use stockade_abi::signal;

use crate::mm::UserMemory;
use crate::syscalls::table::{Kind, Syscall};
use crate::syscalls::{Args, Ctx};

/// Bytes of a buffer or string shown at most, as strace(1) does by default.
const SHOWN: usize = 32;

/// Whether a call's output buffers are worth showing.
pub(super) fn has_output(entry: &Syscall) -> bool {
    entry.args.contains(&Kind::OutBuf)
}

/// All arguments; `result` is known once the call has been made.
pub(super) fn arguments(ctx: &Ctx, args: &Args, entry: Option<&Syscall>, result: Option<u64>) -> String {
    let mut text = String::new();
    match entry {
        Some(entry) => {
            for (i, kind) in entry.args.iter().enumerate() {
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

fn argument(text: &mut String, ctx: &Ctx, args: &Args, index: usize, kind: Kind, result: Option<u64>) {
    let value = args.u64(index);
    // Writing to a string cannot fail.
    let _ = match kind {
        Kind::Fd | Kind::Int => write!(text, "{}", value as i32),
        Kind::DirFd if value as i32 == c::AT_FDCWD => write!(text, "AT_FDCWD"),
        Kind::DirFd => write!(text, "{}", value as i32),
        Kind::Uint => write!(text, "{}", value as u32),
        Kind::Size => write!(text, "{value}"),
        Kind::Hex => write!(text, "{value:#x}"),
        Kind::Mode => write!(text, "{:#o}", value as u32),
        Kind::Ptr if value == 0 => write!(text, "NULL"),
        Kind::Ptr => write!(text, "{value:#x}"),
        Kind::Path => match ctx.mm.copy_in_c_string(value, 4096) {
            Ok(path) => write!(text, "{}", quoted(&path, path.len())),
            Err(_) => write!(text, "{value:#x}"),
        },
        Kind::InBuf => buffer(text, ctx, value, args.u64((index + 1).min(5))),
        Kind::OutBuf => match result {
            Some(len) => buffer(text, ctx, value, len),
            None => write!(text, "{value:#x}"),
        },
        Kind::Argv => strings(text, ctx, value),
        Kind::Signal => match signal::name(value as i32) {
            Some(name) => write!(text, "{name}"),
            None => write!(text, "{}", value as i32),
        },
        Kind::OpenFlags => write!(text, "{}", open_flags(value as u32)),
        Kind::Prot => write!(text, "{}", names(value, PROT, "PROT_NONE")),
        Kind::MmapFlags => write!(text, "{}", names(value, MMAP, "0")),
    };
}

fn buffer(text: &mut String, ctx: &Ctx, addr: u64, len: u64) -> std::fmt::Result {
    let len = usize::try_from(len).unwrap_or(usize::MAX);
    let mut bytes = vec![0; len.min(SHOWN)];
    match ctx.mm.read_exact(addr, &mut bytes) {
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
fn quoted(bytes: &[u8], len: usize) -> String {
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

const PROT: &[(u32, &str)] = &[(1, "PROT_READ"), (2, "PROT_WRITE"), (4, "PROT_EXEC")];

const MMAP: &[(u32, &str)] = &[
    (c::MAP_SHARED, "MAP_SHARED"),
    (c::MAP_PRIVATE, "MAP_PRIVATE"),
    (c::MAP_FIXED, "MAP_FIXED"),
    (c::MAP_ANONYMOUS, "MAP_ANONYMOUS"),
    (c::MAP_GROWSDOWN, "MAP_GROWSDOWN"),
    (c::MAP_DENYWRITE, "MAP_DENYWRITE"),
    (c::MAP_LOCKED, "MAP_LOCKED"),
    (c::MAP_NORESERVE, "MAP_NORESERVE"),
    (c::MAP_POPULATE, "MAP_POPULATE"),
    (c::MAP_STACK, "MAP_STACK"),
    (c::MAP_FIXED_NOREPLACE, "MAP_FIXED_NOREPLACE"),
];

const OPEN: &[(u32, &str)] = &[
    (c::O_CREAT, "O_CREAT"),
    (c::O_EXCL, "O_EXCL"),
    (c::O_NOCTTY, "O_NOCTTY"),
    (c::O_TRUNC, "O_TRUNC"),
    (c::O_APPEND, "O_APPEND"),
    (c::O_NONBLOCK, "O_NONBLOCK"),
    (c::O_TMPFILE, "O_TMPFILE"),
    (c::O_DIRECTORY, "O_DIRECTORY"),
    (c::O_NOFOLLOW, "O_NOFOLLOW"),
    (c::O_CLOEXEC, "O_CLOEXEC"),
    (c::O_PATH, "O_PATH"),
    (c::O_SYNC, "O_SYNC"),
    (c::O_DIRECT, "O_DIRECT"),
];

fn names(value: u64, table: &[(u32, &str)], none: &str) -> String {
    let mut left = value as u32;
    let mut found = Vec::new();
    for &(bits, name) in table {
        if bits != 0 && left & bits == bits {
            found.push(name.to_owned());
            left &= !bits;
        }
    }
    if left != 0 {
        found.push(format!("{left:#x}"));
    }
    if found.is_empty() { none.to_owned() } else { found.join("|") }
}

fn open_flags(flags: u32) -> String {
    let access = match flags & c::O_ACCMODE {
        c::O_RDONLY => "O_RDONLY",
        c::O_WRONLY => "O_WRONLY",
        _ => "O_RDWR",
    };
    match flags & !c::O_ACCMODE {
        0 => access.to_owned(),
        rest => format!("{access}|{}", names(u64::from(rest), OPEN, "0")),
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
        assert_eq!(names(3, PROT, "PROT_NONE"), "PROT_READ|PROT_WRITE");
    }
}
