//! `State`: saving a sandbox to a file.

mod beside;
mod confirmation;
mod destination;
mod restore;
mod saves;
mod sink;

use std::sync::Arc;

use rustix::fs::fsync;
use rustix::io::Errno as HostErrno;
use stockade_abi::Errno;
use stockade_image::{Compression, Key, Options, Process, Summary};
use stockade_sentry::persist::{Clocks, SaveError};

use super::{Error, Files, Sandbox};
use crate::types::state::{SaveOpts, SaveResult, SavedSandbox};
pub(super) use beside::restore as restore_beside;
pub use beside::saved_defaults;
use confirmation::Confirmation;
use destination::Destination;
pub(super) use restore::{restore, wait_restore};
pub(super) use saves::{Saves, wait_checkpoint};
use sink::Sink;

/// `State.Save`, `containerManager.Checkpoint`: the sandbox stands while it is saved, and ends afterwards, or goes on. If
/// it cannot be saved, it goes on in any case.
pub(super) fn save(sandbox: &Arc<Sandbox>, opts: SaveOpts, files: Files) -> Result<SaveResult, Error> {
    let result = try_save(sandbox, opts, files);
    sandbox.saves.note(result.as_ref().err());
    result
}

fn try_save(sandbox: &Arc<Sandbox>, opts: SaveOpts, mut files: Files) -> Result<SaveResult, Error> {
    let confirmation = opts.confirm.then(|| Confirmation::of(&mut files)).transpose()?;
    let destination = Destination::of(files, opts.have_pages_file)?;
    let compression = match &*opts.compression {
        "" | "none" => Compression::None,
        "zstd" => Compression::Zstd,
        other => return Err(Error::new(format!("unknown compression {other:?}; there are none and zstd"))),
    };
    let key = if opts.key.is_empty() { None } else { Some(Key::new(opts.key).map_err(failed)?) };
    let options = Options { metadata: opts.metadata, key, ..Options::new(compression) };
    let frozen = sandbox.kernel.freeze().map_err(not_saved)?;
    if sandbox.kernel.has_ended() || sandbox.kernel.tree.lock().tasks.is_empty() {
        return Err(Error::new("there is no process in the sandbox, and so nothing to save"));
    }
    let mut sink = Sink::new(destination, options);
    let (mut state, closed) = frozen.save_with(&mut sink, opts.force).map_err(not_saved)?;
    beside::save(sandbox, &mut state.info.beside).map_err(|e| Error::new(e.to_string()))?;
    let bytes = state.to_bytes().map_err(|e| Error::new(e.to_string()))?;
    let written = sink.finish(&bytes, &summary(sandbox, &state.info.clocks)).map_err(failed)?;
    if !opts.resume {
        // Nothing else of the sandbox will be left.
        match confirmation {
            Some(confirmation) => {
                drop(written);
                confirmation.wait()?;
            }
            None => match fsync(&written.file) {
                // Pipes have no disk.
                Ok(()) | Err(HostErrno::INVAL | HostErrno::ROFS) => {}
                Err(e) => return Err(failed(e.into())),
            },
        }
        sandbox.saves.set_saved_away();
        frozen.end(0);
    }
    Ok(SaveResult { closed: closed.iter().map(ToString::to_string).collect() })
}

/// What `stockade inspect` will tell, and `stockade restore` has to know first.
fn summary(sandbox: &Sandbox, clocks: &Clocks) -> Summary {
    let kernel = &sandbox.kernel;
    let process = |info: stockade_sentry::task::ProcessInfo| Process {
        pid: info.pid.unsigned_abs(),
        ppid: info.ppid.unsigned_abs(),
        name: String::from_utf8_lossy(&info.name).into_owned(),
        threads: u32::try_from(info.threads.len()).unwrap_or(u32::MAX),
    };
    let (_, files) = kernel.memory_files.figures();
    let saved = SavedSandbox {
        config: sandbox.description.clone(),
        monotonic: clocks.monotonic,
        boottime: clocks.boottime,
    };
    Summary {
        container_id: sandbox.id.clone(),
        created: sandbox.created.to_string(),
        saved: jiff::Timestamp::now().to_string(),
        processes: kernel.processes().into_iter().map(process).collect(),
        memory: [("anonymous".to_owned(), kernel.guest_memory()), ("files".to_owned(), files)].into(),
        sandbox: serde_json::to_value(saved).unwrap_or_default(),
    }
}

fn not_saved(e: SaveError) -> Error {
    match e {
        SaveError::Write(e) => failed(e.into()),
        e => Error::new(e.to_string()),
    }
}

/// Why there is no image.
fn failed(e: stockade_image::Error) -> Error {
    match e {
        stockade_image::Error::Io(e) => match e.raw_os_error() {
            Some(errno) => Error::on("writing the image", Errno::from_raw(errno)),
            None => Error::new(format!("writing the image: {e}")),
        },
        e @ stockade_image::Error::Invalid(_) => Error::new(format!("the image {e}")),
        e => Error::new(e.to_string()),
    }
}
