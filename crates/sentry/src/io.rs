//! Where bytes of a read go and bytes of a write come from.
//!
//! A file system copies once, straight between its own storage and the guest: it is handed a [`Sink`] or a [`Source`],
//! which is guest memory for a system call and a plain buffer inside the kernel.

use stockade_abi::Errno;
use stockade_platform::SharedSlice;

/// Takes the bytes of a read, in order.
pub trait Sink {
    /// How many more bytes fit.
    fn remaining(&self) -> usize;

    /// Takes as many bytes of `src` as fit and can be stored; returns how many.
    ///
    /// # Errors
    /// EFAULT if there is room but not one byte could be stored.
    fn put(&mut self, src: &[u8]) -> Result<usize, Errno>;

    /// As [`put`](Self::put), from memory shared with guests.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    fn put_shared(&mut self, src: SharedSlice<'_>) -> Result<usize, Errno>;

    /// Leaves room for up to `n` bytes as it is; returns for how many.
    fn skip(&mut self, n: usize) -> usize;

    /// Takes up to `n` zero bytes; returns how many.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    fn put_zeros(&mut self, n: usize) -> Result<usize, Errno> {
        const ZEROS: [u8; 4096] = [0; 4096];
        let want = n.min(self.remaining());
        let mut done = 0;
        while done < want {
            let chunk = (want - done).min(ZEROS.len());
            match self.put(&ZEROS[..chunk]) {
                Ok(got) => {
                    done += got;
                    if got < chunk {
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

/// Gives the bytes of a write, in order.
pub trait Source {
    /// How many more bytes there are.
    fn remaining(&self) -> usize;

    /// Fills as much of `dst` as there are bytes that can be fetched; returns how much.
    ///
    /// # Errors
    /// EFAULT if there are bytes but not one could be fetched.
    fn take(&mut self, dst: &mut [u8]) -> Result<usize, Errno>;

    /// As [`take`](Self::take), and the bytes are still to be taken: for who learns later how many went.
    ///
    /// # Errors
    /// As [`take`](Self::take).
    fn peek(&self, dst: &mut [u8]) -> Result<usize, Errno>;

    /// As [`take`](Self::take), into memory shared with guests.
    ///
    /// # Errors
    /// As [`take`](Self::take).
    fn take_shared(&mut self, dst: SharedSlice<'_>) -> Result<usize, Errno>;

    /// Leaves up to `n` bytes out; returns how many.
    fn skip(&mut self, n: usize) -> usize;
}

/// A [`Sink`] over a buffer of the kernel.
#[derive(Debug)]
pub struct BufSink<'a> {
    buf: &'a mut [u8],
    done: usize,
}

impl<'a> BufSink<'a> {
    /// Stores at the front of `buf`.
    pub fn new(buf: &'a mut [u8]) -> Self {
        Self { buf, done: 0 }
    }

    /// Bytes stored so far.
    #[must_use]
    pub fn done(&self) -> usize {
        self.done
    }
}

impl Sink for BufSink<'_> {
    fn remaining(&self) -> usize {
        self.buf.len() - self.done
    }

    fn put(&mut self, src: &[u8]) -> Result<usize, Errno> {
        let n = src.len().min(self.remaining());
        self.buf[self.done..self.done + n].copy_from_slice(&src[..n]);
        self.done += n;
        Ok(n)
    }

    fn put_shared(&mut self, src: SharedSlice<'_>) -> Result<usize, Errno> {
        let n = src.read(&mut self.buf[self.done..]);
        self.done += n;
        Ok(n)
    }

    fn skip(&mut self, n: usize) -> usize {
        let n = n.min(self.remaining());
        self.done += n;
        n
    }
}

/// The first bytes of a [`Source`].
pub struct Limited<'a> {
    src: &'a mut dyn Source,
    left: usize,
}

impl<'a> Limited<'a> {
    /// Gives no more than `left` bytes.
    pub fn new(src: &'a mut dyn Source, left: u64) -> Self {
        Self { src, left: usize::try_from(left).unwrap_or(usize::MAX) }
    }
}

impl Source for Limited<'_> {
    fn remaining(&self) -> usize {
        self.src.remaining().min(self.left)
    }

    fn take(&mut self, dst: &mut [u8]) -> Result<usize, Errno> {
        let len = dst.len().min(self.left);
        let n = self.src.take(&mut dst[..len])?;
        self.left -= n;
        Ok(n)
    }

    fn peek(&self, dst: &mut [u8]) -> Result<usize, Errno> {
        let len = dst.len().min(self.left);
        self.src.peek(&mut dst[..len])
    }

    fn take_shared(&mut self, dst: SharedSlice<'_>) -> Result<usize, Errno> {
        let n = self.src.take_shared(dst.split_at(self.left).0)?;
        self.left -= n;
        Ok(n)
    }

    fn skip(&mut self, n: usize) -> usize {
        let n = self.src.skip(n.min(self.left));
        self.left -= n;
        n
    }
}

/// A [`Source`] over a buffer of the kernel.
#[derive(Debug)]
pub struct BufSource<'a>(&'a [u8]);

impl<'a> BufSource<'a> {
    /// Gives the bytes of `buf`.
    #[must_use]
    pub fn new(buf: &'a [u8]) -> Self {
        Self(buf)
    }
}

impl Source for BufSource<'_> {
    fn remaining(&self) -> usize {
        self.0.len()
    }

    fn take(&mut self, dst: &mut [u8]) -> Result<usize, Errno> {
        let n = self.peek(dst)?;
        Ok(self.skip(n))
    }

    fn peek(&self, dst: &mut [u8]) -> Result<usize, Errno> {
        let n = dst.len().min(self.0.len());
        dst[..n].copy_from_slice(&self.0[..n]);
        Ok(n)
    }

    fn take_shared(&mut self, dst: SharedSlice<'_>) -> Result<usize, Errno> {
        let n = dst.write(self.0);
        self.0 = &self.0[n..];
        Ok(n)
    }

    fn skip(&mut self, n: usize) -> usize {
        let n = n.min(self.0.len());
        self.0 = &self.0[n..];
        n
    }
}
