//! Paths without the help of a file system.

use std::path::{Component, Path, PathBuf};

/// An absolute path without `.`, `..` and double slashes, by its text alone; `..` at the root stays there.
pub(super) fn normal(path: &Path) -> PathBuf {
    let mut out = PathBuf::from("/");
    for component in path.components() {
        match component {
            Component::Normal(name) => out.push(name),
            Component::ParentDir => {
                out.pop();
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_text() {
        for (path, want) in
            [("/a//b/./c", "/a/b/c"), ("/a/../b", "/b"), ("/../..", "/"), ("/", "/"), ("/a/b/", "/a/b")]
        {
            assert_eq!(normal(Path::new(path)), Path::new(want), "{path}");
        }
    }
}
