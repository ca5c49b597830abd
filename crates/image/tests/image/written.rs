//! What was written is what is read.

use super::*;
use std::io::Read as _;
use std::os::fd::OwnedFd;
use stockade_image::{Authenticity, Run};

#[test]
fn everything_comes_back() {
    for key in [None, Some(key())] {
        let mut image = check(small(key.clone()), key.as_ref()).unwrap();
        assert_eq!(image.header(), &options(None).header);
        assert_eq!(image.metadata(), &options(None).metadata);
        assert_eq!(image.summary(), &summary());
        assert_eq!((image.state(), image.format(), image.version()), (STATE, 1, "0.1.0"));
        assert_eq!(image.take_state(), STATE);
        assert_eq!(image.runs(), [Run { object: 7, address: 0x10000, length: 2 * PAGE as u64, data: 0 }]);
        let want = if key.is_some() { Authenticity::Authenticated } else { Authenticity::Unknown };
        assert_eq!((image.authenticity(), image.has_key()), (want, key.is_some()));
        let at = image.file_offset(PAGE as u64).unwrap();
        assert_eq!(at % PAGE as u64, 0);
        let mut second = vec![0; PAGE];
        image.file().read_exact_at(&mut second, at).unwrap();
        assert_eq!(second, page(2));
    }
}

#[test]
fn an_image_may_have_no_pages() {
    let writer = Writer::new(tempfile::tempfile().unwrap(), options(None)).unwrap();
    let written = writer.finish(&[], &Summary::default()).unwrap();
    let image = check(written.file, None).unwrap();
    assert_eq!((image.runs().len(), image.data(), image.state().len()), (0, 0, 0));
    assert_eq!((image.size(), *image.checksum()), (written.size, written.checksum));
}

/// Several chunks, the last of them not whole; runs in any order, some of them of the same pages.
#[test]
fn runs_are_found_by_object_and_address() {
    let mut writer = Writer::new(tempfile::tempfile().unwrap(), options(None)).unwrap();
    let at = |n: u64| n * PAGE as u64;
    for n in (0..600).rev() {
        let space = writer.space().unwrap();
        assert!(space.len() >= PAGE);
        space[..PAGE].copy_from_slice(&page(n));
        writer.fill(n % 2, at(n), PAGE).unwrap();
    }
    let shared = Run { object: 9, address: 0, length: at(2), data: at(598) };
    writer.run(shared).unwrap();
    assert_eq!(writer.position(), at(600));
    let written = writer.finish(STATE, &summary()).unwrap();
    assert_eq!((written.data, written.runs), (at(600), 601));
    let image = check(written.file, None).unwrap();
    assert_eq!(image.chunks().unwrap().count(), 3);
    assert_eq!(image.runs_of(9), [shared]);
    assert_eq!(image.runs_of(5), []);
    assert_eq!(image.runs_of(0).len(), 300);
    for run in image.runs_of(1) {
        let mut bytes = vec![0; run.length as usize];
        image.file().read_exact_at(&mut bytes, image.file_offset(run.data).unwrap()).unwrap();
        assert_eq!(bytes, page(run.address / PAGE as u64));
    }
}

#[test]
fn a_pipe_will_do() {
    let (read, write) = rustix::pipe::pipe().unwrap();
    rustix::io::ioctl_fionbio(&write, true).unwrap();
    let reader = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        File::from(read).read_to_end(&mut bytes).unwrap();
        bytes
    });
    let pages: Vec<u8> = (0..300).flat_map(page).collect();
    let mut writer = Writer::new(File::from(write), options(Some(key()))).unwrap();
    writer.pages(7, 0x10000, &pages).unwrap();
    drop(writer.finish(STATE, &summary()).unwrap());
    let image = check(file(&reader.join().unwrap()), Some(&key())).unwrap();
    assert_eq!(image.data(), pages.len() as u64);
}

#[test]
fn what_is_no_file_is_refused() {
    let (read, _write) = rustix::pipe::pipe().unwrap();
    let directory: OwnedFd = File::open("/").unwrap().into();
    for fd in [read, directory] {
        assert!(matches!(Image::open(fd, None), Err(Error::NotAFile)));
    }
}

/// The reader of the pipe went away, the disk is full: an error, soon, and no thread stays.
#[test]
fn a_destination_that_fails_is_an_error() {
    let (read, write) = rustix::pipe::pipe().unwrap();
    let mut writer = Writer::new(File::from(write), options(None)).unwrap();
    drop(read);
    let pages = vec![1; 16 << 20];
    let failed = writer.pages(7, 0, &pages).and_then(|()| writer.finish(STATE, &summary()).map(drop));
    assert_eq!(broken(failed), std::io::ErrorKind::BrokenPipe);

    let full = File::options().write(true).open("/dev/full").unwrap();
    assert_eq!(broken(Writer::new(full, options(None)).map(drop)), std::io::ErrorKind::StorageFull);
}

fn broken(result: Result<(), Error>) -> std::io::ErrorKind {
    match result {
        Err(Error::Io(e)) => e.kind(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_writer_that_is_dropped_ends() {
    let mut writer = Writer::new(tempfile::tempfile().unwrap(), options(None)).unwrap();
    writer.pages(7, 0, &vec![1; 5 << 20]).unwrap();
    drop(writer);
}

#[test]
fn what_does_not_fit_the_format_is_not_written() {
    let new = |options| Writer::new(tempfile::tempfile().unwrap(), options);
    let invalid = |result: Result<(), Error>| assert!(matches!(result, Err(Error::Invalid(_))), "{result:?}");
    let mut long = options(None);
    long.metadata.insert("a".to_owned(), "b".repeat(1 << 20));
    invalid(new(long).map(drop));
    let mut writer = new(options(None)).unwrap();
    writer.space().unwrap();
    invalid(writer.fill(1, 0, 100));
    invalid(writer.fill(1, 0, 2 << 20));
    writer.fill(1, 0, PAGE).unwrap();
    writer.fill(1, 0, PAGE).unwrap();
    invalid(writer.finish(STATE, &summary()).map(drop));
    for run in [(1, 0, PAGE), (0, 1, PAGE), (0, 0, 0), (0, 0, 2 * PAGE)] {
        let mut writer = new(options(None)).unwrap();
        writer.pages(1, 0, &page(1)).unwrap();
        writer.run(Run { object: 2, address: run.0, length: run.2 as u64, data: run.1 }).unwrap();
        invalid(writer.finish(STATE, &summary()).map(drop));
    }
}
