//! The messages, by the tags of gVisor's schema.

/// The name of events that hold a [`Strace`].
pub const STRACE: &str = "gvisor.Strace";
/// The name of events that say how many others did not find room.
pub const LOST: &str = "stockade.Lost";

/// What a frame holds: `google.protobuf.Any`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct Any {
    #[prost(string, tag = "1")]
    pub(super) type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) value: Vec<u8>,
}

/// `gvisor.DebugEvent`: a message as text. The others are Stockade's, which gVisor's readers skip: the same as values.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct DebugEvent {
    /// The name of the message.
    #[prost(string, tag = "1")]
    pub name: String,
    /// The message in protobuf's text format.
    #[prost(string, tag = "2")]
    pub text: String,
    /// Of a [`STRACE`].
    #[prost(message, optional, tag = "50000")]
    pub strace: Option<Strace>,
    /// Of a [`LOST`]: how many events, at this place of the stream.
    #[prost(uint64, tag = "50001")]
    pub lost: u64,
}

/// `gvisor.Strace`: a system call begins or has ended.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Strace {
    /// The thread's name.
    #[prost(string, tag = "1")]
    pub process: String,
    /// The call's name.
    #[prost(string, tag = "2")]
    pub function: String,
    /// Its arguments, as strace(1) writes them; of one that has ended, with what it gave.
    #[prost(string, repeated, tag = "3")]
    pub args: Vec<String>,
    /// The thread's number in the root PID namespace.
    #[prost(int32, tag = "6")]
    pub tid: i32,
    /// Which of both.
    #[prost(oneof = "Info", tags = "4, 5")]
    pub info: Option<Info>,
}

/// Whether a call begins or has ended.
#[derive(Clone, PartialEq, Eq, prost::Oneof)]
pub enum Info {
    /// It begins.
    #[prost(message, tag = "4")]
    Enter(StraceEnter),
    /// It has ended.
    #[prost(message, tag = "5")]
    Exit(StraceExit),
}

/// A call begins.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct StraceEnter {}

/// A call has ended.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct StraceExit {
    /// What it returned, as text.
    #[prost(string, tag = "1")]
    pub r#return: String,
    /// Why it failed, in words; empty if it did not.
    #[prost(string, tag = "2")]
    pub error: String,
    /// errno(3), 0 if it did not.
    #[prost(int64, tag = "3")]
    pub err_no: i64,
    /// How long it took, in nanoseconds.
    #[prost(int64, tag = "4")]
    pub elapsed_ns: i64,
}
