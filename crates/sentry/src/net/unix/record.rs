//! What sockets send and receive, for the log: who, how much, from which socket to which.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use stockade_abi::Errno;
use stockade_abi::net as n;

use super::address;
use super::endpoint::Endpoint;
use crate::io::Sink;
use crate::net::socket::{Outgoing, Received};
use crate::strace;
use crate::task::{Task, current};

impl Endpoint {
    /// Sends, and tells the log if it wants to know.
    pub(super) fn send_recorded(
        self: &Arc<Self>,
        task: &Task,
        message: &mut Outgoing<'_>,
    ) -> Result<usize, Errno> {
        let files = message.rights.as_ref().map_or(0, |rights| rights.files().len());
        let result = self.send(task, message);
        if let Ok(len) = result {
            strace::packet(Some(task), || {
                let to = match message.to.map(address::parse) {
                    Some(Ok(Some(name))) => format!("to {}", shown(&name)),
                    _ => self.peer().map_or_else(String::new, |peer| format!("to {}", peer.described())),
                };
                format!("{} sends {len} bytes{} {to}", self.described(), with_files(files))
            });
        }
        result
    }

    /// Receives, and tells the log if it wants to know.
    pub(super) fn receive_recorded(&self, dst: &mut dyn Sink, flags: u32) -> Result<Received, Errno> {
        let result = self.receive(dst, flags);
        if let Ok(received) = &result {
            strace::packet(current().as_deref(), || {
                let from = match received.from.as_deref().map(address::parse) {
                    Some(Ok(Some(name))) => format!("from {}", shown(&name)),
                    _ => self.peer().map_or_else(String::new, |peer| format!("from {}", peer.described())),
                };
                let verb = if flags & n::MSG_PEEK == 0 { "receives" } else { "looks at" };
                let (len, files) = (received.len, with_files(received.files.len()));
                let cut = match received.full_len.checked_sub(len) {
                    Some(more) if more > 0 => format!(" (and loses {more})"),
                    _ => String::new(),
                };
                format!("{} {verb} {len} bytes{cut}{files} {from}", self.described())
            });
        }
        result
    }

    /// `socket:[N]`, with its name if it has one.
    fn described(&self) -> String {
        let mut text = match self.number.load(Ordering::Relaxed) {
            0 => "a socket not yet accepted".to_owned(),
            number => format!("socket:[{number}]"),
        };
        if let Some(name) = self.name() {
            // Writing to a string cannot fail.
            let _ = write!(text, " {}", shown(&name));
        }
        text
    }
}

/// A name, as ss(8) writes it.
fn shown(name: &address::Name) -> String {
    match name {
        address::Name::Path(path) => path.escape_ascii().to_string(),
        address::Name::Abstract(name) => format!("@{}", name.escape_ascii()),
    }
}

fn with_files(files: usize) -> String {
    match files {
        0 => String::new(),
        1 => " and a descriptor".to_owned(),
        n => format!(" and {n} descriptors"),
    }
}
