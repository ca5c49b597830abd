//! Saving and restoring kernels with guests, on the `notify` platform.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod calls;
mod forge;
mod forged;
mod fresh;
mod fs;
mod hostile;
mod image;
mod ipc;
mod memory;
mod processes;
mod sandbox;
mod signals;
mod sockets;
mod tty;
