//! Home directories, as the sandbox's own `/etc/passwd` has them (passwd(5)).

use stockade_abi::general as c;
use stockade_sentry::creds::Credentials;
use stockade_sentry::io::BufSink;
use stockade_sentry::vfs::{LookupFlags, ops};

use super::Sandbox;

/// Bytes of the file that are looked at.
const MOST: usize = 1 << 20;

/// The home directory of a user; `/` for one without.
pub(super) fn of(sandbox: &Sandbox, uid: u32) -> String {
    let text = passwd(sandbox).unwrap_or_default();
    let home = text.split(|&b| b == b'\n').find_map(|line| home_in(line, uid));
    home.filter(|home| !home.is_empty()).unwrap_or_else(|| "/".to_owned())
}

/// Name, password, UID, GID, comment, home directory, shell.
fn home_in(line: &[u8], uid: u32) -> Option<String> {
    let fields: Vec<&[u8]> = line.split(|&b| b == b':').collect();
    let number: u32 = std::str::from_utf8(fields.get(2)?).ok()?.parse().ok()?;
    (number == uid).then(|| String::from_utf8_lossy(fields.get(5).copied().unwrap_or_default()).into_owned())
}

fn passwd(sandbox: &Sandbox) -> Option<Vec<u8>> {
    let creds = Credentials::root();
    let root = sandbox.mounts().root();
    let request = ops::Request { root: root.clone(), start: root, creds: &creds, umask: 0 };
    // A FIFO has no contents, and is not waited for.
    let flags = c::O_RDONLY | c::O_NONBLOCK;
    let file = request.open(b"/etc/passwd", flags, 0, LookupFlags::empty()).ok()?;
    let mut text = vec![0; MOST];
    let mut done = 0;
    while done < MOST {
        match file.read_at(&mut BufSink::new(&mut text[done..]), done as i64) {
            Ok(n) if n > 0 => done += n,
            _ => break,
        }
    }
    text.truncate(done);
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found() {
        assert_eq!(home_in(b"root:x:0:0:root:/root:/bin/bash", 0).as_deref(), Some("/root"));
        assert_eq!(home_in(b"root:x:0:0:root:/root:/bin/bash", 1), None);
        assert_eq!(home_in(b"x:x:7", 7).as_deref(), Some(""));
        assert_eq!(home_in(b"", 0), None);
        assert_eq!(home_in(b"a:b:c:d", 0), None);
    }
}
