//! One line of the file.

use std::io::Write as _;

/// Which of the program's streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    Out,
    Err,
}

impl Stream {
    fn word(self) -> &'static str {
        match self {
            Self::Out => "stdout",
            Self::Err => "stderr",
        }
    }
}

/// One line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry<'a> {
    /// RFC 3339, in UTC.
    pub(crate) time: &'a str,
    pub(crate) stream: Stream,
    /// Whether a line of the program's ends here.
    pub(crate) is_full: bool,
    pub(crate) text: &'a [u8],
}

impl<'a> Entry<'a> {
    /// Takes a line, without its end, apart.
    pub(crate) fn parse(line: &'a [u8]) -> Option<Self> {
        let mut fields = line.splitn(4, |&b| b == b' ');
        let time = std::str::from_utf8(fields.next()?).ok()?;
        let stream = match fields.next()? {
            b"stdout" => Stream::Out,
            b"stderr" => Stream::Err,
            _ => return None,
        };
        let is_full = match fields.next()? {
            b"F" => true,
            b"P" => false,
            _ => return None,
        };
        Some(Self { time, stream, is_full, text: fields.next()? })
    }

    /// Appends the line.
    pub(crate) fn write(&self, to: &mut Vec<u8>) {
        let flag = if self.is_full { 'F' } else { 'P' };
        // Writing to memory does not fail.
        drop(write!(to, "{} {} {flag} ", self.time, self.stream.word()));
        to.extend_from_slice(self.text);
        to.push(b'\n');
    }
}

/// Appends all that a stream gave at once.
pub(super) fn write_all(mut bytes: &[u8], stream: Stream, time: &str, to: &mut Vec<u8>) {
    while !bytes.is_empty() {
        let end = bytes.iter().position(|&b| b == b'\n');
        let text = &bytes[..end.unwrap_or(bytes.len())];
        Entry { time, stream, is_full: end.is_some(), text }.write(to);
        bytes = &bytes[end.map_or(bytes.len(), |end| end + 1)..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut file = Vec::new();
        write_all(b"a b\n\n\xff", Stream::Out, "T", &mut file);
        write_all(b"x\n", Stream::Err, "U", &mut file);
        assert_eq!(file, b"T stdout F a b\nT stdout F \nT stdout P \xff\nU stderr F x\n");
        let entries: Vec<Entry<'_>> = file.split(|&b| b == b'\n').filter_map(Entry::parse).collect();
        let entry = |time, stream, is_full, text| Entry { time, stream, is_full, text };
        assert_eq!(
            entries,
            [
                entry("T", Stream::Out, true, &b"a b"[..]),
                entry("T", Stream::Out, true, b""),
                entry("T", Stream::Out, false, b"\xff"),
                entry("U", Stream::Err, true, b"x"),
            ]
        );
        for bad in ["", "T", "T stdout", "T stdout F", "T stdin F x", "T stdout X x"] {
            assert_eq!(Entry::parse(bad.as_bytes()), None, "{bad}");
        }
    }
}
