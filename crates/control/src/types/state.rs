//! Of `State`, and of `containerManager` where that saves.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Arguments of `State.Save` and `containerManager.Checkpoint`. The payload is one descriptor, open for writing: a regular
/// file's, at its start, or a pipe's.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SaveOpts {
    /// What the image is authenticated with, 16 bytes to 64 KiB; empty for none: then anybody may have written it.
    #[serde(serialize_with = "to_base64", deserialize_with = "from_base64")]
    pub key: Vec<u8>,
    /// What the owner notes; readable without the key.
    pub metadata: BTreeMap<String, String>,
    /// There are three descriptors; the image goes to the first, and nothing to the others.
    pub have_pages_file: bool,
    /// The sandbox goes on afterwards; else it ends.
    #[serde(rename = "Resume")]
    pub resume: bool,
    /// Open files that cannot be saved are closed in the image.
    #[serde(rename = "Force", skip_serializing_if = "is_false")]
    pub force: bool,
    /// There is one more descriptor, the last: a connected stream socket. The sandbox ends only when it is told so over
    /// that, and so when the image is where it belongs: one byte is sent when it is written, and one has to come back. If
    /// none does, the sandbox goes on. Means nothing with `resume`.
    #[serde(rename = "Confirm", skip_serializing_if = "is_false")]
    pub confirm: bool,
    /// How memory stands in the image: `none` (also empty) or `zstd`.
    #[serde(rename = "Compression", skip_serializing_if = "String::is_empty")]
    pub compression: String,
}

fn is_false(value: &bool) -> bool {
    !value
}

/// Arguments of `containerManager.Restore`. The payload is the image, open for reading; two more descriptors follow with
/// `have_pages_file`, and one with `have_device_file`: they are not looked at.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RestoreOpts {
    /// What the image was saved with; empty for none. Not gVisor's.
    #[serde(rename = "Key", serialize_with = "to_base64", deserialize_with = "from_base64")]
    pub key: Vec<u8>,
    /// Pages and their list would be in files of their own.
    #[serde(rename = "HavePagesFile", alias = "have_pages_file")]
    pub have_pages_file: bool,
    /// The platform would have a device.
    #[serde(rename = "HaveDeviceFile")]
    pub have_device_file: bool,
}

impl RestoreOpts {
    /// How many descriptors there are.
    #[must_use]
    pub fn descriptors(&self) -> usize {
        1 + 2 * usize::from(self.have_pages_file) + usize::from(self.have_device_file)
    }
}

/// Says nothing of the key.
impl std::fmt::Debug for RestoreOpts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RestoreOpts").finish_non_exhaustive()
    }
}

/// The result of `State.Save` and `containerManager.Checkpoint`; gVisor's has nothing in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SaveResult {
    /// What was closed because of `Force`, in words.
    #[serde(rename = "Closed", skip_serializing_if = "Vec::is_empty")]
    pub closed: Vec<String>,
}

/// What an image says of the sandbox to whoever restores it, before its kernel is looked at: `sandbox` of the summary.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SavedSandbox {
    /// What it was made with, as who made it describes it.
    pub config: serde_json::Value,
    /// CLOCK_MONOTONIC inside, in nanoseconds.
    pub monotonic: u64,
    /// CLOCK_BOOTTIME inside, in nanoseconds.
    pub boottime: u64,
}

/// Says nothing of the key.
impl std::fmt::Debug for SaveOpts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SaveOpts")
            .field("metadata", &self.metadata)
            .field("resume", &self.resume)
            .finish_non_exhaustive()
    }
}

fn to_base64<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&BASE64_STANDARD.encode(bytes))
}

fn from_base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(deserializer)?;
    BASE64_STANDARD.decode(text).map_err(|e| de::Error::custom(format_args!("key: {e}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::zero;

    #[test]
    fn is_spelled_as_gvisors_clients_spell_it() {
        let text = r#"{"key":"AAEC","metadata":{"a":"b"},"MemoryFileSaveOpts":{},"have_pages_file":true,"Resume":true}"#;
        let opts: SaveOpts = zero::from_str(text).unwrap();
        assert_eq!((opts.key, opts.have_pages_file, opts.resume), (vec![0, 1, 2], true, true));
        assert_eq!(opts.metadata["a"], "b");
        let none: SaveOpts = zero::from_str(r#"{"key":null,"metadata":null}"#).unwrap();
        assert_eq!(none, SaveOpts::default());
        assert!(zero::from_str::<SaveOpts>(r#"{"key":"?"}"#).is_err());
        let text = serde_json::to_string(&SaveOpts { key: vec![255; 2], ..SaveOpts::default() }).unwrap();
        assert!(text.starts_with(r#"{"key":"//8=","#), "{text}");
        let text =
            r#"{"HavePagesFile":true,"HaveDeviceFile":true,"Background":false,"use_checkpoint_gofer":false}"#;
        assert_eq!(zero::from_str::<RestoreOpts>(text).unwrap().descriptors(), 4);
        assert_eq!(zero::from_str::<RestoreOpts>("{}").unwrap().descriptors(), 1);
        assert!(!format!("{:?}", SaveOpts { key: vec![255; 2], ..SaveOpts::default() }).contains("255"));
    }
}
