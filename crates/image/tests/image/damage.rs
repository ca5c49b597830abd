//! Nothing that was changed goes unseen.

use super::*;

/// Each bit of an image, with and without a key.
#[test]
fn every_flipped_bit_is_found() {
    for key in [None, Some(key())] {
        let image = bytes(&small(key.clone()));
        let threads = 2;
        std::thread::scope(|scope| {
            for thread in 0..threads {
                let (image, key) = (&image, key.as_ref());
                scope.spawn(move || {
                    let file = file(image);
                    for at in (thread..image.len()).step_by(threads) {
                        for bit in 0..8 {
                            file.write_all_at(&[image[at] ^ (1 << bit)], at as u64).unwrap();
                            let result = check(file.try_clone().unwrap(), key);
                            assert!(result.is_err(), "bit {bit} of byte {at} of {}", image.len());
                        }
                        file.write_all_at(&image[at..=at], at as u64).unwrap();
                    }
                    check(file, key).unwrap();
                });
            }
        });
    }
}

/// Each length that is not the whole: always an error that says what it is.
#[test]
fn every_truncation_is_found() {
    let image = bytes(&small(None));
    let file = file(&image);
    for length in (0..image.len()).rev() {
        file.set_len(length as u64).unwrap();
        match Image::open(file.try_clone().unwrap(), None) {
            Err(Error::Incomplete) if length >= 8 => {}
            Err(Error::NotAnImage) if length < 8 => {}
            other => panic!("{length}: {other:?}"),
        }
    }
}

#[test]
fn whatever_follows_is_found() {
    let mut image = bytes(&small(None));
    image.push(0);
    assert!(matches!(Image::open(file(&image), None), Err(Error::Incomplete)));
    let twice = bytes(&small(None)).repeat(2);
    assert!(matches!(Image::open(file(&twice), None), Err(Error::Damaged(_))));
}

/// Damage is refused before pages are looked at, and damage of pages named.
#[test]
fn a_damaged_chunk_is_named() {
    let image = write(options(None), &(0..600).flat_map(page).collect::<Vec<_>>());
    let opened = Image::open(image.try_clone().unwrap(), None).unwrap();
    let at = opened.file_offset(300 * PAGE as u64).unwrap();
    image.write_all_at(&[99], at).unwrap();
    let error = Image::open(image.try_clone().unwrap(), None).unwrap().check_pages(|_| {}).unwrap_err();
    let start = opened.file_offset(1 << 20).unwrap();
    assert!(
        matches!(error, Error::Chunk { chunk: 1, offset, end } if offset == start && end == start + (1 << 20))
    );
    assert!(error.to_string().starts_with("is damaged: chunk 1 of its pages (bytes "), "{error}");
    let chunks = opened.chunks().unwrap();
    let mut buffer = Vec::new();
    let checked: Vec<bool> = (0..chunks.count()).map(|n| chunks.check(n, &mut buffer).is_ok()).collect();
    assert_eq!(checked, [true, false, true]);
    assert!(chunks.check(3, &mut buffer).is_err());
}

/// An image in use must not be changed; if it is cut off all the same, that is noticed.
#[test]
fn pages_that_are_cut_off_later_are_missed() {
    let image = small(None);
    let opened = Image::open(image.try_clone().unwrap(), None).unwrap();
    let chunks = opened.chunks().unwrap();
    image.set_len(PAGE as u64).unwrap();
    assert!(matches!(chunks.check(0, &mut Vec::new()), Err(Error::Incomplete)));
}

#[test]
fn other_versions_are_refused_in_words() {
    let mut image = bytes(&small(None));
    image[8..12].copy_from_slice(&2u32.to_le_bytes());
    image[32..64].fill(0);
    image[32..37].copy_from_slice(b"9.8.7");
    for length in [image.len(), 64] {
        let error = Image::open(file(&image[..length]), None).unwrap_err().to_string();
        let want = "has format 2, and this version of Stockade reads up to 1; Stockade 9.8.7 wrote it";
        assert_eq!(error, want);
    }
}

#[test]
fn other_files_are_no_images() {
    for other in [&b""[..], b"#!/bin/sh\n", &[0; 1 << 16]] {
        assert!(matches!(Image::open(file(other), None), Err(Error::NotAnImage)));
    }
}
