//! Signals by name or number.

use stockade_abi::signal::{SIGRTMAX, SIGRTMIN, name};

/// The first real-time signal that C libraries leave to programs (signal(7)); `SIGRTMIN` is the kernel's.
const RTMIN: i32 = 34;

/// A name with or without `SIG`, in whatever case, `RTMIN+N`, `RTMAX-N`, or a number.
///
/// # Errors
/// That there is no such signal.
pub fn signal(text: &str) -> Result<i32, String> {
    let none = || format!("'{text}' is no signal; give a name as in TERM or SIGKILL, or 1 to {SIGRTMAX}");
    if let Ok(number) = text.parse() {
        return if (1..=SIGRTMAX).contains(&number) { Ok(number) } else { Err(none()) };
    }
    let upper = text.to_ascii_uppercase();
    let short = upper.strip_prefix("SIG").unwrap_or(&upper);
    let real_time = |base: i32, sign: i32, rest: &str| {
        let n: i32 = if rest.is_empty() { 0 } else { rest.parse().ok()? };
        let number = base.checked_add(sign * n)?;
        (RTMIN..=SIGRTMAX).contains(&number).then_some(number)
    };
    let alias = match short {
        "IOT" => Some("ABRT"),
        "POLL" => Some("IO"),
        "CLD" => Some("CHLD"),
        _ => None,
    };
    let wanted = alias.unwrap_or(short);
    let standard =
        || (1..SIGRTMIN).find(|&n| name(n).is_some_and(|known| known.strip_prefix("SIG") == Some(wanted)));
    match (short.strip_prefix("RTMIN"), short.strip_prefix("RTMAX")) {
        (Some(rest), _) if rest.is_empty() || rest.starts_with('+') => real_time(RTMIN, 1, rest),
        (_, Some("")) => Some(SIGRTMAX),
        (_, Some(rest)) => rest.strip_prefix('-').and_then(|n| real_time(SIGRTMAX, -1, n)),
        _ => standard(),
    }
    .ok_or_else(none)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers() {
        for (text, number) in [
            ("TERM", 15),
            ("SIGKILL", 9),
            ("sigusr1", 10),
            ("9", 9),
            ("64", 64),
            ("RTMIN", 34),
            ("SIGRTMIN+2", 36),
            ("RTMAX-1", 63),
            ("rtmax", 64),
            ("CLD", 17),
        ] {
            assert_eq!(signal(text), Ok(number), "{text}");
        }
        for bad in ["", "0", "65", "-9", "SIG", "NOPE", "RTMIN+40", "RTMIN-1", "RTMAX-40", "RTMAX+1", "TERM "]
        {
            assert!(signal(bad).unwrap_err().contains("is no signal"), "{bad}");
        }
    }
}
