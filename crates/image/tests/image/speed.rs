//! How fast images are written and checked; to be run alone, optimized, and read by people:
//! `cargo test --release -p stockade-image --test image speed -- --ignored --nocapture`

use super::*;
use std::io::Write as _;
use std::time::{Duration, Instant};

const SIZE: usize = 1 << 30;

fn rate(took: Duration) -> f64 {
    SIZE as f64 / 1e9 / took.as_secs_f64()
}

/// At least 0.7 of what write(2) reaches; checking at memory's speed.
#[test]
#[ignore = "writes a gigabyte several times, and needs the machine alone"]
fn of_a_gigabyte() {
    let directory = std::env::var_os("SPEED_DIR").unwrap_or_else(|| std::env::temp_dir().into());
    let new = || tempfile::tempfile_in(&directory).unwrap();
    let pages: Vec<u8> = (0..256).flat_map(page).collect();
    let mut ratios = Vec::new();
    for _ in 0..5 {
        let start = Instant::now();
        let mut plain = new();
        for _ in 0..SIZE >> 20 {
            plain.write_all(&pages).unwrap();
        }
        let plain_rate = rate(start.elapsed());
        drop(plain);
        let start = Instant::now();
        let mut writer = Writer::new(new(), Options::new(Compression::None)).unwrap();
        for n in 0..(SIZE >> 20) as u64 {
            writer.pages(1, n << 20, &pages).unwrap();
        }
        let file = writer.finish(STATE, &summary()).unwrap().file;
        let image_rate = rate(start.elapsed());
        let image = Image::open(file, None).unwrap();
        let start = Instant::now();
        image.check_pages(|_| {}).unwrap();
        let check_rate = rate(start.elapsed());
        let mut buffer = vec![0; 256 << 10];
        let start = Instant::now();
        for offset in (0..SIZE as u64).step_by(buffer.len()) {
            image.file().read_exact_at(&mut buffer, offset).unwrap();
        }
        let read_rate = rate(start.elapsed());
        println!(
            "GB/s: write(2) {plain_rate:.2}, image {image_rate:.2}, check {check_rate:.2}, pread(2) {read_rate:.2}"
        );
        ratios.push(image_rate / plain_rate);
    }
    ratios.sort_by(f64::total_cmp);
    println!("image / write(2): {ratios:.2?}");
    let sha = Instant::now();
    let mut hash = sha2::Sha256::default();
    for _ in 0..SIZE >> 20 {
        sha2::Digest::update(&mut hash, &pages);
    }
    let sha = rate(sha.elapsed());
    let start = Instant::now();
    for _ in 0..SIZE >> 20 {
        blake3::hash(&pages);
    }
    println!("GB/s on one processor: SHA-256 {sha:.2}, BLAKE3 {:.2}", rate(start.elapsed()));
    assert!(ratios[ratios.len() / 2] >= 0.7);
}
