//! `--overlay memory|none|DIR`.

use std::ffi::OsStr;
use std::path::PathBuf;

/// What `--overlay` asks for; a directory is not looked at yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OverlayArg {
    /// Changes live in memory and end with the sandbox.
    Memory,
    /// No overlay: the root is read-only.
    None,
    /// Changes are kept in this directory.
    Dir(PathBuf),
}

/// `memory`, `none`, or else a directory (`./none` for one of such a name).
///
/// # Errors
/// When it is empty.
pub fn overlay(text: &OsStr) -> Result<OverlayArg, String> {
    match text.to_str() {
        Some("memory") => Ok(OverlayArg::Memory),
        Some("none") => Ok(OverlayArg::None),
        Some("") => Err("empty; write memory, none, or a directory that shall keep the changes".to_owned()),
        _ => Ok(OverlayArg::Dir(PathBuf::from(text))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        assert_eq!(overlay(OsStr::new("memory")), Ok(OverlayArg::Memory));
        assert_eq!(overlay(OsStr::new("none")), Ok(OverlayArg::None));
        assert_eq!(overlay(OsStr::new("./none")), Ok(OverlayArg::Dir("./none".into())));
        assert!(overlay(OsStr::new("")).is_err());
    }
}
