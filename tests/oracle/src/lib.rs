//! The oracle: programs run on the host's Linux and inside a Stockade sandbox, and must say the same.
//!
//! `tests/guest/AREA/PROGRAM.c` are programs made of small cases (see `tests/guest/case.h`); `tests/programs/*.sh` are
//! scripts around real programs. The native run is the specification. Environment:
//!
//! - `STOCKADE`: the binary under test (otherwise the release build of this workspace); `native` compares the host with
//!   itself, which shows whether the cases are deterministic.
//! - `ORACLE_STRICT=1`: a case that agrees only when repeated fails too.
//! - `ORACLE_TMP`: where native runs work (otherwise `/dev/shm`, a memory file system as the sandbox's overlay is).
//! - `ORACLE_PRINT=1`: print what the native runs say.

pub mod build;
pub mod compare;
pub mod known;
pub mod run;
pub mod script;

use std::path::PathBuf;

/// The repository's root.
#[must_use]
pub fn repository() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
        .canonicalize()
        .unwrap_or_else(|e| panic!("the repository is gone: {e}"))
}

/// Whether an environment variable is set to something other than the empty text and `0`.
#[must_use]
pub fn flag(name: &str) -> bool {
    std::env::var(name).is_ok_and(|v| !v.is_empty() && v != "0")
}
