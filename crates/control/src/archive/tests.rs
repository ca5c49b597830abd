//! Streams of all kinds, and what is wrong with some.

use std::io::{self, Cursor};

use tar::{EntryType, Header};

use super::write::Writer;
use super::*;

fn meta() -> Meta {
    Meta { mode: 0o640, uid: 7, gid: 8, mtime: 1_700_000_000, mtime_nsec: 5 }
}

/// Writes entries, with data.
fn stream(entries: &[(&[u8], Kind, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes);
    for (path, kind, data) in entries {
        writer.begin(path, &meta(), kind).unwrap();
        writer.data(data).unwrap();
        writer.end().unwrap();
    }
    writer.finish().unwrap();
    bytes
}

type Read4 = (Vec<u8>, Meta, Kind, Vec<u8>);

fn entries(stream: &[u8]) -> io::Result<Vec<Read4>> {
    let mut all = Vec::new();
    read(Cursor::new(stream), |entry| {
        let mut data = Vec::new();
        entry.data.read_to_end(&mut data)?;
        all.push((entry.path, entry.meta, entry.kind, data));
        Ok(())
    })?;
    Ok(all)
}

#[test]
fn entries_come_back() {
    let long = [&b"d/"[..], &[b'n'; 200], b"/\xff\xfe"].concat();
    let file = |size, pieces| Kind::File { size, pieces };
    let all: Vec<(&[u8], Kind, &[u8])> = vec![
        (b"d/", Kind::Directory, b""),
        (&long, file(3, None), b"abc"),
        (b"sparse", file(1 << 40, Some(vec![(4096, 2), (1 << 30, 3)])), b"12345"),
        (b"hole", file(1 << 41, Some(vec![])), b""),
        (b"link", Kind::Symlink(long.clone()), b""),
        (b"hard", Kind::HardLink(b"sparse".to_vec()), b""),
        (b"fifo", Kind::Fifo, b""),
    ];
    let back = entries(&stream(&all)).unwrap();
    assert_eq!(back.len(), all.len());
    for ((path, kind, data), read) in all.into_iter().zip(back) {
        assert_eq!(read, (path.to_vec(), meta(), kind, data.to_vec()));
    }
}

#[test]
fn times_before_1970_come_back() {
    for (mtime, mtime_nsec) in [(-1, 0), (-2, 250_000_000), (-1, 999_999_999), (0, 0), (0, 1)] {
        let meta = Meta { mtime, mtime_nsec, ..meta() };
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes);
        writer.begin(b"f", &meta, &Kind::Fifo).unwrap();
        writer.finish().unwrap();
        assert_eq!(entries(&bytes).unwrap()[0].1, meta);
    }
}

/// A header as another program could write it.
fn raw(entry_type: EntryType, name: &str, size: u64) -> Vec<u8> {
    let mut header = Header::new_ustar();
    header.set_entry_type(entry_type);
    header.as_ustar_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(size);
    header.set_cksum();
    header.as_bytes().to_vec()
}

fn padded(data: &[u8]) -> Vec<u8> {
    let mut bytes = data.to_vec();
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

#[test]
fn hostile_headers_are_refused() {
    let records =
        |text: &str| [raw(EntryType::XHeader, "x", text.len() as u64), padded(text.as_bytes())].concat();
    let file = raw(EntryType::Regular, "f", 0);
    let sparse = "22 GNU.sparse.major=1\n27 GNU.sparse.realsize=100\n";
    let with_map = |map: &str| {
        let map = padded(map.as_bytes());
        [records(sparse), raw(EntryType::Regular, "f", map.len() as u64), map].concat()
    };
    let endless_name = raw(EntryType::GNULongName, "n", 1 << 40);
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("too long", [endless_name, vec![b'a'; 1 << 20]].concat()),
        ("too long", [raw(EntryType::XHeader, "x", 1 << 40), vec![b'1'; 4 << 20]].concat()),
        ("owner", [records("21 uid=4294967295000\n"), file.clone()].concat()),
        ("owner", [records("18 uid=4294967295\n"), file.clone()].concat()),
        ("number", [records("10 uid=-1\n"), file.clone()].concat()),
        ("time", [records("13 mtime=1.x\n"), file.clone()].concat()),
        ("leads nowhere", raw(EntryType::Symlink, "l", 0)),
        ("old format", raw(EntryType::GNUSparse, "s", 0)),
        ("too many holes", with_map("99999999\n")),
        ("map of holes", with_map("x\n")),
        ("map of holes", with_map("99999999999999999999999\n")),
        ("cannot be", with_map("1\n99\n2\n")),
        ("cannot be", with_map("2\n10\n5\n12\n1\n")),
        ("cannot be", with_map("1\n18446744073709551615\n2\n")),
    ];
    for (says, bytes) in cases {
        let e = entries(&bytes).unwrap_err();
        assert!(e.to_string().contains(says), "{says}: {e}");
    }
    // What is cut off is no archive.
    let whole = stream(&[(b"file", Kind::File { size: 600, pieces: None }, &[b'x'; 600])]);
    for len in [100, 511, 600, 1100, 1600] {
        assert!(entries(&whole[..len]).map_or(true, |all| all.iter().all(|e| e.3.len() <= 600)), "{len}");
    }
    any(b"");
    for at in 0..whole.len().min(2048) {
        let mut broken = whole.clone();
        broken[at] ^= 0x55;
        any(&broken);
    }
}
