//! The `notify` platform, with guest code.
#![expect(unsafe_code, reason = "guest code comes from the assembler, as symbols")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod again;
mod ahead;
mod alone;
mod common;
mod confined;
mod events;
mod hostile;
mod many;
mod memory;
mod perf;
mod state;
mod thin;
mod usage;
