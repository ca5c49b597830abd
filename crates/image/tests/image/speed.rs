//! How fast images are written and checked; to be run optimized, with nothing else on the machine, and read by people:
//! `cargo test --release -p stockade-image --test image speed -- --ignored --nocapture`

use super::*;
use std::io::Write as _;
use std::time::Instant;

const SIZE: usize = 256 << 20;
const ROUNDS: usize = 24;

/// GB/s of something done with all bytes.
fn rate(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    SIZE as f64 / 1e9 / start.elapsed().as_secs_f64()
}

/// Rates of several rounds: the best, which others on the machine have disturbed least, and the one in the middle.
#[derive(Default)]
struct Rates(Vec<f64>);

impl Rates {
    fn best(&self) -> f64 {
        self.0.iter().copied().fold(0.0, f64::max)
    }

    fn say(&mut self, what: &str) {
        self.0.sort_by(f64::total_cmp);
        println!("{what:20} best {:5.2} GB/s, median {:5.2}", self.best(), self.0[self.0.len() / 2]);
    }
}

/// Writing reaches at least 0.7 of what write(2) reaches. `SPEED_DIR` says where.
#[test]
#[ignore = "needs the machine alone"]
fn of_writing_and_checking() {
    let directory = std::env::var_os("SPEED_DIR").map_or_else(std::env::temp_dir, Into::into);
    let new = || tempfile::tempfile_in(&directory).unwrap();
    let pages: Vec<u8> = (0..256).flat_map(page).collect();
    let [mut plain, mut written, mut checked, mut read] = [(); 4].map(|()| Rates::default());
    for _ in 0..ROUNDS {
        let mut file = new();
        plain.0.push(rate(|| {
            for _ in 0..SIZE >> 20 {
                file.write_all(&pages).unwrap();
            }
        }));
        drop(file);
        let mut file = None;
        written.0.push(rate(|| {
            let mut options = Options::new(Compression::None);
            if let Some(chunk) = std::env::var_os("SPEED_CHUNK") {
                options.header.chunk_size = chunk.to_str().unwrap().parse().unwrap();
            }
            let mut writer = Writer::new(new(), options).unwrap();
            for n in 0..(SIZE >> 20) as u64 {
                writer.pages(1, n << 20, &pages).unwrap();
            }
            file = Some(writer.finish(STATE, &summary()).unwrap().file);
        }));
        let image = Image::open(file.unwrap(), None).unwrap();
        checked.0.push(rate(|| image.check_pages(|_| {}).unwrap()));
        let mut buffer = vec![0; 256 << 10];
        read.0.push(rate(|| {
            for offset in (0..SIZE as u64).step_by(buffer.len()) {
                image.file().read_exact_at(&mut buffer, offset).unwrap();
            }
        }));
    }
    plain.say("write(2)");
    written.say("writing an image");
    read.say("pread(2)");
    checked.say("checking an image");
    let sha = rate(|| {
        (0..SIZE >> 20).for_each(|_| assert_ne!(<sha2::Sha256 as sha2::Digest>::digest(&pages)[..], [0; 32]))
    });
    let blake = rate(|| (0..SIZE >> 20).for_each(|_| assert_ne!(blake3::hash(&pages).as_bytes(), &[0; 32])));
    println!("on one processor: SHA-256 {sha:.2} GB/s, BLAKE3 {blake:.2}");
    assert!(written.best() >= 0.7 * plain.best());
}
