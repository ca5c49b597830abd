//! A terminal, for those who need more of it than `expectrl` gives.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{Winsize, tcgetattr, tcsetwinsize};

/// A terminal of the host, and what is shown on it.
pub(crate) struct Pty {
    pub(crate) master: File,
    pub(crate) slave: Option<OwnedFd>,
    pub(crate) shown: Receiver<Vec<u8>>,
    text: String,
}

impl Pty {
    pub(crate) fn new() -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = openpt(flags).unwrap();
        unlockpt(&master).unwrap();
        let slave = ioctl_tiocgptpeer(&master, flags).unwrap();
        tcsetwinsize(&master, size(33, 91)).unwrap();
        let master = File::from(master);
        let mut reader = master.try_clone().unwrap();
        let (sender, shown) = channel();
        std::thread::spawn(move || {
            let mut part = [0; 4096];
            // EIO: nobody has it open any more.
            while let Ok(n) = reader.read(&mut part) {
                if n == 0 || sender.send(part[..n].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { master, slave: Some(slave), shown, text: String::new() }
    }

    /// Waits until something is shown, and forgets what came before it.
    pub(crate) fn expect(&mut self, what: &str) {
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            if let Some(at) = self.text.find(what) {
                self.text.drain(..at + what.len());
                return;
            }
            let rest = end.saturating_duration_since(Instant::now());
            match self.shown.recv_timeout(rest) {
                Ok(part) => self.text.push_str(&String::from_utf8_lossy(&part)),
                Err(e) => panic!("{what:?} is not in {:?}: {e}", self.text),
            }
        }
    }

    /// Starts a program with this as its controlling terminal.
    pub(crate) fn start(&self, command: &Command) -> Child {
        let slave = self.slave.as_ref().unwrap();
        let stdio = || Stdio::from(slave.try_clone().unwrap());
        let mut child = Command::new("setsid");
        child.args(["--ctty", "--wait"]).arg(command.get_program()).args(command.get_args());
        child.stdin(stdio()).stdout(stdio()).stderr(stdio()).spawn().unwrap()
    }

    /// Its modes.
    pub(crate) fn modes(&self) -> String {
        format!("{:?}", tcgetattr(self.slave.as_ref().unwrap()).unwrap())
    }

    /// What was shown and not yet expected.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn send(&mut self, text: &str) {
        self.master.write_all(text.as_bytes()).unwrap();
    }
}

pub(crate) fn size(ws_row: u16, ws_col: u16) -> Winsize {
    Winsize { ws_row, ws_col, ws_xpixel: 0, ws_ypixel: 0 }
}
