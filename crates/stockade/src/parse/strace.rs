//! The calls that `--strace=` names.

use stockade_abi::nr;
use stockade_sentry::strace::near;

/// System call names, separated by commas.
///
/// # Errors
/// The first name that x86-64 does not have, with a near one if there is.
pub fn strace_calls(text: &str) -> Result<Vec<String>, String> {
    text.split(',').map(call).collect()
}

fn call(name: &str) -> Result<String, String> {
    if name.is_empty() {
        return Err(
            "a name is missing; write --strace for all calls, or names as in --strace=openat,read".to_owned()
        );
    }
    if nr::number(name).is_some() {
        return Ok(name.to_owned());
    }
    match near(name).first() {
        Some(known) => Err(format!("'{name}' is no system call of x86-64; did you mean {known}?")),
        None => Err(format!("'{name}' is no system call of x86-64; `stockade syscalls` lists them")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        assert_eq!(strace_calls("openat,read"), Ok(vec!["openat".to_owned(), "read".to_owned()]));
        assert!(strace_calls("opneat").unwrap_err().contains("did you mean openat?"));
        assert!(strace_calls("teleport").unwrap_err().contains("stockade syscalls"));
        assert!(strace_calls("read,").unwrap_err().contains("missing"));
        assert!(strace_calls("").is_err());
    }
}
