//! Options of the commands about images.

use clap::{Args, ValueHint};
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
