//! Guest memory as the kernel's calls see it.

use stockade_abi::Errno;
use stockade_abi::file::Iovec;
use stockade_abi::misc::{IOV_MAX, MAX_RW_COUNT};
use stockade_platform::SharedSlice;

use super::manager::{MemoryLimits, MemoryManager};
use super::usermem::UserMemory;
use crate::io::{Sink, Source};

impl MemoryManager {
    /// The length of what lies inside the guest's addresses.
    fn clip(&self, addr: u64, len: usize) -> Result<usize, Errno> {
        let end = self.layout.usable.end;
        if addr >= end || addr < self.layout.usable.start {
            return Err(Errno::EFAULT);
        }
        Ok(len.min(usize::try_from(end - addr).unwrap_or(usize::MAX)))
    }

    /// Does a copy, and once more after growing the stack if it ended below one.
    fn with_growth(
        &self,
        addr: u64,
        len: usize,
        mut copy: impl FnMut(u64, usize, usize) -> Result<usize, Errno>,
    ) -> Result<usize, Errno> {
        if len == 0 {
            return Ok(0);
        }
        let len = self.clip(addr, len)?;
        let done = match copy(addr, 0, len) {
            Ok(n) if n == len => return Ok(n),
            Ok(n) => n,
            Err(Errno::EFAULT) => 0,
            Err(e) => return Err(e),
        };
        let stack = self.stack_limit.load(std::sync::atomic::Ordering::Relaxed);
        let limits = MemoryLimits { stack, ..MemoryLimits::default() };
        let more = if self.grow_stack(addr + done as u64, &limits) {
            copy(addr + done as u64, done, len - done)
        } else {
            Ok(0)
        };
        if !matches!(more, Ok(1..)) {
            self.is_lost(addr + done as u64);
        }
        match (done, more) {
            (0, Ok(0)) => Err(Errno::EFAULT),
            (0, Err(e)) => Err(e),
            (done, more) => Ok(done + more.unwrap_or(0)),
        }
    }
}

impl UserMemory for MemoryManager {
    fn read(&self, addr: u64, dst: &mut [u8]) -> Result<usize, Errno> {
        self.with_growth(addr, dst.len(), |at, from, len| self.space.read(at, &mut dst[from..from + len]))
    }

    fn write(&self, addr: u64, src: &[u8]) -> Result<usize, Errno> {
        self.with_growth(addr, src.len(), |at, from, len| self.space.write(at, &src[from..from + len]))
    }
}

/// The guest memory that a call reads from or writes to: one buffer, or several.
#[derive(Clone, Debug)]
enum Buffers {
    One(u64, usize),
    Many { list: Vec<(u64, usize)>, index: usize },
}

impl Buffers {
    fn remaining(&self) -> usize {
        match self {
            Self::One(_, len) => *len,
            Self::Many { list, index } => list[*index..].iter().map(|&(_, len)| len).sum(),
        }
    }

    fn current(&mut self) -> Option<(u64, usize)> {
        match self {
            Self::One(_, 0) => None,
            Self::One(addr, len) => Some((*addr, *len)),
            Self::Many { list, index } => {
                while list.get(*index).is_some_and(|&(_, len)| len == 0) {
                    *index += 1;
                }
                list.get(*index).copied()
            }
        }
    }

    fn advance(&mut self, by: usize) {
        match self {
            Self::One(addr, len) => {
                *addr += by as u64;
                *len -= by;
            }
            Self::Many { list, index } => {
                if let Some((addr, len)) = list.get_mut(*index) {
                    *addr += by as u64;
                    *len -= by;
                }
            }
        }
    }

    /// Copies piece by piece with `copy(address, from, length)` until `total` is done or memory ends.
    fn transfer(
        &mut self,
        total: usize,
        mut copy: impl FnMut(u64, usize, usize) -> Result<usize, Errno>,
    ) -> Result<usize, Errno> {
        let mut done = 0;
        while done < total {
            let Some((addr, len)) = self.current() else { break };
            let want = len.min(total - done);
            match copy(addr, done, want) {
                Ok(n) => {
                    self.advance(n);
                    done += n;
                    if n < want {
                        break;
                    }
                }
                Err(_) if done > 0 => break,
                Err(e) => return Err(e),
            }
        }
        Ok(done)
    }
}

fn clamp_len(len: u64) -> Result<usize, Errno> {
    if len > i64::MAX as u64 {
        return Err(Errno::EINVAL);
    }
    Ok(usize::try_from(len).unwrap_or(MAX_RW_COUNT).min(MAX_RW_COUNT))
}

/// Copies an iovec array in (readv(2)): at most [`IOV_MAX`] elements, no more than [`MAX_RW_COUNT`] bytes in all.
///
/// # Errors
/// EINVAL for a bad count or length, EFAULT.
pub fn copy_in_iovecs(mem: &MemoryManager, addr: u64, count: u64) -> Result<Vec<(u64, usize)>, Errno> {
    let count = usize::try_from(count).ok().filter(|&n| n <= IOV_MAX).ok_or(Errno::EINVAL)?;
    let iovecs: Vec<Iovec> = mem.copy_in_vec(addr, count)?;
    let mut left = MAX_RW_COUNT;
    let mut list = Vec::with_capacity(count);
    for iov in iovecs {
        let len = clamp_len(iov.len)?;
        if iov.base.checked_add(iov.len).is_none_or(|end| end > mem.layout().usable.end && iov.len > 0) {
            return Err(Errno::EFAULT);
        }
        let len = len.min(left);
        left -= len;
        list.push((iov.base, len));
    }
    Ok(list)
}

macro_rules! user_buffers {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name<'a> {
            mem: &'a MemoryManager,
            buffers: Buffers,
        }

        impl<'a> $name<'a> {
            /// One buffer, at most [`MAX_RW_COUNT`] bytes of it.
            ///
            /// # Errors
            /// EINVAL if the length is negative as ssize_t, EFAULT if it leaves the guest's addresses.
            pub fn new(mem: &'a MemoryManager, addr: u64, len: u64) -> Result<Self, Errno> {
                if addr.checked_add(len).is_none_or(|end| end > mem.layout().usable.end && len > 0) {
                    return Err(Errno::EFAULT);
                }
                let clamped = clamp_len(len)?;
                Ok(Self { mem, buffers: Buffers::One(addr, clamped) })
            }

            /// The buffers of an iovec array.
            ///
            /// # Errors
            /// As [`copy_in_iovecs`].
            pub fn vectored(mem: &'a MemoryManager, addr: u64, count: u64) -> Result<Self, Errno> {
                Ok(Self { mem, buffers: Buffers::Many { list: copy_in_iovecs(mem, addr, count)?, index: 0 } })
            }

            /// Buffers already copied in and checked.
            #[must_use]
            pub fn from_list(mem: &'a MemoryManager, list: Vec<(u64, usize)>) -> Self {
                Self { mem, buffers: Buffers::Many { list, index: 0 } }
            }
        }
    };
}

user_buffers! {
    /// Guest memory that takes the bytes of a read.
    UserSink
}
user_buffers! {
    /// Guest memory that gives the bytes of a write.
    UserSource
}

impl Sink for UserSink<'_> {
    fn remaining(&self) -> usize {
        self.buffers.remaining()
    }

    fn put(&mut self, src: &[u8]) -> Result<usize, Errno> {
        let mem = self.mem;
        self.buffers.transfer(src.len(), |addr, from, len| mem.write(addr, &src[from..from + len]))
    }

    fn put_shared(&mut self, src: SharedSlice<'_>) -> Result<usize, Errno> {
        let mem = self.mem;
        self.buffers.transfer(src.len(), |addr, from, len| {
            mem.with_growth(addr, len, |at, more, len| {
                mem.space.write_from_shared(at, src.split_at(from + more).1.split_at(len).0)
            })
        })
    }

    fn skip(&mut self, n: usize) -> usize {
        self.buffers.transfer(n, |_, _, len| Ok(len)).unwrap_or(0)
    }
}

impl Source for UserSource<'_> {
    fn remaining(&self) -> usize {
        self.buffers.remaining()
    }

    fn take(&mut self, dst: &mut [u8]) -> Result<usize, Errno> {
        let mem = self.mem;
        self.buffers.transfer(dst.len(), |addr, from, len| mem.read(addr, &mut dst[from..from + len]))
    }

    fn peek(&self, dst: &mut [u8]) -> Result<usize, Errno> {
        self.clone().take(dst)
    }

    fn take_shared(&mut self, dst: SharedSlice<'_>) -> Result<usize, Errno> {
        let mem = self.mem;
        self.buffers.transfer(dst.len(), |addr, from, len| {
            mem.with_growth(addr, len, |at, more, len| {
                mem.space.read_to_shared(at, dst.split_at(from + more).1.split_at(len).0)
            })
        })
    }

    fn skip(&mut self, n: usize) -> usize {
        self.buffers.transfer(n, |_, _, len| Ok(len)).unwrap_or(0)
    }
}
