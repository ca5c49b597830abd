//! The saved forms of [`Pipe`] and [`End`].

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use stockade_platform::sync::Mutex;

use super::{End, MAX_ANY_SIZE, PIPE_BUF, Pipe, Ring, State};
use crate::persist::{Component, Id, RestoreError, Restorer, Saver, Unsavable};
use crate::vfs::FileOps;
use crate::wait::WaitQueue;

/// A [`Pipe`], without its ends: each tells of itself.
#[derive(Debug, Serialize, Deserialize)]
pub struct PipeState {
    anonymous: bool,
    size: usize,
    data: ByteBuf,
    /// Lengths of what was written together, and whether that is a packet; none unless there are packets.
    segments: Vec<(usize, bool)>,
    reader_opens: u64,
    writer_opens: u64,
}

impl Component for PipeState {
    type Object = Arc<Pipe>;

    fn save(pipe: &Self::Object, _saver: &mut Saver) -> Result<Self, Unsavable> {
        let state = pipe.state.lock();
        let (data, segments) = state.ring.contents();
        Ok(Self {
            anonymous: pipe.anonymous,
            size: state.size,
            data: ByteBuf::from(data),
            segments,
            reader_opens: state.reader_opens,
            writer_opens: state.writer_opens,
        })
    }

    fn restore(self, _restorer: &mut Restorer<'_>) -> Result<Self::Object, RestoreError> {
        let (size, packets) = (self.size, self.segments.len());
        if !size.is_power_of_two() || !(PIPE_BUF..=MAX_ANY_SIZE).contains(&size) || packets > size {
            return Err(RestoreError::new("a size that no pipe has"));
        }
        if self.data.len() > size {
            return Err(RestoreError::new("more in it than it can hold"));
        }
        let ring = Ring::of(self.data.into_vec(), &self.segments);
        let ring = ring.ok_or_else(|| RestoreError::new("packets that are not what is in it"))?;
        let (reader_opens, writer_opens) = (self.reader_opens, self.writer_opens);
        let state = State { ring, size, readers: 0, writers: 0, reader_opens, writer_opens };
        let queue = Arc::new(WaitQueue::new());
        Ok(Arc::new(Pipe { state: Mutex::new(state), queue, anonymous: self.anonymous }))
    }
}

/// An [`End`].
#[derive(Debug, Serialize, Deserialize)]
pub struct PipeEndState {
    pipe: Id<PipeState>,
    reads: bool,
    writes: bool,
}

impl PipeEndState {
    pub(super) fn save(end: &End, saver: &mut Saver) -> Self {
        Self { pipe: saver.id(&end.pipe), reads: end.reads, writes: end.writes }
    }

    pub(crate) fn restore(self, restorer: &mut Restorer<'_>) -> Result<Arc<dyn FileOps>, RestoreError> {
        let pipe = restorer.get(self.pipe)?;
        // How often it was opened is known.
        let mut state = pipe.state.lock();
        state.readers += usize::from(self.reads);
        state.writers += usize::from(self.writes);
        drop(state);
        Ok(Arc::new(End { pipe, reads: self.reads, writes: self.writes }))
    }
}

#[cfg(test)]
mod tests {
    use stockade_abi::general as c;

    use super::*;
    use crate::fs::pipe::pair;
    use crate::io::{BufSink, BufSource};
    use crate::persist::tests::{restoring, saved};
    use crate::vfs::File;

    fn pipe_of(file: &File) -> Arc<Pipe> {
        Arc::clone(file.ops().downcast_ref::<End>().unwrap().pipe())
    }

    #[test]
    fn what_is_in_it_comes_back() {
        let (r, w) = pair(c::O_DIRECT, 0, 0);
        for bytes in [b"one".as_slice(), b"second"] {
            w.write(&mut BufSource::new(bytes)).unwrap();
        }
        let mut buf = [0; 2];
        r.read(&mut BufSink::new(&mut buf)).unwrap();
        let pipe = pipe_of(&r);
        pipe.set_size(1 << 17, true).unwrap();
        let state: PipeState = saved(&pipe);
        let again = restoring(|restorer| state.restore(restorer)).unwrap();
        assert_eq!(again.size(), 1 << 17);
        let (r, w) = (again.open_end(true, false), again.open_end(false, true));
        let (r, w) = crate::vfs::anon::tests::files(r, w);
        let mut buf = [0; 16];
        assert_eq!(r.read(&mut BufSink::new(&mut buf)), Ok(6));
        assert_eq!(&buf[..6], b"second");
        // Its buffer becomes as large as the pipe with the first write.
        assert_eq!(w.write(&mut BufSource::new(&[7; 100_000])), Ok(100_000));
    }

    #[test]
    fn what_no_pipe_can_be_is_refused() {
        let good = || PipeState {
            anonymous: true,
            size: 65536,
            data: ByteBuf::from(b"abc"),
            segments: vec![(1, false), (2, true)],
            reader_opens: 1,
            writer_opens: 1,
        };
        restoring(|restorer| {
            assert!(good().restore(restorer).is_ok());
            for size in [0, 1, 4095, 65537, 1 << 40, usize::MAX] {
                assert!(PipeState { size, ..good() }.restore(restorer).is_err());
            }
            assert!(PipeState { data: ByteBuf::from(vec![0; 65537]), ..good() }.restore(restorer).is_err());
            for segments in
                [vec![(1, true)], vec![(usize::MAX, true), (4, false)], vec![(3, true), (0, true)]]
            {
                assert!(PipeState { segments, ..good() }.restore(restorer).is_err());
            }
        });
    }
}
