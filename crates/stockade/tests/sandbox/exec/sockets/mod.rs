//! Sockets of the host that are passed to a program: to it they are sockets too.

mod hostile;
mod messages;
mod streams;

use std::os::fd::BorrowedFd;

use serde_json::{Value, json};

use super::Streams;
use crate::control::Client;

/// What the scripts have in common: `s`, the socket under number 3, and the name of the errno that a call fails with (ENOTSUP
/// is EOPNOTSUPP's other name).
const PRELUDE: &str = "\
import array, ctypes, errno, os, select, signal, socket, stat, struct, sys
from socket import *
def code(call, *args):
    try:
        call(*args)
    except OSError as e:
        return errno.errorcode[e.errno]
    return 'ok'
s = socket(fileno=3)
";

/// Runs a script of python with sockets from number 3 on, while `outside` does something with their other sides; gives what
/// it printed.
fn python(
    client: &mut Client,
    script: &str,
    sockets: &[BorrowedFd<'_>],
    outside: impl FnOnce() + Send,
) -> String {
    let streams = Streams::new();
    let mut files = streams.files();
    files.extend(sockets);
    let arg =
        json!({"argv": ["python3", "-c", format!("{PRELUDE}{script}")], "envv": ["PATH=/usr/bin:/bin"]});
    let answer: Value = std::thread::scope(|scope| {
        scope.spawn(outside);
        client.call("Proc.Exec", &arg, &files)
    });
    drop(files);
    let text = streams.text();
    assert_eq!((&answer["success"], &answer["result"]), (&json!(true), &json!(0)), "{answer}: {text}");
    text
}
