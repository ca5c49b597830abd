//! A front over a sandbox whose events are written down.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::process::ExitCode;
use stockade::front::{Event, Forwarded, Sandbox, Signals, Turn, watch};

struct Script {
    ours: UnixDatagram,
    _theirs: UnixDatagram,
}

impl Sandbox for Script {
    fn descriptors(&self) -> [BorrowedFd<'_>; 2] {
        [self.ours.as_fd(); 2]
    }

    fn next_event(&mut self) -> io::Result<Option<(Event, Vec<OwnedFd>)>> {
        let mut buffer = [0; 256];
        let len = self.ours.recv(&mut buffer)?;
        Ok(serde_json::from_slice(&buffer[..len]).ok().map(|event| (event, Vec::new())))
    }

    fn signal(&self, signal: Forwarded) -> io::Result<()> {
        println!("{signal:?}");
        Ok(())
    }

    fn kill(&self) -> io::Result<()> {
        Ok(())
    }
}

/// Plays `events`, each as JSON; what is none ends the sentry.
pub(crate) fn front(events: &[&str]) -> ExitCode {
    let signals = Signals::block().unwrap();
    let (ours, theirs) = UnixDatagram::pair().unwrap();
    for event in events {
        theirs.send(event.as_bytes()).unwrap();
    }
    let mut script = Script { ours, _theirs: theirs };
    let mut audience = |notice: &str| println!("notice {notice}");
    match watch(&mut script, &signals, None, &mut audience).unwrap() {
        Turn::Ended(ending) => ExitCode::from(ending.status()),
        Turn::Successor(_) => ExitCode::FAILURE,
    }
}
