//! A kernel that goes on with what an image holds.

mod host;
mod pages;

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use serde_bytes::ByteBuf;
use stockade_confine::Link;
use stockade_control::server::{Sandbox, saved_defaults};
use stockade_image::Image;
use stockade_platform::notify::Notify;
use stockade_sentry::diagnosis;
use stockade_sentry::persist::{KernelState, Restored};
use stockade_sentry::task::{Kernel, KernelConfig};

use self::host::Host;
use self::pages::Pages;
use super::first::{First, standard_streams};
use super::{Begins, Made, tell};
use crate::config::SandboxConfig;
use crate::front::Event;

/// A saved sandbox. The front has looked at it: all but its pages and what its kernel's state says has been checked.
#[derive(Debug)]
pub(crate) struct Saved {
    /// The image.
    pub(crate) image: Image,
    /// How its user names it, for messages.
    pub(crate) name: String,
    /// Whether its pages are checked while it runs.
    pub(crate) check: bool,
}

/// What it is given of the host.
pub(super) struct Given<'a> {
    /// As [`mounts::build`](super::mounts::build) has them.
    pub(super) trees: Vec<OwnedFd>,
    pub(super) proc: OwnedFd,
    pub(super) terminal: Option<&'a OwnedFd>,
}

/// A restored kernel in which everybody stands.
pub(super) struct Standing {
    restored: Restored,
    beside: BTreeMap<String, ByteBuf>,
    /// To be checked.
    image: Option<Image>,
    name: String,
}

impl Saved {
    /// The kernel; else why it cannot be restored.
    pub(super) fn make(
        mut self,
        platform: Arc<Notify>,
        kernel_config: KernelConfig,
        config: &SandboxConfig,
        given: Given<'_>,
    ) -> Result<Made, String> {
        let name = std::mem::take(&mut self.name);
        let failed = |what: &str| format!("{name} cannot be restored: {what}");
        let bytes = self.image.take_state();
        let mut state = KernelState::from_bytes(&bytes).map_err(|e| failed(&e.to_string()))?;
        drop(bytes);
        let beside = std::mem::take(&mut state.info.beside);
        let defaults = saved_defaults(&beside).unwrap_or_default();
        let mut pages = Pages::new(self.image).map_err(|e| format!("{name} {e}"))?;
        let mut host = Host::new(config, given.trees, given.proc, standard_streams(given.terminal));
        let restored = Kernel::restore(platform, kernel_config, state, &mut pages, &mut host);
        let restored = restored.map_err(|e| failed(&e.to_string()))?;
        let kernel = Arc::clone(restored.kernel());
        let first = kernel.tree.lock().tasks.values().next().cloned();
        let mounts = first.map(|task| Arc::clone(&task.ns.read().mount));
        let mounts = mounts.ok_or_else(|| failed("there is no process in it"))?;
        let image = self.check.then(|| pages.into_image());
        let begins = Begins::Restored(Box::new(Standing { restored, beside, image, name }));
        Ok(Made { kernel, mounts, defaults, begins })
    }
}

impl Standing {
    /// Lets it go on.
    pub(super) fn go(self, sandbox: &Arc<Sandbox>, link: &Arc<Link>) -> First {
        sandbox.restore(&self.beside);
        let (tty, bridge) = self.restored.terminal();
        let kernel = self.restored.go();
        if let Some(image) = self.image {
            check(image, self.name, kernel, link);
        }
        First { tty, bridge }
    }
}

/// Checks an image on a thread of its own; the sandbox ends if something in it is wrong.
fn check(image: Image, name: String, kernel: Arc<Kernel>, link: &Arc<Link>) {
    let told = Arc::clone(link);
    let look = move || match all_chunks(&image) {
        Ok(()) => tell(&told, &Event::Checked),
        Err(e) => kernel.fail(&format!("{name} {e}")),
    };
    if let Err(e) = diagnosis::spawn("check", 256 * 1024, look) {
        tell(link, &Event::Notice(format!("the image is not checked: {e}")));
    }
}

/// One by one, for guests to have the other processors.
fn all_chunks(image: &Image) -> Result<(), stockade_image::Error> {
    let chunks = image.chunks()?;
    let mut buffer = Vec::new();
    (0..chunks.count()).try_for_each(|n| chunks.check(n, &mut buffer).map(drop))
}
