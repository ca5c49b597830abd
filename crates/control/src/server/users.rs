//! Users and groups, as the sandbox's own `/etc/passwd` and `/etc/group` have them (passwd(5), group(5)).

use stockade_abi::Errno;
use stockade_abi::general as c;
use stockade_sentry::creds::Credentials;
use stockade_sentry::io::BufSink;
use stockade_sentry::vfs::{LookupFlags, ops};

use super::{Error, Sandbox};

/// Bytes of a file that are looked at.
const MOST: usize = 1 << 20;

/// Groups that a user can have (NGROUPS_MAX).
const MOST_GROUPS: usize = 65536;

/// Who somebody is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct User {
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) groups: Vec<u32>,
    pub(super) home: String,
}

/// The home directory of a user; `/` for one without.
pub(super) fn home(sandbox: &Sandbox, uid: u32) -> String {
    let text = read(sandbox, b"/etc/passwd");
    let entry = entries(&text).find(|e| e.number == uid);
    home_of(entry.as_ref())
}

/// The user that `NAME[:GROUP]` means, where both may be numbers.
///
/// # Errors
/// ENOENT for a name that is in neither file.
pub(super) fn find(sandbox: &Sandbox, text: &str) -> Result<User, Error> {
    find_in(text, &read(sandbox, b"/etc/passwd"), &read(sandbox, b"/etc/group"))
}

fn find_in(text: &str, passwd: &[u8], group: &[u8]) -> Result<User, Error> {
    let (name, group_name) = match text.split_once(':') {
        Some((name, group)) => (name, Some(group)),
        None => (text, None),
    };
    let number: Option<u32> = name.parse().ok();
    let is_meant = |e: &Entry<'_>| number.map_or(e.name == name.as_bytes(), |n| e.number == n);
    let entry = entries(passwd).find(is_meant);
    let uid = entry.as_ref().map(|e| e.number).or(number).ok_or_else(|| unknown("user", name, "passwd"))?;
    let home = home_of(entry.as_ref());
    if let Some(group_name) = group_name {
        let listed = entries(group).find(|e| e.name == group_name.as_bytes()).map(|e| e.number);
        let gid = group_name.parse().ok().or(listed).ok_or_else(|| unknown("group", group_name, "group"))?;
        return Ok(User { uid, gid, groups: Vec::new(), home });
    }
    let gid = entry.as_ref().and_then(|e| number_in(e.field(3))).unwrap_or(0);
    let groups = entry.map(|user| {
        let is_member = |e: &Entry<'_>| e.field(3).split(|&b| b == b',').any(|member| member == user.name);
        entries(group).filter(is_member).map(|e| e.number).take(MOST_GROUPS).collect()
    });
    Ok(User { uid, gid, groups: groups.unwrap_or_default(), home })
}

fn unknown(what: &str, name: &str, file: &str) -> Error {
    let message = format!("{what} {name:?}: not in /etc/{file} inside the sandbox");
    Error { errno: Some(Errno::ENOENT), ..Error::new(message) }
}

fn home_of(entry: Option<&Entry<'_>>) -> String {
    let home = entry.map(|e| String::from_utf8_lossy(e.field(5)).into_owned());
    home.filter(|home| !home.is_empty()).unwrap_or_else(|| "/".to_owned())
}

/// A line of either file: a name, a password, a number, and more.
struct Entry<'a> {
    name: &'a [u8],
    number: u32,
    line: &'a [u8],
}

impl<'a> Entry<'a> {
    /// Empty if there is none.
    fn field(&self, index: usize) -> &'a [u8] {
        self.line.split(|&b| b == b':').nth(index).unwrap_or_default()
    }
}

fn entries(text: &[u8]) -> impl Iterator<Item = Entry<'_>> {
    text.split(|&b| b == b'\n').filter_map(|line| {
        let mut fields = line.split(|&b| b == b':');
        let (name, number) = (fields.next()?, number_in(fields.nth(1)?)?);
        (!name.is_empty() && !name.starts_with(b"#")).then_some(Entry { name, number, line })
    })
}

fn number_in(field: &[u8]) -> Option<u32> {
    std::str::from_utf8(field).ok()?.parse().ok()
}

/// The beginning of a file; nothing if there is none.
fn read(sandbox: &Sandbox, path: &[u8]) -> Vec<u8> {
    let creds = Credentials::root();
    let root = sandbox.mounts().root();
    let request = ops::Request { root: root.clone(), start: root, creds: &creds, umask: 0 };
    // A FIFO has no contents, and is not waited for.
    let flags = c::O_RDONLY | c::O_NONBLOCK;
    let Ok(file) = request.open(path, flags, 0, LookupFlags::empty()) else { return Vec::new() };
    let mut text = Vec::new();
    let mut part = vec![0; 64 << 10];
    while text.len() < MOST {
        match file.read_at(&mut BufSink::new(&mut part), text.len() as i64) {
            Ok(n) if n > 0 => text.extend_from_slice(&part[..n]),
            _ => break,
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &[u8] =
        b"root:x:0:0:root:/root:/bin/bash\n#old:x:5:5::/:\nbroken\n\nw:x:33:34:web:/srv:/bin/sh\nno:x:7";
    const GROUP: &[u8] = b"root:x:0:\nlog:x:4:a,w\nw:x:34:\nweb:x:50:w\nx";

    #[test]
    fn names_and_numbers_are_found() {
        let user = |uid, gid, groups: &[u32], home: &str| User {
            uid,
            gid,
            groups: groups.to_vec(),
            home: home.into(),
        };
        let find = |text| find_in(text, PASSWD, GROUP).unwrap();
        assert_eq!(find("w"), user(33, 34, &[4, 50], "/srv"));
        assert_eq!(find("33"), user(33, 34, &[4, 50], "/srv"));
        assert_eq!(find("w:log"), user(33, 4, &[], "/srv"));
        assert_eq!(find("w:77"), user(33, 77, &[], "/srv"));
        assert_eq!(find("1000"), user(1000, 0, &[], "/"));
        assert_eq!(find("no"), user(7, 0, &[], "/"));
    }

    #[test]
    fn unknown_names_are_said() {
        for text in ["x", "", "-1", "4294967296", "w:y", "#old", ":"] {
            let e = find_in(text, PASSWD, GROUP).unwrap_err();
            assert_eq!(e.errno, Some(Errno::ENOENT), "{text}");
        }
        assert_eq!(
            find_in("x", b"", b"").unwrap_err().message,
            "user \"x\": not in /etc/passwd inside the sandbox"
        );
    }
}
