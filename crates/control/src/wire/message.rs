//! What the objects say.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// A call.
#[derive(Debug, Serialize, Deserialize)]
pub struct Call<M, A> {
    /// `Type.Method`.
    pub method: M,
    /// The argument; what is not there is the zero value.
    #[serde(default = "Option::default")]
    pub arg: Option<A>,
}

/// An answer. `success` decides: only then is there a result.
#[derive(Debug, Serialize, Deserialize)]
pub struct Answer {
    /// Whether the method did what was asked.
    pub success: bool,
    /// If not, why.
    #[serde(default)]
    pub err: String,
    /// What it gives; `null` for a failure.
    pub result: Option<Box<RawValue>>,
    /// The error number (errno(3)) behind a failure, where there is one. Not gVisor's: its clients ignore it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errno: Option<i32>,
}
