//! Frames: written, and read.

use std::io::{self, Read};

use prost::Message as _;

use super::message::{Any, DebugEvent};

/// What the type of a frame's content is called.
const TYPE_URL: &str = "type.googleapis.com/gvisor.DebugEvent";

/// Bytes that a frame may have.
const MAX_FRAME: u64 = 4 << 20;

/// An event as a frame.
#[must_use]
pub fn frame(event: &DebugEvent) -> Vec<u8> {
    Any { type_url: TYPE_URL.to_owned(), value: event.encode_to_vec() }.encode_length_delimited_to_vec()
}

/// Reads events from where frames come from; what is no debug event is skipped. An error is UnexpectedEof if the stream ends
/// within a frame, InvalidData for what is no frame, or the stream's own; nothing that follows makes sense then.
#[derive(Debug)]
pub struct Reader<R>(io::BufReader<R>);

impl<R: Read> Reader<R> {
    /// At the beginning of a stream.
    pub fn new(stream: R) -> Self {
        Self(io::BufReader::with_capacity(64 << 10, stream))
    }

    fn frame(&mut self) -> io::Result<Option<DebugEvent>> {
        loop {
            let Some(length) = self.length()? else { return Ok(None) };
            let mut bytes = vec![0; length];
            self.0.read_exact(&mut bytes)?;
            let any = Any::decode(bytes.as_slice()).map_err(invalid)?;
            if any.type_url == TYPE_URL {
                return DebugEvent::decode(any.value.as_slice()).map(Some).map_err(invalid);
            }
        }
    }

    /// A varint; none at the end.
    fn length(&mut self) -> io::Result<Option<usize>> {
        let mut value = 0;
        for shift in (0..35).step_by(7) {
            let mut byte = [0];
            if self.0.read(&mut byte)? == 0 {
                return if shift == 0 { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
            }
            value |= u64::from(byte[0] & 0x7f) << shift;
            if byte[0] & 0x80 == 0 {
                return match usize::try_from(value) {
                    Ok(length) if value <= MAX_FRAME => Ok(Some(length)),
                    _ => Err(invalid("a frame that is too long")),
                };
            }
        }
        Err(invalid("a length that does not end"))
    }
}

impl<R: Read> Iterator for Reader<R> {
    type Item = io::Result<DebugEvent>;

    fn next(&mut self) -> Option<Self::Item> {
        self.frame().transpose()
    }
}

fn invalid(e: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, e)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_read_as_they_were_written() {
        let events =
            [DebugEvent::of_lost(3), DebugEvent { text: "x".repeat(70_000), ..DebugEvent::of_lost(0) }];
        let bytes: Vec<u8> = events.iter().flat_map(frame).collect();
        let read: Vec<_> = Reader::new(bytes.as_slice()).map(Result::unwrap).collect();
        assert_eq!(read, events);
        let mut cut = Reader::new(&bytes[..bytes.len() - 1]);
        assert!(cut.next().unwrap().is_ok() && cut.next().unwrap().is_err());
    }

    #[test]
    fn the_first_bytes_are_those_of_the_schema() {
        let event = DebugEvent { name: "n".into(), text: "t".into(), strace: None, lost: 0 };
        let inner = [0x0a, 1, b'n', 0x12, 1, b't'];
        let mut wanted = vec![0x0a, TYPE_URL.len() as u8];
        wanted.extend(TYPE_URL.bytes());
        wanted.extend([0x12, inner.len() as u8]);
        wanted.extend(inner);
        wanted.insert(0, wanted.len() as u8);
        assert_eq!(frame(&event), wanted);
    }

    #[test]
    fn what_is_no_frame_is_an_error() {
        for bytes in [&[0xff; 12][..], &[0xff, 0xff, 0xff, 0x7f], &[2, 0xff, 0xff], &[0x80]] {
            assert!(Reader::new(bytes).next().unwrap().is_err(), "{bytes:?}");
        }
    }
}
