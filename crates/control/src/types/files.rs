//! `Files`, which is Stockade's own: files into and out of a sandbox, as tar streams.

use serde::{Deserialize, Serialize};

/// Arguments of `Files.Look` and `Files.Unpack`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FilesArgs {
    /// An absolute path in the first process's mounts. Links in it are followed; to unpack, it is a directory.
    #[serde(rename = "Path")]
    pub path: String,
}

/// Arguments of `Files.Pack`. The payload is what the stream goes to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PackArgs {
    /// An absolute path in the first process's mounts; a link at its end is packed as one.
    #[serde(rename = "Path")]
    pub path: String,
    /// What it is called in the stream; empty for the contents of a directory alone.
    #[serde(rename = "Name")]
    pub name: String,
}

/// What is at a path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FileKind {
    /// Nothing, in a directory that exists.
    #[default]
    Nothing,
    /// A directory.
    Directory,
    /// Something else.
    File,
}
