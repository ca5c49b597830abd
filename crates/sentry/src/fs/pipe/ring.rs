//! The bytes in a pipe.

use std::collections::VecDeque;

use super::budget::Buffer;

/// Bytes that were written together.
#[derive(Clone, Copy, Debug)]
struct Segment {
    len: usize,
    /// A packet: what of it a read does not take is gone (pipe2(2), O_DIRECT).
    packet: bool,
}

/// A ring of bytes. The buffer is made when first written to, and then stays.
#[derive(Default)]
pub(super) struct Ring {
    buf: Buffer,
    start: usize,
    len: usize,
    /// Empty unless there are packets.
    segments: VecDeque<Segment>,
}

impl Ring {
    /// A ring with something in it, as [`contents`](Self::contents) gave it; none if that does not fit together.
    pub(super) fn of(data: Vec<u8>, segments: &[(usize, bool)]) -> Option<Self> {
        let total = segments.iter().try_fold(0usize, |sum, &(len, _)| sum.checked_add(len))?;
        let is_whole = total == data.len() && segments.iter().all(|&(len, _)| len > 0);
        if !(segments.is_empty() || is_whole) {
            return None;
        }
        let len = data.len();
        let segments = segments.iter().map(|&(len, packet)| Segment { len, packet }).collect();
        Some(Self { buf: Buffer::of(data), start: 0, len, segments })
    }

    /// What is in it, and lengths of segments with whether they are packets.
    pub(super) fn contents(&self) -> (Vec<u8>, Vec<(usize, bool)>) {
        let first = self.len.min(self.buf.len() - self.start);
        let data = [&self.buf[self.start..self.start + first], &self.buf[..self.len - first]].concat();
        (data, self.segments.iter().map(|s| (s.len, s.packet)).collect())
    }

    /// Bytes in it.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Bytes that it can hold; 0 before the buffer is made.
    pub(super) fn capacity(&self) -> usize {
        self.buf.len()
    }

    /// How many packets it holds.
    pub(super) fn packets(&self) -> usize {
        self.segments.len()
    }

    /// Where data lies: one piece, or two around the end. Not beyond the end of a packet.
    pub(super) fn data(&self) -> (&[u8], &[u8]) {
        let len = self.segments.front().map_or(self.len, |s| s.len);
        let first = len.min(self.buf.len() - self.start);
        (&self.buf[self.start..self.start + first], &self.buf[..len - first])
    }

    /// Where room is: one piece, or two around the end.
    pub(super) fn room(&mut self) -> (&mut [u8], &mut [u8]) {
        let cap = self.buf.len();
        let end = self.start + self.len;
        if end >= cap {
            let (head, _) = self.buf.split_at_mut(self.start);
            (&mut head[end - cap..], &mut [])
        } else {
            let (head, tail) = self.buf.split_at_mut(end);
            (tail, &mut head[..self.start])
        }
    }

    /// So many bytes were put where room was.
    pub(super) fn filled(&mut self, n: usize, packet: bool) {
        if packet && self.segments.is_empty() && self.len > 0 {
            self.segments.push_back(Segment { len: self.len, packet: false });
        }
        self.len += n;
        match self.segments.back_mut() {
            Some(last) if !packet && !last.packet => last.len += n,
            None if !packet => {}
            _ => self.segments.push_back(Segment { len: n, packet }),
        }
    }

    /// So many bytes of the data were taken; with a packet goes its rest. True if it was one.
    pub(super) fn consume(&mut self, n: usize) -> bool {
        let (mut gone, mut packet) = (n, false);
        if let Some(first) = self.segments.front_mut() {
            packet = first.packet;
            gone = if packet { first.len } else { n };
            first.len -= gone;
            if first.len == 0 {
                self.segments.pop_front();
            }
            if !self.segments.iter().any(|s| s.packet) {
                self.segments.clear();
            }
        }
        self.len -= gone;
        self.start = if self.len == 0 { 0 } else { (self.start + gone) % self.buf.len() };
        packet
    }

    /// Gives it another buffer, which has to hold what is in it.
    pub(super) fn set_buffer(&mut self, mut buf: Buffer) {
        for at in 0..self.len {
            buf[at] = self.buf[(self.start + at) % self.buf.len()];
        }
        (self.buf, self.start) = (buf, 0);
    }
}
