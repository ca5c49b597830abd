//! `stockade save`: writes a sandbox to a file.

use crate::cli::SaveArgs;
use crate::connect::connect;
use crate::failure::{Failure, reason};
use crate::front::one_line;
use crate::run::say;
use crate::state::{ImageId, Known, StateDir};
use crate::{image, progress};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use stockade_control::client::{Client, Error};
use stockade_control::types::state::{SaveOpts, SaveResult};
use stockade_image::NewFile;

/// How long a sandbox that was saved away may take to be gone.
const GRACE: Duration = Duration::from_secs(10);

/// Saves the sandbox, which ends unless it is to be left running.
pub(super) fn run(args: &SaveArgs, state_dir: Option<&Path>) -> Result<ExitCode, Failure> {
    // Checked before the sandbox is bothered, and sent as it is.
    let key = args.key_file.as_deref().map(image::key_bytes).transpose()?.unwrap_or_default();
    let state = StateDir::open(state_dir)?;
    let mut client = connect(state_dir, &args.id)?;
    let path = args.path();
    let not_written = |e: io::Error| Failure::new(format!("{}: {}", path.display(), reason(&e)), "");
    let destination = Destination::open(&path).map_err(not_written)?;
    let opts = SaveOpts {
        key,
        metadata: args.metadata.iter().cloned().collect(),
        resume: args.leave_running,
        force: args.force,
        compression: args.compress.map(|name| name.word().to_owned()).unwrap_or_default(),
        ..SaveOpts::default()
    };
    let file = destination.file().try_clone().map_err(not_written)?;
    let size = || file.metadata().map_or(0, |stat| stat.len());
    let keep = || destination.keep().map_err(not_written);
    let (result, kept) = progress::during("saving", size, || save(&mut client, args, &opts, &file, keep))?;
    for closed in &result.closed {
        say(&format!("sandbox {}: closed in the image: {}", args.id, one_line(closed)));
    }
    if let Some(file) = kept {
        let id = ImageId::of(&file).map_err(not_written)?;
        // It is checked before it is restored if nobody remembers.
        drop(state.remember_image(&file, &id, Known::Written));
    }
    if !args.leave_running {
        let end = Instant::now() + GRACE;
        while state.is_alive(&args.id)? && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Saves it, and keeps the image by `keep`. A sandbox that is to end goes on until that is done: there is one or the other
/// at any time, whoever fails, or dies.
fn save<T>(
    client: &mut Client,
    args: &SaveArgs,
    opts: &SaveOpts,
    file: &File,
    keep: impl FnOnce() -> Result<T, Failure>,
) -> Result<(SaveResult, T), Failure> {
    let failed = |e: Error| not_saved(&args.id, &e);
    if opts.resume {
        let result = client.save(opts, file).map_err(failed)?;
        return Ok((result, keep()?));
    }
    let mut saving = client.begin_save(opts, file).map_err(failed)?;
    if !saving.is_written() {
        // The answer says why.
        let error = client.finish::<SaveResult>().err();
        return Err(
            error.map_or_else(|| Failure::new(format!("sandbox {} was not saved", args.id), ""), failed)
        );
    }
    let kept = match keep() {
        Ok(kept) => kept,
        Err(Failure { cause, hint }) => {
            drop(saving);
            // It is told that it goes on.
            drop(client.finish::<SaveResult>());
            return Err(Failure::new(
                format!("sandbox {} was not saved, and goes on: {cause}", args.id),
                hint,
            ));
        }
    };
    saving.confirm();
    match client.finish() {
        // It has ended, as it should.
        Err(Error::Ended) => Ok((SaveResult::default(), kept)),
        result => Ok((result.map_err(failed)?, kept)),
    }
}

fn not_saved(id: &str, e: &Error) -> Failure {
    match e {
        Error::Remote { message, .. } => {
            Failure::new(format!("sandbox {id} was not saved, and goes on: {message}"), "")
        }
        e => Failure::new(format!("sandbox {id} was not saved: {e}"), ""),
    }
}

/// A file that gets its name when it is whole, or what is there and is no file: a pipe, say.
enum Destination {
    New(NewFile),
    There(File),
}

impl Destination {
    fn open(path: &Path) -> io::Result<Self> {
        match path.metadata() {
            Ok(stat) if !stat.is_file() && !stat.is_dir() => {
                Ok(Self::There(File::options().write(true).open(path)?))
            }
            // Where a symbolic link leads.
            Ok(_) => Ok(Self::New(NewFile::create(&path.canonicalize()?)?)),
            Err(_) => Ok(Self::New(NewFile::create(path)?)),
        }
    }

    fn file(&self) -> &File {
        match self {
            Self::New(new) => new.file(),
            Self::There(file) => file,
        }
    }

    fn keep(self) -> io::Result<Option<File>> {
        match self {
            Self::New(new) => new.commit().map(Some),
            Self::There(_) => Ok(None),
        }
    }
}

impl SaveArgs {
    fn path(&self) -> PathBuf {
        match (&self.file, &self.image_path) {
            (Some(file), _) => file.clone(),
            (None, Some(directory)) => directory.join("checkpoint.img"),
            (None, None) => PathBuf::new(),
        }
    }
}
