//! Where `stockade cp` copies from and to: `ID:PATH`, a path on the host, or `-` for a stream.

use super::sandbox_id;
use std::ffi::OsStr;
use std::path::PathBuf;

/// One of its two arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In a sandbox.
    Inside {
        /// The sandbox's name.
        id: String,
        /// An absolute path.
        path: String,
    },
    /// On the host.
    Outside(PathBuf),
    /// Standard input or output, as a tar stream.
    Stream,
}

/// Tells them apart. A path on the host that has a colon is told by a slash before it: `./a:b`.
///
/// # Errors
/// When what stands before a colon is no name, or PATH is not absolute, or no text.
pub fn place(text: &OsStr) -> Result<Place, String> {
    if text == "-" {
        return Ok(Place::Stream);
    }
    let bytes = text.as_encoded_bytes();
    let colon = bytes.iter().position(|&b| b == b':');
    let slash = bytes.iter().position(|&b| b == b'/');
    match colon {
        Some(colon) if slash.is_none_or(|slash| slash > colon) => {}
        _ => return Ok(Place::Outside(text.into())),
    }
    let text = text.to_str().ok_or("a running sandbox can only be told text, and this is not UTF-8")?;
    let (id, path) = text.split_once(':').unwrap_or((text, ""));
    let id = sandbox_id(id).map_err(|e| format!("{e}; a file on the host with a colon is ./{text}"))?;
    if !path.starts_with('/') {
        return Err(format!("the path in the sandbox has to be absolute: {id}:/{path}"));
    }
    Ok(Place::Inside { id, path: path.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        let of = |text: &str| place(OsStr::new(text));
        let inside = Place::Inside { id: "box".into(), path: "/a:b".into() };
        assert_eq!(of("box:/a:b"), Ok(inside));
        assert_eq!(of("./a:b"), Ok(Place::Outside("./a:b".into())));
        assert_eq!(of("file"), Ok(Place::Outside("file".into())));
        assert_eq!(of("-"), Ok(Place::Stream));
        assert!(of("box:a").unwrap_err().contains("box:/a"));
        assert!(of("box:").is_err() && of(":/a").is_err());
    }
}
