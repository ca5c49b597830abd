//! `--volume SRC[:DST[:ro|rw]]`; `\:` stands for a colon in a path and `\\` for a backslash.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

/// One `--volume`, not looked at on the host yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeArg {
    /// On the host; may be relative to the caller's working directory.
    pub source: PathBuf,
    /// Inside, absolute; `None`: where it is on the host.
    pub destination: Option<PathBuf>,
    /// Whether the guest may not write.
    pub read_only: bool,
}

/// Splits a volume into its parts.
///
/// # Errors
/// What is wrong with the text, and the accepted form.
pub fn volume(text: &OsStr) -> Result<VolumeArg, String> {
    let form = "write it as SRC, SRC:DST or SRC:DST:ro";
    let parts = split(text.as_bytes());
    let [source, rest @ ..] = parts.as_slice() else {
        return Err(format!("empty; {form}"));
    };
    if source.is_empty() {
        return Err(format!("the source is empty; {form}"));
    }
    let source = PathBuf::from(source);
    let Some((destination, mode)) = rest.split_first() else {
        return Ok(VolumeArg { source, destination: None, read_only: false });
    };
    if !destination.as_bytes().starts_with(b"/") {
        let shown = destination.to_string_lossy();
        return Err(match shown.as_ref() {
            "ro" | "rw" => format!("'{shown}' stands where the destination belongs; write SRC:DST:{shown}"),
            _ => {
                format!("the destination '{shown}' is not absolute; it is a path inside the sandbox; {form}")
            }
        });
    }
    let read_only = match mode {
        [] => false,
        [mode] if mode == "rw" => false,
        [mode] if mode == "ro" => true,
        [mode] => return Err(format!("'{}' is neither ro nor rw; {form}", mode.to_string_lossy())),
        _ => return Err(format!("too many colons; {form}, with \\: for a colon in a path")),
    };
    Ok(VolumeArg { source, destination: Some(PathBuf::from(destination)), read_only })
}

/// The parts between colons that no backslash protects.
fn split(text: &[u8]) -> Vec<OsString> {
    let mut parts = vec![Vec::new()];
    let mut bytes = text.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        let literal = match byte {
            b'\\' => bytes.next_if(|next| matches!(next, b':' | b'\\')).unwrap_or(byte),
            b':' => {
                parts.push(Vec::new());
                continue;
            }
            _ => byte,
        };
        if let Some(part) = parts.last_mut() {
            part.push(literal);
        }
    }
    parts.into_iter().map(OsString::from_vec).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<(String, Option<String>, bool), String> {
        let text_of = |p: PathBuf| p.to_str().unwrap().to_owned();
        volume(OsStr::new(text)).map(|v| (text_of(v.source), v.destination.map(text_of), v.read_only))
    }

    #[test]
    fn forms() {
        assert_eq!(parse("src"), Ok(("src".into(), None, false)));
        assert_eq!(parse("/a:/b"), Ok(("/a".into(), Some("/b".into()), false)));
        assert_eq!(parse("../a:/b:ro"), Ok(("../a".into(), Some("/b".into()), true)));
        assert_eq!(parse("a:/b:rw"), Ok(("a".into(), Some("/b".into()), false)));
        assert_eq!(parse(r"a\:b:/c\\d"), Ok(("a:b".into(), Some(r"/c\d".into()), false)));
        assert_eq!(parse(r"a\b"), Ok((r"a\b".into(), None, false)));
    }

    #[test]
    fn bad_volumes_say_what_is_right() {
        for (bad, says) in [
            ("", "source is empty"),
            (":/b", "source is empty"),
            ("/a:", "not absolute"),
            ("/a:ro", "write SRC:DST:ro"),
            ("/a:b", "not absolute"),
            ("/a:/b:rx", "neither ro nor rw"),
            ("/a:/b:", "neither ro nor rw"),
            ("/a:/b:ro:x", "too many colons"),
        ] {
            let message = parse(bad).expect_err(bad);
            assert!(message.contains(says), "{bad}: {message}");
        }
    }
}
