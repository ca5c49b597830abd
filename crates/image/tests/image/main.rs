//! Images as their users see them: written, read, damaged.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod corpus;
mod damage;
mod destination;
mod forged;
mod keys;
mod pages;
mod speed;
mod written;

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use stockade_image::{Compression, Error, Header, Image, Key, Options, Process, Summary, Writer};

const PAGE: usize = 4096;

/// A page like no other with another number.
fn page(n: u64) -> Vec<u8> {
    (0..PAGE as u64 / 8).flat_map(|word| (n * 1000 + word).to_le_bytes()).collect()
}

fn key() -> Key {
    Key::new(*b"0123456789abcdef0123456789abcdef").unwrap()
}

/// Of no host in particular, so that its bytes are the same everywhere.
fn options(key: Option<Key>) -> Options {
    let header = Header {
        arch: "x86_64".to_owned(),
        page_size: PAGE as u32,
        chunk_size: 1 << 20,
        compression: Compression::None,
        cpu_features: vec!["fpu".to_owned(), "sse2".to_owned()],
    };
    let metadata = BTreeMap::from([("purpose".to_owned(), "test".to_owned())]);
    Options { header, version: "0.1.0".to_owned(), metadata, key }
}

fn summary() -> Summary {
    Summary {
        container_id: "box".to_owned(),
        created: "2026-01-02T03:04:05Z".to_owned(),
        saved: "2026-01-02T03:04:06Z".to_owned(),
        processes: vec![Process { pid: 1, ppid: 0, name: "sh".to_owned(), threads: 1 }],
        memory: BTreeMap::from([("anonymous".to_owned(), 2 * PAGE as u64)]),
        ..Summary::default()
    }
}

const STATE: &[u8] = b"the state of a kernel";

/// A small image with two pages.
fn small(key: Option<Key>) -> File {
    write(options(key), &[page(1), page(2)].concat())
}

/// An image whose one object has these pages, at address 0x10000.
fn write(options: Options, pages: &[u8]) -> File {
    let mut writer = Writer::new(tempfile::tempfile().unwrap(), options).unwrap();
    writer.pages(7, 0x10000, pages).unwrap();
    writer.finish(STATE, &summary()).unwrap().file
}

fn bytes(file: &File) -> Vec<u8> {
    let mut bytes = vec![0; file.metadata().unwrap().len() as usize];
    file.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

fn file(bytes: &[u8]) -> File {
    let file = tempfile::tempfile().unwrap();
    file.write_all_at(bytes, 0).unwrap();
    file
}

/// Opens an image and checks all of it.
fn check(file: File, key: Option<&Key>) -> Result<Image, Error> {
    let image = Image::open(file, key)?;
    image.check_pages(|_| {})?;
    Ok(image)
}
