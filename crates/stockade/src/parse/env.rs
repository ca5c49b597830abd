//! Environment variables: `K=V`, or `K` for the caller's value.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// One `--env`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvArg {
    /// The variable's name.
    pub name: OsString,
    /// Its value; `None` takes the caller's.
    pub value: Option<OsString>,
}

/// Splits `K=V`.
///
/// # Errors
/// When the name is empty.
pub fn env(text: &OsStr) -> Result<EnvArg, String> {
    let bytes = text.as_bytes();
    let (name, value) = match bytes.iter().position(|&b| b == b'=') {
        Some(at) => (&bytes[..at], Some(OsString::from_vec(bytes[at + 1..].to_vec()))),
        None => (bytes, None),
    };
    if name.is_empty() {
        return Err("the variable has no name; write it as NAME=VALUE".to_owned());
    }
    Ok(EnvArg { name: OsString::from_vec(name.to_vec()), value })
}

/// Splits `K=V` of an annotation.
///
/// # Errors
/// When there is no `=`, or nothing before it.
pub fn annotation(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write it as KEY=VALUE".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        let got = env(OsStr::new("A=b=c")).unwrap();
        assert_eq!((got.name.to_str(), got.value.unwrap().to_str()), (Some("A"), Some("b=c")));
        assert_eq!(env(OsStr::new("A=")).unwrap().value, Some(OsString::new()));
        assert_eq!(env(OsStr::new("A")).unwrap().value, None);
        assert_eq!(env(OsStr::from_bytes(b"A=\xff")).unwrap().value.unwrap().as_bytes(), b"\xff");
        assert!(env(OsStr::new("=x")).unwrap_err().contains("NAME=VALUE"));
        assert!(env(OsStr::new("")).is_err());
    }
}
