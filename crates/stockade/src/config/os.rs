//! Serde for what Linux has as bytes: a string where it is UTF-8, an array of bytes where it is not.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

#[derive(Serialize)]
#[serde(untagged)]
enum Ref<'a> {
    Text(&'a str),
    Bytes(&'a [u8]),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Owned {
    Text(String),
    Bytes(Vec<u8>),
}

fn to_ref(value: &OsStr) -> Ref<'_> {
    value.to_str().map_or_else(|| Ref::Bytes(value.as_bytes()), Ref::Text)
}

impl From<Owned> for OsString {
    fn from(value: Owned) -> Self {
        match value {
            Owned::Text(text) => text.into(),
            Owned::Bytes(bytes) => Self::from_vec(bytes),
        }
    }
}

pub(crate) fn serialize<T: AsRef<OsStr>, S: Serializer>(value: &T, to: S) -> Result<S::Ok, S::Error> {
    to_ref(value.as_ref()).serialize(to)
}

pub(crate) fn deserialize<'de, T: From<OsString>, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
    Ok(OsString::from(Owned::deserialize(from)?).into())
}

/// The same for lists.
pub(super) mod list {
    use super::{Owned, to_ref};
    use serde::{Deserialize, Deserializer, Serializer};
    use std::ffi::OsString;

    pub(in crate::config) fn serialize<S: Serializer>(values: &[OsString], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(values.iter().map(|v| to_ref(v)))
    }

    pub(in crate::config) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Vec<OsString>, D::Error> {
        Ok(Vec::<Owned>::deserialize(from)?.into_iter().map(OsString::from).collect())
    }
}

/// The same for what may be absent.
pub(super) mod option {
    use super::{Owned, to_ref};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use std::ffi::OsString;
    use std::path::PathBuf;

    pub(in crate::config) fn serialize<S: Serializer>(
        value: &Option<PathBuf>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        value.as_ref().map(|v| to_ref(v.as_os_str())).serialize(to)
    }

    pub(in crate::config) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<PathBuf>, D::Error> {
        Ok(Option::<Owned>::deserialize(from)?.map(|v| OsString::from(v).into()))
    }
}
