//! Options of the commands about images.

use crate::complete;
use crate::parse::{self, VolumeArg};
use clap::builder::{OsStringValueParser, TypedValueParser as _};
use clap::{Args, ValueEnum, ValueHint};
use std::path::PathBuf;

/// Options of `stockade inspect`.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Check that the image was saved with the key in this file
    #[arg(long, value_name = "KEY", value_hint = ValueHint::FilePath)]
    pub key_file: Option<PathBuf>,
    /// The image
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: PathBuf,
}

/// Options of `stockade save`.
#[derive(Debug, Args)]
pub struct SaveArgs {
    /// Authenticate the image with the key in this file: all bytes of it, 16 to 65536
    #[arg(long, value_name = "KEY", value_hint = ValueHint::FilePath)]
    pub key_file: Option<PathBuf>,
    /// Note something in the image, for `stockade inspect` to print; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse::annotation)]
    pub metadata: Vec<(String, String)>,
    /// Let the sandbox go on afterwards
    #[arg(long)]
    pub leave_running: bool,
    /// Compress the memory in the image: smaller, but not restored lazily
    #[arg(long, value_name = "FORMAT", value_enum)]
    pub compress: Option<Compress>,
    /// Close open files that cannot be saved, in the image, and say which
    #[arg(long, short)]
    pub force: bool,
    /// Save to checkpoint.img in this directory
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, conflicts_with = "file")]
    pub image_path: Option<PathBuf>,
    /// The sandbox's name
    #[arg(value_name = "ID", value_parser = parse::sandbox_id, add = complete::id())]
    pub id: String,
    /// The image; replaced if it is there
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath, required_unless_present = "image_path")]
    pub file: Option<PathBuf>,
}

/// Options of `stockade restore`.
#[derive(Debug, Args)]
#[command(after_help = RESTORE_STATUS)]
pub struct RestoreArgs {
    /// The key that the image was saved with, in a file
    #[arg(long, value_name = "KEY", value_hint = ValueHint::FilePath)]
    pub key_file: Option<PathBuf>,
    /// Name of the sandbox [default: the one it had if that is free, else made up]
    #[arg(long, value_name = "NAME", value_parser = parse::sandbox_id)]
    pub id: Option<String>,
    /// Return when it runs, and leave it running; `stockade logs` prints its output
    #[arg(long, short)]
    pub detach: bool,
    /// Restore so many, each independent of the others; their names are numbered
    #[arg(long, value_name = "N", requires = "detach", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub count: Option<u32>,
    /// Keep nothing of a detached sandbox when it ends
    #[arg(long, requires = "detach")]
    pub rm: bool,
    /// Another directory in the place of its root
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub root: Option<PathBuf>,
    /// Another file or directory for the volume at DST, or the same one for an image of unknown origin; may be repeated
    #[arg(long, short = 'v', value_name = "SRC[:DST[:ro|rw]]")]
    #[arg(value_parser = OsStringValueParser::new().try_map(|text| parse::volume(&text)))]
    pub volume: Vec<VolumeArg>,
    /// When memory in an image that is not known is checked
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = Verify::First)]
    pub verify: Verify,
    /// No warnings, only errors
    #[arg(long, short)]
    pub quiet: bool,
    /// The image
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: PathBuf,
}

/// Options of `stockade clone`.
#[derive(Debug, Args)]
pub struct CloneArgs {
    /// How many
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub count: u32,
    /// Name of the clones, with a number each [default: the sandbox's, with numbers that are free]
    #[arg(long = "id", value_name = "NAME", value_parser = parse::sandbox_id)]
    pub name: Option<String>,
    /// Keep nothing of them when they end
    #[arg(long)]
    pub rm: bool,
    /// No warnings, only errors
    #[arg(long, short)]
    pub quiet: bool,
    /// The sandbox's name
    #[arg(value_name = "ID", value_parser = parse::sandbox_id, add = complete::id())]
    pub id: String,
}

/// When memory in an image is checked that this host neither wrote nor checked before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Verify {
    /// Before anything starts
    First,
    /// While it runs; the first wrong chunk ends it
    Background,
    /// Before anything starts, and that of a known image too
    Always,
}

const RESTORE_STATUS: &str = "\
Exit status:
  As that of `stockade do`; 0 with --detach; 125 when the image cannot be restored, or is found
  to be damaged.";

/// How memory is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Compress {
    /// zstd(1)
    Zstd,
}

impl Compress {
    /// As the control server calls it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
        }
    }
}
