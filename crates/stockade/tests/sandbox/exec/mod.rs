//! Programs executed in a running sandbox: over the wire, and by `stockade exec`.

mod command;
mod fields;
mod load;
mod payload;
mod pty;
mod sockets;

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd};

use serde_json::{Value, json};

use crate::control::Client;

/// What reads standard output and error of a program, and the descriptors that it is given.
struct Streams {
    out: std::io::PipeReader,
    end: Option<std::io::PipeWriter>,
    null: File,
}

impl Streams {
    fn new() -> Self {
        let (out, end) = std::io::pipe().unwrap();
        Self { out, end: Some(end), null: File::open("/dev/null").unwrap() }
    }

    fn files(&self) -> Vec<BorrowedFd<'_>> {
        let end = self.end.as_ref().unwrap().as_fd();
        vec![self.null.as_fd(), end, end]
    }

    /// All that was printed.
    fn text(mut self) -> String {
        drop(self.end.take());
        let mut text = String::new();
        self.out.read_to_string(&mut text).unwrap();
        text
    }
}

/// Proc.Exec with what is given of its arguments: the answer, and what the program printed.
fn exec(client: &mut Client, arg: &Value) -> (Value, String) {
    let streams = Streams::new();
    let answer = client.call("Proc.Exec", arg, &streams.files());
    (answer, streams.text())
}

/// What a shell script prints that succeeds.
fn shell(client: &mut Client, script: &str, mut arg: Value) -> String {
    arg["argv"] = json!(["sh", "-c", script]);
    if arg["envv"].is_null() {
        arg["envv"] = json!(["PATH=/usr/bin:/bin"]);
    }
    let (answer, text) = exec(client, &arg);
    assert_eq!((&answer["success"], &answer["result"]), (&json!(true), &json!(0)), "{answer}: {text}");
    text.trim_end().to_owned()
}

/// The text of a failure, and its errno.
fn failure(client: &mut Client, arg: &Value) -> (String, i64) {
    let (answer, _) = exec(client, arg);
    assert_eq!((&answer["success"], &answer["result"]), (&json!(false), &Value::Null), "{answer}");
    (answer["err"].as_str().unwrap().to_owned(), answer["errno"].as_i64().unwrap_or(0))
}
