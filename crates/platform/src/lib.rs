//! How guest code executes: the platform traits, seccomp user notification, and a mock.
