//! What waits to be received.

mod persist;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use stockade_abi::Errno;

pub use self::persist::CreditState;
pub(super) use self::persist::InboxState;

use super::in_flight::Rights;
use crate::io::{Sink, Source};
use crate::net::socket::Credential;
use crate::vfs::quota::SOCKET_BYTES;
use crate::wait::{Readiness, WaitQueue};

/// Charged for each message beside its bytes, so that empty ones are bounded too.
const OVERHEAD: usize = 512;
/// Bytes of a stream kept in one piece.
const PIECE: usize = 32 * 1024;

/// How much of what a socket sent may be unread, and how much is.
pub struct Credit {
    used: AtomicUsize,
    limit: AtomicUsize,
    /// Told when there is room again.
    queue: Arc<WaitQueue>,
}

impl Credit {
    pub(super) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            used: AtomicUsize::new(0),
            limit: AtomicUsize::new(limit),
            queue: Arc::new(WaitQueue::new()),
        })
    }

    /// Of its owner.
    pub(super) fn queue(&self) -> &Arc<WaitQueue> {
        &self.queue
    }

    pub(super) fn limit(&self) -> usize {
        self.limit.load(Ordering::Relaxed)
    }

    pub(super) fn set_limit(&self, limit: usize) {
        self.limit.store(limit, Ordering::Relaxed);
        self.queue.notify(Readiness::WRITABLE);
    }

    /// Bytes sent and not received, with what is charged for messages.
    pub(super) fn used(&self) -> usize {
        self.used.load(Ordering::Acquire)
    }

    /// Bytes that may be sent now.
    pub(super) fn room(&self) -> usize {
        self.limit().saturating_sub(self.used())
    }

    /// Whether poll(2) says that it can be written to: while not more than a quarter is used, as on Linux.
    pub(super) fn is_writable(&self) -> bool {
        self.used() * 4 <= self.limit()
    }

    fn take(&self, n: usize) {
        SOCKET_BYTES.add(n);
        self.used.fetch_add(n, Ordering::AcqRel);
    }

    fn give_back(&self, n: usize) {
        SOCKET_BYTES.remove(n);
        let before = self.used.fetch_sub(n, Ordering::AcqRel);
        let quarter = self.limit() / 4;
        if before > quarter && before - n <= quarter {
            self.queue.notify(Readiness::WRITABLE | Readiness::WRBAND);
        }
    }
}

/// A message, or a piece of a stream.
pub(super) struct Segment {
    data: Vec<u8>,
    /// Bytes of it that have been received.
    done: usize,
    from: Option<Arc<Vec<u8>>>,
    creds: Option<Credential>,
    rights: Option<Rights>,
    credit: Arc<Credit>,
}

impl Segment {
    fn left(&self) -> &[u8] {
        &self.data[self.done..]
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        self.credit.give_back(self.data.len() - self.done + OVERHEAD);
    }
}

/// What goes with the bytes.
#[derive(Default)]
pub(super) struct Attached {
    pub(super) from: Option<Arc<Vec<u8>>>,
    pub(super) creds: Option<Credential>,
    pub(super) rights: Option<Rights>,
}

/// What was taken.
#[derive(Default)]
pub(super) struct Taken {
    pub(super) len: usize,
    pub(super) full_len: usize,
    pub(super) attached: Attached,
    /// Of a message that was only looked at.
    pub(super) seen_files: Vec<Arc<crate::vfs::File>>,
}

/// Messages in order.
#[derive(Default)]
pub(super) struct Inbox {
    segments: VecDeque<Segment>,
    bytes: usize,
    closed: bool,
}

impl Inbox {
    pub(super) fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// Messages that wait.
    pub(super) fn len(&self) -> usize {
        self.segments.len()
    }

    /// Bytes that wait.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes of the first message.
    pub(super) fn first_len(&self) -> usize {
        self.segments.front().map_or(0, |s| s.left().len())
    }

    /// Adds a message.
    pub(super) fn push(&mut self, data: Vec<u8>, attached: Attached, credit: &Arc<Credit>) {
        credit.take(data.len() + OVERHEAD);
        self.bytes += data.len();
        let Attached { from, creds, rights } = attached;
        self.segments.push_back(Segment { data, done: 0, from, creds, rights, credit: Arc::clone(credit) });
    }

    /// Adds up to `n` bytes to a stream, to what waits already where nothing sets them apart.
    ///
    /// # Errors
    /// EFAULT if not one byte could be fetched; `rights` are as they were then.
    pub(super) fn extend(
        &mut self,
        src: &mut dyn Source,
        n: usize,
        creds: Option<Credential>,
        rights: &mut Option<Rights>,
        credit: &Arc<Credit>,
    ) -> Result<usize, Errno> {
        if rights.is_none()
            && let Some(last) = self.segments.back_mut()
            && last.rights.is_none()
            && last.creds == creds
            && Arc::ptr_eq(&last.credit, credit)
            && last.data.len() < PIECE
        {
            let old = last.data.len();
            last.data.resize(old + n, 0);
            let got = src.take(&mut last.data[old..]);
            last.data.truncate(old + *got.as_ref().unwrap_or(&0));
            let got = got?;
            credit.take(got);
            self.bytes += got;
            return Ok(got);
        }
        let mut data = vec![0; n];
        let got = src.take(&mut data)?;
        data.truncate(got);
        self.push(data, Attached { from: None, creds, rights: rights.take() }, credit);
        Ok(got)
    }

    /// Takes a message, or as much of it as fits: the rest is lost, and all of it if storing it fails. None if there is
    /// none. What comes with it must be dropped when nothing is locked.
    pub(super) fn take_message(
        &mut self,
        dst: &mut dyn Sink,
        peek: bool,
    ) -> Option<(Result<usize, Errno>, Taken)> {
        let segment = self.segments.front_mut()?;
        let full_len = segment.left().len();
        let mut taken = Taken { full_len, ..Taken::default() };
        let stored = store(dst, segment.left());
        taken.attached.from.clone_from(&segment.from);
        taken.attached.creds = segment.creds;
        if peek {
            taken.seen_files = segment.rights.iter().flat_map(|r| r.files().iter().cloned()).collect();
        } else {
            taken.attached.rights = segment.rights.take();
            self.bytes -= full_len;
            self.segments.pop_front();
        }
        Some((stored, taken))
    }

    /// Takes bytes of a stream until `dst` is full, or something sets the next apart: descriptors that came with those
    /// taken, or another sender where senders matter.
    ///
    /// # Errors
    /// EFAULT if not one byte could be stored.
    pub(super) fn take_bytes(
        &mut self,
        dst: &mut dyn Sink,
        peek: bool,
        tell_creds: bool,
    ) -> Result<Taken, Errno> {
        let mut taken = Taken::default();
        let mut at = 0;
        while dst.remaining() > 0 {
            let Some(segment) = self.segments.get_mut(at) else { break };
            if taken.len > 0 && tell_creds && segment.creds != taken.attached.creds {
                break;
            }
            let got = match store(dst, segment.left()) {
                Ok(got) => got,
                Err(_) if taken.len > 0 => break,
                Err(e) => return Err(e),
            };
            taken.len += got;
            taken.attached.creds = segment.creds;
            let has_rights = segment.rights.is_some();
            if peek {
                taken.seen_files.extend(segment.rights.iter().flat_map(|r| r.files().iter().cloned()));
                at += 1;
            } else {
                taken.attached.rights = segment.rights.take();
                segment.done += got;
                segment.credit.give_back(got);
                self.bytes -= got;
                if segment.left().is_empty() {
                    self.segments.pop_front();
                } else {
                    break;
                }
            }
            if has_rights {
                break;
            }
        }
        taken.full_len = taken.len;
        Ok(taken)
    }

    /// Nothing can be added from now on.
    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Everything, to be dropped when nothing is locked. Nothing can be added from now on.
    pub(super) fn close(&mut self) -> VecDeque<Segment> {
        self.closed = true;
        self.bytes = 0;
        std::mem::take(&mut self.segments)
    }

    /// Descriptors that wait.
    pub(super) fn waiting_files(&self, ids: &mut Vec<u64>) {
        ids.extend(
            self.segments
                .iter()
                .filter_map(|s| s.rights.as_ref())
                .flat_map(|r| r.files().iter().map(|f| f.id())),
        );
    }

    /// Takes the descriptors out of all messages.
    pub(super) fn take_rights(&mut self, rights: &mut Vec<Rights>) {
        rights.extend(self.segments.iter_mut().filter_map(|s| s.rights.take()));
    }
}

fn store(dst: &mut dyn Sink, bytes: &[u8]) -> Result<usize, Errno> {
    let n = bytes.len().min(dst.remaining());
    if n == 0 { Ok(0) } else { dst.put(&bytes[..n]) }
}
