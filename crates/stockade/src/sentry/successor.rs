//! An empty sandbox that goes on as one that was saved: the front has another sentry take over.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};
use rustix::fs::{MemfdFlags, memfd_create};
use stockade_confine::Link;
use stockade_control::server::Successor;

use crate::front::{Event, FrontLine as _};

/// Asks the front, and waits for its answer.
pub(super) struct Handover {
    link: Arc<Link>,
    control: OwnedFd,
    answer: Mutex<Option<Result<(), String>>>,
    answered: Condvar,
}

impl Handover {
    pub(super) fn new(link: &Arc<Link>, control: &OwnedFd) -> io::Result<Arc<Self>> {
        Ok(Arc::new(Self {
            link: Arc::clone(link),
            control: control.try_clone()?,
            answer: Mutex::default(),
            answered: Condvar::new(),
        }))
    }

    /// The front has answered.
    pub(super) fn answered(&self, answer: Result<(), String>) {
        *self.answer.lock() = Some(answer);
        self.answered.notify_all();
    }

    fn ask(&self, image: &OwnedFd, key: &[u8]) -> io::Result<()> {
        let mut file = File::from(memfd_create("key", MemfdFlags::CLOEXEC)?);
        file.write_all(key)?;
        let (stdin, stdout, stderr) = (io::stdin(), io::stdout(), io::stderr());
        let handed = [image.as_fd(), file.as_fd(), self.control.as_fd()];
        let streams = [stdin.as_fd(), stdout.as_fd(), stderr.as_fd()];
        self.link.tell_with(&Event::Successor, &[handed, streams].concat())
    }
}

impl Successor for Handover {
    fn take_over(&self, image: OwnedFd, key: &[u8]) -> Result<(), String> {
        *self.answer.lock() = None;
        self.ask(&image, key).map_err(|e| format!("the front cannot be asked: {e}"))?;
        let mut answer = self.answer.lock();
        loop {
            if let Some(answer) = answer.take() {
                return answer;
            }
            self.answered.wait(&mut answer);
        }
    }
}
