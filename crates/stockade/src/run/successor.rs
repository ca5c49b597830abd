//! Another sentry goes on from an image, in the place of one whose sandbox is empty (`containerManager.Restore`).

use super::{Ground, Surroundings};
use crate::front::{Audience, Event, Request, Sandbox as _, ask, ended, one_line};
use crate::plan::Plan;
use crate::state::StateDir;
use crate::{restore, sentry};
use rustix::event::{PollFd, PollFlags, poll};
use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::os::fd::OwnedFd;
use std::time::Duration;
use stockade_confine::SentryHandle;
use stockade_image::Key;

/// How long one that was taken over from may take to tell its clients.
const LEAVES: Duration = Duration::from_secs(2);
/// The longest reason that is told.
const REASON: usize = 2000;

impl Ground<'_> {
    /// Forks it and waits until it runs, while the one before waits. All that the one before hands over is only as good as
    /// what its clients could hand over.
    pub(super) fn successor(
        &self,
        files: Vec<OwnedFd>,
        plan: &Plan,
        state: &StateDir,
        surroundings: &mut impl Surroundings,
        audience: &mut impl Audience,
    ) -> Result<SentryHandle, String> {
        if !plan.sandbox.process.argv.is_empty() || plan.image.is_some() {
            return Err("it is not empty".to_owned());
        }
        let [image, key, control, stdin, stdout, stderr] = <[OwnedFd; 6]>::try_from(files)
            .map_err(|_| "what is to go on from an image has not said from which".to_owned())?;
        let key = self::key(key.into())?;
        let (saved, source) = restore::successor(image.into(), key.as_ref(), state)?;
        surroundings.again(&[stdin, stdout, stderr]).map_err(|e| e.to_string())?;
        let launched = self.launch(&control, None, Some(&source), |boot| sentry::restore(boot, saved));
        surroundings.launched().map_err(|e| e.to_string())?;
        let mut handle = launched.map_err(|failure| failure.cause)?;
        until_it_runs(&mut handle, audience)?;
        Ok(handle)
    }
}

/// The key in a file; none if that is empty.
fn key(mut file: File) -> Result<Option<Key>, String> {
    let mut bytes = Vec::new();
    file.rewind()
        .and_then(|()| file.take(Key::LONGEST as u64 + 1).read_to_end(&mut bytes))
        .map_err(|e| format!("the key cannot be read: {e}"))?;
    match bytes.is_empty() {
        true => Ok(None),
        false => Key::new(bytes).map(Some).map_err(|e| e.to_string()),
    }
}

fn until_it_runs(handle: &mut SentryHandle, audience: &mut impl Audience) -> Result<(), String> {
    loop {
        let [line, life] = handle.descriptors();
        let mut fds = [line, life].map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN));
        match poll(&mut fds, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(e.to_string()),
        }
        if fds.iter().all(|fd| fd.revents().is_empty()) {
            continue;
        }
        match handle.next_event().map_err(|e| e.to_string())?.map(|(event, _)| event) {
            Some(Event::Started) => return Ok(()),
            Some(Event::Notice(text)) => audience.notice(&one_line(&text)),
            Some(Event::Failed(reason)) => return Err(one_line(&reason)),
            Some(_) => {}
            None => return Err("its sentry is gone".to_owned()),
        }
    }
}

/// Puts `next` in the place of the one before, which tells those who wait for that, and ends.
pub(super) fn replace(handle: &mut SentryHandle, next: SentryHandle) {
    // One that is gone has nobody to tell.
    drop(ask(handle.link(), &Request::TakenOver));
    ended(handle, LEAVES);
    *handle = next;
}

/// Has the one before go on, and say why.
pub(super) fn refuse(handle: &SentryHandle, reason: &str) {
    let reason = reason.chars().take(REASON).collect();
    // One that is gone is noticed as an event.
    drop(ask(handle.link(), &Request::NotTakenOver(reason)));
}
