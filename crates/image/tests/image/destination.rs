//! Files that appear when they are whole.

use std::fs::{self, File};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use stockade_image::NewFile;

fn names(directory: &Path) -> Vec<String> {
    let names = fs::read_dir(directory).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

#[test]
fn appears_when_it_is_whole() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("image");
    fs::write(&path, "old").unwrap();
    let mut old = File::open(&path).unwrap();
    let new = NewFile::create(&path).unwrap();
    new.file().write_all(b"new").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"old");
    let file = new.commit().unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"new");
    assert_eq!(path.metadata().unwrap().mode() & 0o7777, 0o400);
    assert_eq!(file.metadata().unwrap().ino(), path.metadata().unwrap().ino());
    assert_eq!(names(directory.path()), ["image"]);
    let mut text = String::new();
    old.read_to_string(&mut text).unwrap();
    assert_eq!(text, "old");
}

#[test]
fn leaves_nothing_when_it_is_dropped() {
    let directory = tempfile::tempdir().unwrap();
    let new = NewFile::create(&directory.path().join("image")).unwrap();
    new.file().write_all(b"new").unwrap();
    drop(new);
    assert_eq!(names(directory.path()), [""; 0]);
}

#[test]
fn a_directory_or_no_name_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let kind = |path: &Path| NewFile::create(path).unwrap_err().kind();
    assert_eq!(kind(directory.path()), ErrorKind::IsADirectory);
    assert_eq!(kind(&directory.path().join("a/")), ErrorKind::IsADirectory);
    assert_eq!(kind(&directory.path().join("..")), ErrorKind::IsADirectory);
    assert_eq!(kind(&directory.path().join("missing/a")), ErrorKind::NotFound);
    // A directory that comes in between.
    let path = directory.path().join("late");
    let new = NewFile::create(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert_eq!(new.commit().unwrap_err().kind(), ErrorKind::IsADirectory);
    assert_eq!(names(directory.path()), ["late"]);
}
