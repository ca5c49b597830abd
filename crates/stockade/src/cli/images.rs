//! Options of the commands about images.

use crate::complete;
use crate::parse;
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
