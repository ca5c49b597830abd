//! The front's part: names for addresses.

use std::fmt::Write as _;

use crate::seccomp;

/// A report with a function, file and line after each address, as far as they are known, and with the name of a refused
/// host call. Right only in the process that the sentry was forked from.
#[must_use]
pub(crate) fn with_names(report: &str) -> String {
    let mut named = String::with_capacity(report.len() * 4);
    for line in report.lines() {
        named.push_str(line);
        if let Some(address) = line.strip_prefix("  0x").and_then(|hex| usize::from_str_radix(hex, 16).ok()) {
            name(address, &mut named);
        } else if let Some((number, args)) = line.strip_prefix("host call: ").and_then(parse_call) {
            let _ = write!(named, "\n{}", seccomp::explain(number, args));
        }
        named.push('\n');
    }
    named
}

fn name(address: usize, text: &mut String) {
    // A return address belongs to the call before it.
    let within = std::ptr::without_provenance_mut(address.saturating_sub(1));
    let mut indent = " ";
    backtrace::resolve(within, |symbol| {
        let Some(name) = symbol.name() else { return };
        let _ = write!(text, "{indent}{name:#}");
        if let (Some(file), Some(line)) = (symbol.filename(), symbol.lineno()) {
            let _ = write!(text, " at {}:{line}", file.display());
        }
        indent = "\n      ";
    });
}

/// `NUMBER ARG…`, arguments in hexadecimal.
fn parse_call(text: &str) -> Option<(u64, [u64; 6])> {
    let mut fields = text.split(' ');
    let number = fields.next()?.parse().ok()?;
    let mut args = [0; 6];
    for arg in &mut args {
        *arg = u64::from_str_radix(fields.next()?.strip_prefix("0x")?, 16).ok()?;
    }
    Some((number, args))
}
