//! `State`: saving a sandbox to a file.

mod destination;
mod saves;

use std::io;
use std::ops::Range;
use std::sync::Arc;

use rustix::fs::fsync;
use rustix::io::Errno as HostErrno;
use stockade_abi::Errno;
use stockade_image::{Compression, Key, Options, Process, Summary, Writer, Written};
use stockade_sentry::persist::{PageSink, SaveError};

use super::methods::Nothing;
use super::{Error, Files, Sandbox};
use crate::types::state::SaveOpts;
use destination::Destination;
pub(super) use saves::{Saves, restore, wait_checkpoint, wait_restore};

/// `State.Save`, `containerManager.Checkpoint`: the sandbox stands while it is saved, and ends afterwards, or goes on. If
/// it cannot be saved, it goes on in any case.
pub(super) fn save(sandbox: &Arc<Sandbox>, opts: SaveOpts, files: Files) -> Result<Nothing, Error> {
    let result = try_save(sandbox, opts, files);
    sandbox.saves.note(result.as_ref().err());
    result.map(|()| Nothing {})
}

fn try_save(sandbox: &Arc<Sandbox>, opts: SaveOpts, files: Files) -> Result<(), Error> {
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
    let mut sink = Sink { parts: Some((destination, options)), writer: None };
    let state = frozen.save(&mut sink).map_err(not_saved)?;
    let state = state.to_bytes().map_err(|e| Error::new(e.to_string()))?;
    let written = sink.finish(&state, &summary(sandbox)).map_err(failed)?;
    if !opts.resume {
        // Nothing else of the sandbox will be left. Pipes have no disk.
        match fsync(&written.file) {
            Ok(()) | Err(HostErrno::INVAL | HostErrno::ROFS) => {}
            Err(e) => return Err(failed(e.into())),
        }
        sandbox.saves.set_saved_away();
        frozen.end(0);
    }
    Ok(())
}

/// Where pages go. Nothing is written before it is known that everything can be saved.
struct Sink {
    /// What the writer is made of.
    parts: Option<(Destination, Options)>,
    writer: Option<Writer>,
}

impl Sink {
    fn writer(&mut self) -> Result<&mut Writer, stockade_image::Error> {
        if let Some((destination, options)) = self.parts.take() {
            self.writer = Some(Writer::new(destination.begin()?, options)?);
        }
        // One that failed at its beginning stays away.
        self.writer.as_mut().ok_or_else(|| io::Error::from(io::ErrorKind::BrokenPipe).into())
    }

    fn finish(mut self, state: &[u8], summary: &Summary) -> Result<Written, stockade_image::Error> {
        self.writer()?;
        let writer = self.writer.ok_or_else(|| io::Error::from(io::ErrorKind::BrokenPipe))?;
        writer.finish(state, summary)
    }
}

impl PageSink for Sink {
    fn write_run(&mut self, space: u32, range: Range<u64>, bytes: &[u8]) -> io::Result<()> {
        let result = self.writer().and_then(|writer| writer.pages(space.into(), range.start, bytes));
        result.map_err(|e| match e {
            stockade_image::Error::Io(e) => e,
            e => io::Error::other(e.to_string()),
        })
    }
}

/// What `stockade inspect` will tell.
fn summary(sandbox: &Sandbox) -> Summary {
    let kernel = &sandbox.kernel;
    let process = |info: stockade_sentry::task::ProcessInfo| Process {
        pid: info.pid.unsigned_abs(),
        ppid: info.ppid.unsigned_abs(),
        name: String::from_utf8_lossy(&info.name).into_owned(),
        threads: u32::try_from(info.threads.len()).unwrap_or(u32::MAX),
    };
    let (_, files) = kernel.memory_files.figures();
    Summary {
        container_id: sandbox.id.clone(),
        created: sandbox.created.to_string(),
        saved: jiff::Timestamp::now().to_string(),
        processes: kernel.processes().into_iter().map(process).collect(),
        memory: [("anonymous".to_owned(), kernel.guest_memory()), ("files".to_owned(), files)].into(),
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
