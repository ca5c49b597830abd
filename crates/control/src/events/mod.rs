//! Events about what guests do, on their way to whoever attached by `Events.AttachDebugEmitter`.
//!
//! A stream of frames: the length as a varint, then a protobuf `google.protobuf.Any` with a `gvisor.DebugEvent`, as
//! gVisor's readers expect it.

mod frame;
mod message;
mod text;

pub use frame::{Reader, frame};
pub use message::{DebugEvent, Info, LOST, STRACE, Strace, StraceEnter, StraceExit};
