//! Options that every socket has (socket(7), "Socket options").

mod persist;

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use stockade_abi::Errno;
use stockade_abi::net as n;

pub use self::persist::OptionsState;

use super::socket::Socket;
use crate::wait::Readiness;

/// Bytes of a buffer unless set (`net.core.wmem_default`).
pub const DEFAULT_BUFFER: usize = 212_992;
/// Most that SO_SNDBUF and SO_RCVBUF can be asked for (`net.core.wmem_max`).
pub const MAX_BUFFER: u32 = 212_992;
/// Least that they become.
const MIN_SEND_BUFFER: u32 = 4608;
const MIN_RECEIVE_BUFFER: u32 = 2304;

/// Yes-or-no options: each has a bit.
const FLAGS: &[u32] = &[
    n::SO_DEBUG,
    n::SO_REUSEADDR,
    n::SO_DONTROUTE,
    n::SO_BROADCAST,
    n::SO_KEEPALIVE,
    n::SO_OOBINLINE,
    n::SO_NO_CHECK,
    n::SO_REUSEPORT,
    n::SO_PASSCRED,
    n::SO_TIMESTAMP,
    n::SO_TIMESTAMPNS,
    n::SO_PASSSEC,
    n::SO_RXQ_OVFL,
    n::SO_SELECT_ERR_QUEUE,
];

/// The options of a socket.
pub struct Options {
    flags: AtomicU64,
    pass_creds: AtomicBool,
    linger: AtomicU64,
    priority: AtomicU32,
    receive_buffer: AtomicU32,
    receive_low: AtomicU32,
    /// Microseconds; 0 for none.
    receive_timeout: AtomicU64,
    send_timeout: AtomicU64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            flags: AtomicU64::new(0),
            pass_creds: AtomicBool::new(false),
            linger: AtomicU64::new(0),
            priority: AtomicU32::new(0),
            receive_buffer: AtomicU32::new(DEFAULT_BUFFER as u32),
            receive_low: AtomicU32::new(1),
            receive_timeout: AtomicU64::new(0),
            send_timeout: AtomicU64::new(0),
        }
    }
}

fn int(value: &[u8]) -> Result<i32, Errno> {
    value.first_chunk().map(|b| i32::from_ne_bytes(*b)).ok_or(Errno::EINVAL)
}

/// A `struct timeval` as microseconds; 0 for none.
fn timeout(value: &[u8]) -> Result<u64, Errno> {
    let (Some(seconds), Some(micros)) = (value.first_chunk::<8>(), value.get(8..16)) else {
        return Err(Errno::EINVAL);
    };
    let seconds = i64::from_ne_bytes(*seconds);
    let micros = micros.first_chunk().map_or(0, |b| i64::from_ne_bytes(*b));
    if !(0..1_000_000).contains(&micros) {
        return Err(Errno::EDOM);
    }
    let Ok(seconds) = u64::try_from(seconds) else {
        // As if the time had passed, which needs some value other than none.
        return Ok(1);
    };
    Ok(seconds.saturating_mul(1_000_000).saturating_add(micros as u64))
}

fn timeval(micros: u64) -> Vec<u8> {
    let (seconds, rest) = (micros / 1_000_000, micros % 1_000_000);
    [seconds.to_ne_bytes(), rest.to_ne_bytes()].concat()
}

impl Options {
    /// SO_PASSCRED
    #[must_use]
    pub fn pass_creds(&self) -> bool {
        self.pass_creds.load(Ordering::Relaxed)
    }

    /// How long a call waits for `ready` at most (SO_RCVTIMEO, SO_SNDTIMEO).
    #[must_use]
    pub fn timeout(&self, ready: Readiness) -> Option<Duration> {
        let micros = if ready.contains(Readiness::IN) { &self.receive_timeout } else { &self.send_timeout };
        match micros.load(Ordering::Relaxed) {
            0 => None,
            micros => Some(Duration::from_micros(micros)),
        }
    }

    fn flag(option: u32) -> Option<u64> {
        FLAGS.iter().position(|&f| f == option).map(|at| 1 << at)
    }
}

/// setsockopt(2) of SOL_SOCKET.
///
/// # Errors
/// EINVAL for values that are too short, ENOPROTOOPT, EDOM, EPERM.
pub fn set(socket: &dyn Socket, option: u32, value: &[u8], privileged: bool) -> Result<(), Errno> {
    let options = socket.options();
    let number = int(value)?;
    match option {
        n::SO_SNDBUF | n::SO_SNDBUFFORCE if option == n::SO_SNDBUF || privileged => {
            let asked = (number as u32).min(MAX_BUFFER);
            socket.set_send_buffer((asked * 2).max(MIN_SEND_BUFFER) as usize);
        }
        n::SO_RCVBUF | n::SO_RCVBUFFORCE if option == n::SO_RCVBUF || privileged => {
            let asked = (number as u32).min(MAX_BUFFER);
            options.receive_buffer.store((asked * 2).max(MIN_RECEIVE_BUFFER), Ordering::Relaxed);
        }
        n::SO_SNDBUFFORCE | n::SO_RCVBUFFORCE => return Err(Errno::EPERM),
        n::SO_RCVTIMEO | n::SO_RCVTIMEO_NEW => {
            options.receive_timeout.store(timeout(value)?, Ordering::Relaxed);
        }
        n::SO_SNDTIMEO | n::SO_SNDTIMEO_NEW => {
            options.send_timeout.store(timeout(value)?, Ordering::Relaxed);
        }
        n::SO_LINGER => {
            let bytes = value.first_chunk::<8>().ok_or(Errno::EINVAL)?;
            options.linger.store(u64::from_ne_bytes(*bytes), Ordering::Relaxed);
        }
        n::SO_PRIORITY if privileged || (0..=6).contains(&number) => {
            options.priority.store(number as u32, Ordering::Relaxed);
        }
        n::SO_PRIORITY => return Err(Errno::EPERM),
        n::SO_MARK if !privileged => return Err(Errno::EPERM),
        n::SO_RCVLOWAT => {
            let low = if number < 0 { i32::MAX } else { number.max(1) };
            options.receive_low.store(low as u32, Ordering::Relaxed);
        }
        n::SO_DEBUG if !privileged && number != 0 => return Err(Errno::EACCES),
        _ => {
            let bit = Options::flag(option).ok_or(Errno::ENOPROTOOPT)?;
            if option == n::SO_PASSCRED {
                options.pass_creds.store(number != 0, Ordering::Relaxed);
            }
            if number != 0 {
                options.flags.fetch_or(bit, Ordering::Relaxed);
            } else {
                options.flags.fetch_and(!bit, Ordering::Relaxed);
            }
        }
    }
    Ok(())
}

/// getsockopt(2) of SOL_SOCKET, what does not depend on who asks.
///
/// # Errors
/// ENOPROTOOPT
pub fn get(socket: &dyn Socket, option: u32) -> Result<Vec<u8>, Errno> {
    let options = socket.options();
    let kind = socket.kind();
    let number = match option {
        n::SO_TYPE => kind.socket_type,
        n::SO_DOMAIN => kind.domain,
        n::SO_PROTOCOL => kind.protocol,
        n::SO_ERROR => socket.take_error() as u32,
        n::SO_ACCEPTCONN => u32::from(socket.is_listening()),
        n::SO_SNDBUF => socket.send_buffer() as u32,
        n::SO_RCVBUF => options.receive_buffer.load(Ordering::Relaxed),
        n::SO_RCVLOWAT => options.receive_low.load(Ordering::Relaxed),
        n::SO_SNDLOWAT => 1,
        n::SO_PRIORITY => options.priority.load(Ordering::Relaxed),
        n::SO_MARK => 0,
        n::SO_LINGER => return Ok(options.linger.load(Ordering::Relaxed).to_ne_bytes().to_vec()),
        n::SO_RCVTIMEO | n::SO_RCVTIMEO_NEW => {
            return Ok(timeval(options.receive_timeout.load(Ordering::Relaxed)));
        }
        n::SO_SNDTIMEO | n::SO_SNDTIMEO_NEW => {
            return Ok(timeval(options.send_timeout.load(Ordering::Relaxed)));
        }
        _ => {
            let bit = Options::flag(option).ok_or(Errno::ENOPROTOOPT)?;
            u32::from(options.flags.load(Ordering::Relaxed) & bit != 0)
        }
    };
    Ok(number.to_ne_bytes().to_vec())
}
