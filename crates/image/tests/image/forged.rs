//! Images whose checksum fits and whose numbers lie.

use super::*;
use stockade_image::fuzz::sealed;

/// Offsets of fields in the trailer, as the specification has them.
const STORED: usize = 16;
const DATA: usize = 24;
const STATE_LENGTH: usize = 32;
const SUMMARY: usize = 40;
const RUNS: usize = 48;
const CHUNKS: usize = 56;

const TRAILER: usize = 160;

fn put(image: &mut [u8], at: usize, value: u64) {
    image[at..at + 8].copy_from_slice(&value.to_le_bytes());
}

/// Error of the image, sealed if it can be.
fn error(image: &[u8]) -> String {
    let image = sealed(image).unwrap_or_else(|| image.to_vec());
    check(file(&image), None).map(drop).unwrap_err().to_string()
}

#[test]
fn lengths_that_lie_are_found() {
    let image = bytes(&small(None));
    let trailer = image.len() - TRAILER;
    for field in [STORED, DATA, STATE_LENGTH, SUMMARY, RUNS, CHUNKS] {
        let at = trailer + field;
        let true_value = u64::from_le_bytes(image[at..at + 8].try_into().unwrap());
        for value in
            [0, 1, 4096, true_value + 8, true_value + 4096, 1 << 31, 1 << 40, 1 << 63, u64::MAX - 7, u64::MAX]
        {
            if value != true_value {
                let mut forged = image.clone();
                put(&mut forged, at, value);
                assert!(error(&forged).starts_with("is damaged: "), "{field} {value}");
            }
        }
    }
    for (field, value) in
        [(12, 0), (12, 1), (12, u32::MAX), (16, 0), (16, u32::MAX), (20, 1), (20, 7), (24, 0), (24, 64)]
    {
        let mut forged = image.clone();
        forged[field..field + 4].copy_from_slice(&value.to_le_bytes());
        assert!(error(&forged).starts_with("is damaged: ") || field == 20, "{field} {value}");
        error(&forged);
    }
}

#[test]
fn runs_that_lie_are_found() {
    let mut writer = Writer::new(tempfile::tempfile().unwrap(), options(None)).unwrap();
    for n in [1, 2] {
        writer.pages(n, 0x10000, &page(n)).unwrap();
    }
    let image = bytes(&writer.finish(STATE, &summary()).unwrap().file);
    // Two runs, and behind them a leaf of the hash tree and the trailer.
    let runs = image.len() - TRAILER - 40 - 2 * 32;
    assert_eq!(image[runs..runs + 8], 1u64.to_le_bytes());
    let lies: [&[(usize, u64)]; 9] = [
        &[(0, 3)],
        &[(32, 1)],
        &[(8, 1)],
        &[(8, u64::MAX - 4095)],
        &[(16, 0)],
        &[(16, 4097)],
        &[(16, 1 << 60)],
        &[(24, 8192)],
        &[(24, u64::MAX - 4095)],
    ];
    for lie in lies {
        let mut forged = image.clone();
        for &(field, value) in lie {
            put(&mut forged, runs + field, value);
        }
        let error = error(&forged);
        assert!(error.starts_with("is damaged: run "), "{lie:?}: {error}");
    }
}

#[test]
fn headers_that_lie_are_found() {
    let image = bytes(&small(None));
    let with = |from: &str, to: &str| {
        assert_eq!(from.len(), to.len());
        let at = image.windows(from.len()).position(|window| window == from.as_bytes()).unwrap();
        let mut forged = image.clone();
        forged[at..at + to.len()].copy_from_slice(to.as_bytes());
        error(&forged)
    };
    for (from, to) in [
        (r#""page_size":4096"#, r#""page_size":4095"#),
        (r#""page_size":4096"#, r#""page_size":2048"#),
        (r#""page_size":4096"#, r#""page_size":8192"#),
        (r#""page_size":4096"#, r#""page_size":-512"#),
        (r#""chunk_size":1048576"#, r#""chunk_size":1048577"#),
        (r#""chunk_size":1048576"#, r#""chunk_size":0000001"#),
        (r#""compression":"none""#, r#""compression":"nine""#),
        (r#""metadata""#, r#""metadata""#),
        (r#""purpose":"test""#, r#""purpose":"test "#),
        (r#""processes":["#, r#""processes":{"#),
    ] {
        if from != r#""metadata""# {
            assert!(with(from, to).starts_with("is damaged: "), "{to}");
        }
    }
}

#[test]
fn another_host_is_told_what_it_lacks() {
    let mut of_others = options(None);
    of_others.header.cpu_features.extend(["avx4096".to_owned(), "telepathy".to_owned()]);
    let image = check(write(of_others, &page(1)), None).unwrap();
    assert_eq!(image.header().missing_features(), ["avx4096", "telepathy"]);
    let error = image.header().check_host().unwrap_err().to_string();
    assert_eq!(error, "was saved on a processor with features that this one lacks: avx4096, telepathy");
    let mut of_others = options(None);
    of_others.header.arch = "riscv64".to_owned();
    let image = check(write(of_others, &page(1)), None).unwrap();
    assert!(
        image.header().check_host().unwrap_err().to_string().starts_with("was saved on riscv64, and this")
    );
    assert!(Header::of_this_host(Compression::None).check_host().is_ok());
}

/// What fuzzers are given, and some thousand inputs near images.
#[test]
fn the_fuzz_target_finds_nothing() {
    let compressed = {
        let mut options = options(None);
        options.header.compression = Compression::Zstd;
        write(options, &vec![3; 3 * PAGE])
    };
    let mut seed = 1u64;
    let mut random = move |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed % below as u64) as usize
    };
    for image in [bytes(&small(None)), bytes(&compressed)] {
        stockade_image::fuzz::image(&image);
        for _ in 0..1000 {
            let mut forged = image.clone();
            for _ in 0..=random(3) {
                // Where there is something but pages and zeros.
                let at = if random(2) == 0 { random(400) } else { forged.len() - 1 - random(700) };
                forged[at] = if random(2) == 0 { random(256) as u8 } else { forged[at] ^ (1 << random(8)) };
            }
            if random(8) == 0 {
                forged.truncate(random(forged.len()));
            }
            stockade_image::fuzz::image(&forged);
        }
    }
}
