//! `#!` lines.

use stockade_abi::Errno;

/// What a script wants to be run by.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) interpreter: Vec<u8>,
    pub(super) argument: Option<Vec<u8>>,
}

fn is_blank(b: u8) -> bool {
    b == b' ' || b == b'\t'
}

fn trim(mut s: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = s
        && is_blank(*first)
    {
        s = rest;
    }
    while let [rest @ .., last] = s
        && is_blank(*last)
    {
        s = rest;
    }
    s
}

/// Reads the line from a file's first bytes; none if it is no script.
///
/// # Errors
/// ENOEXEC if there is no interpreter, or its name may be cut off; EACCES if the file ends before it.
pub(super) fn parse(head: &[u8]) -> Result<Option<Line>, Errno> {
    let Some(rest) = head.strip_prefix(b"#!") else { return Ok(None) };
    let end = rest.iter().position(|&b| b == b'\n' || b == 0);
    let cut = end.is_none() && head.len() >= super::HEAD_SIZE;
    // Of a line that goes on Linux leaves the last byte out.
    let line = trim(&rest[..end.unwrap_or(rest.len() - usize::from(cut))]);
    if line.is_empty() {
        // Without an end of line Linux executes the file with no name, which is the working directory.
        let is_ended = cut || end.is_some_and(|end| rest[end] == b'\n');
        return Err(if is_ended { Errno::ENOEXEC } else { Errno::EACCES });
    }
    let split = line.iter().position(|&b| is_blank(b));
    // Without an end of line the name must at least be whole.
    if cut && split.is_none() {
        return Err(Errno::ENOEXEC);
    }
    let (interpreter, argument) = match split {
        Some(at) => (line[..at].to_vec(), Some(trim(&line[at..]).to_vec()).filter(|a| !a.is_empty())),
        None => (line.to_vec(), None),
    };
    Ok(Some(Line { interpreter, argument }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_optional_argument() {
        let line = |i: &str, a: Option<&str>| {
            Ok(Some(Line { interpreter: i.into(), argument: a.map(|a| a.as_bytes().to_vec()) }))
        };
        assert_eq!(parse(b"#!/bin/sh\nx"), line("/bin/sh", None));
        assert_eq!(parse(b"#! \t/usr/bin/env  python3 -u \nx"), line("/usr/bin/env", Some("python3 -u")));
        assert_eq!(parse(b"#!/bin/sh"), line("/bin/sh", None));
        assert_eq!(parse(b"#!  \n"), Err(Errno::ENOEXEC));
        assert_eq!(parse(b"#!"), Err(Errno::EACCES));
        assert_eq!(parse(b"#! \0\n"), Err(Errno::EACCES));
        assert_eq!(parse(b"\x7fELF"), Ok(None));
        let long = [b"#!".as_slice(), &[b'a'; 254]].concat();
        assert_eq!(parse(&long), Err(Errno::ENOEXEC));
        let long = [b"#!/i ".as_slice(), &[b'a'; 251]].concat();
        assert_eq!(parse(&long), line("/i", Some(&"a".repeat(250))));
    }
}
