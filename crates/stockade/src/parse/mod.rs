//! The values of options: sizes, durations, volumes, variables, names. Each parser is a plain function that says what is
//! wrong and what would be right.

mod capability;
mod cpus;
mod duration;
mod env;
mod ids;
mod level;
mod name;
mod overlay;
mod pass_fd;
mod place;
mod signal;
mod since;
mod size;
mod strace;
mod volume;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

pub use capability::capability;
pub use cpus::cpus;
pub use duration::duration;
pub use env::{EnvArg, annotation, env};
pub use ids::id_number;
pub use level::level;
pub use name::{hostname, sandbox_id};
pub use overlay::{OverlayArg, overlay};
pub use pass_fd::{PassFd, pass_fd};
pub use place::{Place, place};
pub use signal::signal;
pub use since::{Since, since};
pub use size::{format_size, size};
pub use strace::strace_calls;
pub use volume::{VolumeArg, volume};

/// Gives each parser a value, for fuzzers.
#[doc(hidden)]
pub fn any(value: &[u8]) {
    let raw = OsStr::from_bytes(value);
    drop((env(raw), overlay(raw), place(raw), volume(raw)));
    let Ok(text) = std::str::from_utf8(value) else { return };
    drop((
        annotation(text),
        capability(text),
        cpus(text),
        duration(text),
        hostname(text),
        id_number(text),
        pass_fd(text),
        sandbox_id(text),
        strace_calls(text),
    ));
    if let Ok(bytes) = size(text) {
        assert!(!format_size(bytes).is_empty());
    }
}

/// Splits a decimal number such as `1.5` from what follows it: (thousand-millionths, rest).
///
/// `None` when there is no number at the start, or more than nine decimals, or it is beyond 10^18.
fn decimal(text: &str) -> Option<(u128, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || fraction.len() > 9 || whole.len() > 18 {
        return None;
    }
    let nano: u128 = format!("{fraction:0<9}").parse().ok()?;
    Some((whole.parse::<u128>().ok()? * NANO + nano, rest))
}

/// What [`decimal`] counts one as.
const NANO: u128 = 1_000_000_000;

#[cfg(test)]
mod tests {
    /// All short values of what numbers, units, separators and names are made of, and some that are not text.
    #[test]
    fn no_value_is_too_much() {
        const PIECES: [&[u8]; 16] = [
            b"0",
            b"9",
            b".",
            b"K",
            b"iB",
            b"m",
            b"s",
            b":",
            b"/",
            b"ro",
            b"=",
            b",",
            b"-",
            b" ",
            b"\xff",
            b"999999999999999999",
        ];
        let mut value = Vec::new();
        for n in 0..PIECES.len().pow(3) {
            value.clear();
            let mut rest = n;
            while rest > 0 {
                value.extend_from_slice(PIECES[rest % PIECES.len()]);
                rest /= PIECES.len();
            }
            super::any(&value);
        }
    }
}
