//! Sandboxes that go on from an image: all that is checked and decided of it before a sentry is forked.

mod granted;
mod many;
mod saved;

use crate::cli::{CloneArgs, RestoreArgs, Verify};
use crate::config::{OverlayConfig, SandboxConfig};
use crate::failure::Failure;
use crate::plan::{Detach, Plan, Source, made_up_id};
use crate::run::say;
use crate::sentry::{self, Saved};
use crate::state::{ImageId, Known, StateDir};
use crate::{image, progress};
use std::fs::File;
use std::io::IsTerminal as _;
use std::os::fd::AsRawFd as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use stockade_confine::Clocks;
use stockade_image::{Authenticity, Compression, Image, Key};

pub(crate) use many::{numbered, run_all};

/// Restores the image: once, and waits for its end, or detached as often as asked for.
///
/// # Errors
/// What is wrong with it, or kept it from starting, with the next step.
pub(crate) fn run(args: &RestoreArgs, state_dir: Option<&Path>) -> Result<u8, Failure> {
    stockade_confine::probe::require().map_err(|missing| crate::run::not_able(&missing))?;
    let key = args.key_file.as_deref().map(image::key).transpose()?;
    let file = image::file(&args.file)?;
    let failed = |e: &stockade_image::Error| image::failure(&args.file, e);
    // Before it is read, so that no later change goes unnoticed.
    let id = ImageId::of(&file).map_err(|e| failed(&e.into()))?;
    let image = Image::open(file, key.as_ref()).map_err(|e| failed(&e))?;
    image.header().check_host().map_err(|e| failed(&e))?;
    let state = StateDir::open(state_dir)?;
    let known = state.knows_image(&id);
    let is_trusted = image.authenticity() == Authenticity::Authenticated || known == Some(Known::Written);
    let is_packed = image.header().compression != Compression::None;
    if is_packed && !args.quiet {
        say(&format!(
            "{}: its memory is compressed, and unpacked as a whole before it goes on",
            args.file.display()
        ));
    }
    let check = match (args.verify, known) {
        // It is checked while it is unpacked.
        _ if is_packed => false,
        (Verify::Always, _) | (Verify::First, None) => {
            let done = AtomicU64::new(0);
            let note = |bytes| _ = done.fetch_add(bytes, Ordering::Relaxed);
            let check = || check_pages(&image, &state, &id, note);
            progress::during("checking", || done.load(Ordering::Relaxed), check).map_err(|e| failed(&e))?;
            false
        }
        (Verify::First | Verify::Background, Some(_)) => false,
        (Verify::Background, None) => true,
    };
    let (config, clocks) = saved::config(&image).map_err(|e| failed(&e))?;
    let mut config = granted::rebind(config, args, is_trusted)?;
    if args.detach || !std::io::stdin().is_terminal() {
        config = without_terminal(config);
    }
    let source = source(&image, check.then_some(id), clocks).map_err(|e| failed(&e))?;
    let detach = args.detach.then_some(Detach { remove: args.rm });
    let mut plan = Plan { sandbox: config, timeout: None, quiet: args.quiet, detach, image: Some(source) };
    let had = plan.sandbox.id.clone();
    let saved = Saved { image, name: args.file.display().to_string(), check };
    if args.count.is_none() {
        plan.sandbox.id = name(args.id.as_deref(), &had, &state)?;
    }
    match (detach, args.count) {
        (None, _) => crate::run::run(&plan, state_dir, |boot| sentry::restore(boot, saved)),
        (Some(detach), None) => {
            crate::detached::run(&plan, detach, state_dir, |boot| sentry::restore(boot, saved))
        }
        (Some(detach), Some(count)) => {
            several(&plan.sandbox)?;
            let names = numbered(args.id.as_deref(), &had, count, &state)?;
            run_all(&plan, detach, state_dir, &names, saved)
        }
    }
}

/// Starts clones of a sandbox that was just saved to `file`.
///
/// # Errors
/// What kept them from starting, with the next step.
pub(crate) fn clones(file: File, args: &CloneArgs, state_dir: Option<&Path>) -> Result<u8, Failure> {
    let what = format!("the image of sandbox {}", args.id);
    let failed = |e: stockade_image::Error| Failure::new(format!("{what} {e}"), "");
    let image = Image::open(file, None).map_err(failed)?;
    let (config, clocks) = saved::config(&image).map_err(failed)?;
    let source = source(&image, None, clocks).map_err(failed)?;
    let detach = Detach { remove: args.rm };
    several(&config)?;
    let had = config.id.clone();
    let sandbox = without_terminal(config);
    let plan = Plan { sandbox, timeout: None, quiet: args.quiet, detach: Some(detach), image: Some(source) };
    let names = numbered(args.name.as_deref(), &had, args.count, &StateDir::open(state_dir)?)?;
    run_all(&plan, detach, state_dir, &names, Saved { image, name: what, check: false })
}

/// What a sentry is given of an image that goes on in an empty sandbox, of whose host it gets what that has. It is checked
/// first, unless it is known.
///
/// # Errors
/// What is wrong with it, in words.
pub(crate) fn successor(file: File, key: Option<&Key>, state: &StateDir) -> Result<(Saved, Source), String> {
    const NAME: &str = "the image";
    let failed = |e: stockade_image::Error| format!("{NAME} {e}");
    let id = ImageId::of(&file).map_err(|e| failed(e.into()))?;
    let image = Image::open(file, key).map_err(failed)?;
    image.header().check_host().map_err(failed)?;
    let is_packed = image.header().compression != Compression::None;
    if !is_packed && state.knows_image(&id).is_none() {
        check_pages(&image, state, &id, |_| {}).map_err(failed)?;
    }
    let (_, clocks) = saved::config(&image).map_err(failed)?;
    let source = source(&image, None, clocks).map_err(failed)?;
    Ok((Saved { image, name: NAME.to_owned(), check: false }, source))
}

/// What a sentry is given of an image. `id`: what it is remembered by, once it has been checked.
fn source(image: &Image, id: Option<ImageId>, clocks: Clocks) -> Result<Source, stockade_image::Error> {
    let file = image.file().try_clone()?;
    let inherited = [file.as_raw_fd(), image.file().as_raw_fd()];
    Ok(Source { file: Arc::new(file), inherited, id, clocks })
}

/// Whether there can be several of a sandbox at once.
fn several(config: &SandboxConfig) -> Result<(), Failure> {
    match &config.root.overlay {
        OverlayConfig::Memory | OverlayConfig::None => Ok(()),
        OverlayConfig::Dir(path) => Err(Failure::new(
            format!("its changes are kept in {}, which is for one sandbox at a time", path.display()),
            "make copies of sandboxes whose --overlay is memory or none",
        )),
    }
}

/// Nobody watches the terminal that it had.
fn without_terminal(mut config: SandboxConfig) -> SandboxConfig {
    config.process.terminal = false;
    config
}

/// The one asked for; else the one that it had, if that is free.
fn name(asked: Option<&str>, had: &str, state: &StateDir) -> Result<String, Failure> {
    match asked {
        Some(id) => Ok(id.to_owned()),
        None if state.sandbox(had).is_err() => Ok(had.to_owned()),
        None => made_up_id("restored"),
    }
}

/// Checks all memory, and remembers that it was. `done` is told of bytes that are.
fn check_pages(
    image: &Image,
    state: &StateDir,
    id: &ImageId,
    done: impl Fn(u64) + Sync,
) -> Result<(), stockade_image::Error> {
    image.check_pages(done)?;
    if state.knows_image(id).is_none() {
        // Else it is checked again the next time.
        drop(state.remember_image(image.file(), id, Known::Checked));
    }
    Ok(())
}
