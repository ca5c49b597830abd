//! Access to guest memory. Every argument of a system call is copied in once, and only the copy is looked at.

use stockade_abi::Errno;
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes};

/// Memory of a guest. Addresses are the guest's and may be anything.
pub trait UserMemory {
    /// Copies in from `addr`, as far as it is readable.
    ///
    /// # Errors
    /// EFAULT if not one byte of a non-empty `dst` could be read.
    fn read(&self, addr: u64, dst: &mut [u8]) -> Result<usize, Errno>;

    /// Copies out to `addr`, as far as it is writable.
    ///
    /// # Errors
    /// EFAULT if not one byte of a non-empty `src` could be written.
    fn write(&self, addr: u64, src: &[u8]) -> Result<usize, Errno>;

    /// Fills `dst` completely.
    ///
    /// # Errors
    /// EFAULT if a part cannot be read.
    fn read_exact(&self, addr: u64, dst: &mut [u8]) -> Result<(), Errno> {
        if dst.is_empty() || self.read(addr, dst)? == dst.len() { Ok(()) } else { Err(Errno::EFAULT) }
    }

    /// Stores `src` completely.
    ///
    /// # Errors
    /// EFAULT if a part cannot be written; what came before it is.
    fn write_exact(&self, addr: u64, src: &[u8]) -> Result<(), Errno> {
        if src.is_empty() || self.write(addr, src)? == src.len() { Ok(()) } else { Err(Errno::EFAULT) }
    }

    /// Copies a value in.
    ///
    /// # Errors
    /// EFAULT
    fn copy_in<T: FromBytes + IntoBytes + FromZeros>(&self, addr: u64) -> Result<T, Errno>
    where
        Self: Sized,
    {
        let mut value = T::new_zeroed();
        self.read_exact(addr, value.as_mut_bytes())?;
        Ok(value)
    }

    /// Copies a value out.
    ///
    /// # Errors
    /// EFAULT
    fn copy_out<T: IntoBytes + Immutable + ?Sized>(&self, addr: u64, value: &T) -> Result<(), Errno>
    where
        Self: Sized,
    {
        self.write_exact(addr, value.as_bytes())
    }

    /// Copies `count` values in.
    ///
    /// # Errors
    /// EFAULT; the caller has bounded `count`.
    fn copy_in_vec<T: FromBytes + IntoBytes + FromZeros + Clone>(
        &self,
        addr: u64,
        count: usize,
    ) -> Result<Vec<T>, Errno>
    where
        Self: Sized,
    {
        let mut values = vec![T::new_zeroed(); count];
        for_bytes(&mut values, |bytes| self.read_exact(addr, bytes))?;
        Ok(values)
    }

    /// Copies a string in, without its final zero. Reads no further than the page in which it ends.
    ///
    /// # Errors
    /// EFAULT; ENAMETOOLONG if there is no zero among the first `max` bytes.
    fn copy_in_c_string(&self, addr: u64, max: usize) -> Result<Vec<u8>, Errno> {
        const FIRST: usize = 256;
        let mut out = Vec::new();
        let mut chunk = FIRST.min(max);
        loop {
            let start = out.len();
            if start >= max {
                return Err(Errno::ENAMETOOLONG);
            }
            out.resize((start + chunk).min(max), 0);
            let at = addr.checked_add(start as u64).ok_or(Errno::EFAULT)?;
            let got = self.read(at, &mut out[start..])?;
            if let Some(end) = out[start..start + got].iter().position(|&b| b == 0) {
                out.truncate(start + end);
                return Ok(out);
            }
            if got < out.len() - start {
                // A short read ended at memory that is not there, and the next byte would be needed.
                return Err(Errno::EFAULT);
            }
            chunk = 4096;
        }
    }
}

fn for_bytes<T: IntoBytes + FromBytes>(
    values: &mut [T],
    read: impl FnOnce(&mut [u8]) -> Result<(), Errno>,
) -> Result<(), Errno> {
    read(values.as_mut_bytes())
}
