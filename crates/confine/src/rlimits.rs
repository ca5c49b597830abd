//! Resource limits of the sentry, which stubs inherit (getrlimit(2)).

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// No core files of guest memory; as many descriptors as the host allows.
pub(crate) fn set() -> io::Result<()> {
    // 1, not 0: a core_pattern that is a pipe ignores 0.
    let core = Some(getrlimit(Resource::Core).maximum.map_or(1, |max| max.min(1)));
    setrlimit(Resource::Core, Rlimit { current: core, maximum: core })?;
    let files = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: files, maximum: files })?;
    Ok(())
}
