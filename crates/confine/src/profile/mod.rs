//! What the sentry's threads do: samples of where they use CPU time and wait, their stacks, and who has allocated what
//! is alive.
//!
//! Stacks are lists of addresses; [`Symbols`] puts names to them. Nothing here costs anything worth measuring while
//! nobody asks, the heap's countdown aside ([`heap`]).

mod channel;
mod cpu;
pub mod heap;
mod label;
mod stacks;
mod symbols;
mod unwind;
mod waits;

pub use channel::{MAX_FRAMES, Sample};
pub use cpu::{CpuSampling, DEFAULT_RATE, MAX_RATE};
pub use label::{Label, set_label};
pub use stacks::{ThreadStack, thread_stacks};
pub use symbols::{Frame, Module, Symbols};
pub use waits::{WaitSampling, lock_waits_are_sampled, note_lock_wait, note_wait, waits_are_sampled};

#[cfg(test)]
mod tests;
