//! What surrounds the sentry on the host: namespaces, Landlock, seccomp, cgroups, feature probes.

pub mod probe;
