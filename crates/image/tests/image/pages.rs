//! Page data as a whole: checked, compressed, unpacked.

use super::*;
use std::sync::atomic::{AtomicU64, Ordering};

/// Three chunks: one that compresses, one that does not, one that is not whole.
fn data() -> Vec<u8> {
    let mut data = vec![5; 1 << 20];
    let mut seed = 88_172_645_463_325_252u64;
    data.extend((0..1 << 17).flat_map(|_| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed.to_le_bytes()
    }));
    data.extend(page(1));
    data
}

fn compressed() -> File {
    let mut options = options(Some(key()));
    options.header.compression = Compression::Zstd;
    write(options, &data())
}

#[test]
fn progress_is_of_all_bytes() {
    let image = Image::open(write(options(None), &data()), None).unwrap();
    let sum = AtomicU64::new(0);
    image
        .check_pages(|bytes| {
            sum.fetch_add(bytes, Ordering::Relaxed);
        })
        .unwrap();
    assert_eq!(sum.into_inner(), image.data());
}

#[test]
fn compressed_pages_come_back() {
    let image = check(compressed(), Some(&key())).unwrap();
    assert!(image.size() < (1 << 20) + (1 << 16), "{}", image.size());
    assert_eq!((image.data(), image.file_offset(0)), (data().len() as u64, None));
    let memory = tempfile::tempfile().unwrap();
    image.unpack(&memory, |_| {}).unwrap();
    assert_eq!(bytes(&memory), data());
}

#[test]
fn what_is_not_compressed_can_be_unpacked_too() {
    let image = Image::open(write(options(None), &data()), None).unwrap();
    let memory = tempfile::tempfile().unwrap();
    image.unpack(&memory, |_| {}).unwrap();
    assert_eq!(bytes(&memory), data());
}

#[test]
fn damage_is_found_before_anything_is_unpacked() {
    let file = compressed();
    let image = Image::open(file.try_clone().unwrap(), Some(&key())).unwrap();
    file.write_all_at(&[1], 4100).unwrap();
    let error = image.unpack(&tempfile::tempfile().unwrap(), |_| {}).unwrap_err();
    assert!(matches!(error, Error::Chunk { chunk: 0, offset: 4096, .. }), "{error}");
}
