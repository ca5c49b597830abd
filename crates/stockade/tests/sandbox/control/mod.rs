//! The control server of a live sandbox, over its socket.

mod commands;
mod conformance;
mod wire;

use std::io::{IoSlice, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use serde_json::{Value, json};

/// A sandbox in a state directory of its own, for as long as this lives.
pub(crate) struct Live {
    front: Child,
    directory: tempfile::TempDir,
}

impl Live {
    /// A sandbox named `box` that runs a shell script.
    pub(crate) fn script(options: &[&str], text: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let front = Command::new(env!("CARGO_BIN_EXE_stockade"))
            .arg("--state-dir")
            .arg(directory.path())
            .args(["do", "--id", "box"])
            .args(options)
            .args(["--", "sh", "-c", text])
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let live = Self { front, directory };
        until("the sandbox runs", || live.record().is_some_and(|r| r["status"] == "running"));
        live
    }

    /// One that does nothing.
    pub(crate) fn idle() -> Self {
        let live = Self::script(&[], "exec sleep 1000");
        // What the program opens at its start is open then.
        let opened = || std::fs::read_dir(format!("/proc/{}/fd", live.sentry())).map_or(0, Iterator::count);
        let mut before = (0, Instant::now());
        until("the program rests", || {
            let now = opened();
            if now != before.0 {
                before = (now, Instant::now());
            }
            before.1.elapsed() > Duration::from_millis(300)
        });
        live
    }

    pub(crate) fn state_dir(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.directory.path().join("box/control.sock")
    }

    pub(crate) fn connect(&self) -> Client {
        Client(UnixStream::connect(self.socket()).unwrap())
    }

    /// The sentry's process id on the host.
    pub(crate) fn sentry(&self) -> u64 {
        self.record().unwrap()["pid"].as_u64().unwrap()
    }

    fn record(&self) -> Option<Value> {
        let text = std::fs::read(self.directory.path().join("box/state.json")).ok()?;
        serde_json::from_slice(&text).ok()
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        // It ends with its front.
        let _ = self.front.kill();
        let _ = self.front.wait();
    }
}

/// A client that shares no code with the one that is tested.
pub(crate) struct Client(pub(crate) UnixStream);

impl Client {
    /// Sends text; gives the answer to it.
    pub(crate) fn raw(&mut self, text: &str) -> Value {
        self.0.write_all(text.as_bytes()).unwrap();
        self.answer()
    }

    /// Calls a method, with descriptors; gives the answer.
    pub(crate) fn call(&mut self, method: &str, arg: &Value, files: &[BorrowedFd<'_>]) -> Value {
        let text = json!({"method": method, "arg": arg}).to_string();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(253))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        assert!(files.is_empty() || control.push(SendAncillaryMessage::ScmRights(files)));
        let sent =
            sendmsg(&self.0, &[IoSlice::new(text.as_bytes())], &mut control, SendFlags::empty()).unwrap();
        self.0.write_all(&text.as_bytes()[sent..]).unwrap();
        self.answer()
    }

    /// The next answer: it ends with its brace, and nothing follows.
    pub(crate) fn answer(&mut self) -> Value {
        self.0.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let mut text = Vec::new();
        loop {
            let mut part = [0; 65536];
            let n = self.0.read(&mut part).unwrap();
            assert!(n > 0, "the server closed the connection after {:?}", String::from_utf8_lossy(&text));
            text.extend(&part[..n]);
            if let Ok(answer) = serde_json::from_slice(&text) {
                assert_eq!(text.last(), Some(&b'}'));
                return answer;
            }
        }
    }
}

/// Waits, but not for ever.
pub(crate) fn until(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !done() {
        assert!(Instant::now() < end, "not within a minute: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
