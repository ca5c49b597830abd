//! The saved form of [`Options`].

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use serde::{Deserialize, Serialize};
use stockade_abi::net as n;

use super::{FLAGS, Options};
use crate::persist::RestoreError;

/// [`Options`]
#[derive(Debug, Serialize, Deserialize)]
pub struct OptionsState {
    /// Those that are yes or no and are yes, by number.
    set: Vec<u32>,
    linger: u64,
    priority: u32,
    receive_buffer: u32,
    receive_low: u32,
    receive_timeout: u64,
    send_timeout: u64,
}

impl OptionsState {
    pub(crate) fn save(options: &Options) -> Self {
        let flags = options.flags.load(Ordering::Relaxed);
        let is_set = |option: &u32| Options::flag(*option).is_some_and(|bit| flags & bit != 0);
        Self {
            set: FLAGS.iter().copied().filter(is_set).collect(),
            linger: options.linger.load(Ordering::Relaxed),
            priority: options.priority.load(Ordering::Relaxed),
            receive_buffer: options.receive_buffer.load(Ordering::Relaxed),
            receive_low: options.receive_low.load(Ordering::Relaxed),
            receive_timeout: options.receive_timeout.load(Ordering::Relaxed),
            send_timeout: options.send_timeout.load(Ordering::Relaxed),
        }
    }

    pub(crate) fn restore(self) -> Result<Options, RestoreError> {
        let bits: Option<Vec<u64>> = self.set.iter().map(|&option| Options::flag(option)).collect();
        let bits = bits.ok_or_else(|| RestoreError::new("an option that sockets do not have"))?;
        Ok(Options {
            flags: AtomicU64::new(bits.into_iter().fold(0, |all, bit| all | bit)),
            pass_creds: AtomicBool::new(self.set.contains(&n::SO_PASSCRED)),
            linger: AtomicU64::new(self.linger),
            priority: AtomicU32::new(self.priority),
            receive_buffer: AtomicU32::new(self.receive_buffer),
            receive_low: AtomicU32::new(self.receive_low),
            receive_timeout: AtomicU64::new(self.receive_timeout),
            send_timeout: AtomicU64::new(self.send_timeout),
        })
    }
}
