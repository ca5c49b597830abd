//! What the programs of a detached sandbox print: kept in `output.log` of its directory, in the form that podman calls
//! `k8s-file`. Each line is a time, the stream, `F` or `P`, and text; a `P` (partial) is not the end of a line.

mod entry;
mod follow;
mod log;
mod pump;

pub(crate) use entry::{Entry, Stream};
pub(crate) use follow::{Follow, Watch};
pub(crate) use log::OutputLog;
pub(crate) use pump::{Pump, Pumping};

/// The file's name; what is older has `.1` appended.
const NAME: &str = "output.log";
const OLD: &str = "output.log.1";
