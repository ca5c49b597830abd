//! An image of each version of the format is kept, and read for ever. To add that of a new version, or to make one anew
//! that is not part of a release yet: `WRITE_CORPUS=1 cargo test -p stockade-image --test image corpus`.

use super::*;
use std::path::PathBuf;

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(name)
}

/// What is written today is, byte for byte, the newest that is kept.
#[test]
fn the_newest_is_what_is_written() {
    for (name, key) in [("v1.img", None), ("v1-key.img", Some(key()))] {
        let written = bytes(&small(key));
        if std::env::var_os("WRITE_CORPUS").is_some() {
            std::fs::write(path(name), &written).unwrap();
        }
        assert!(std::fs::read(path(name)).unwrap() == written, "{name} differs from what is written now");
    }
}

#[test]
fn all_can_be_read() {
    for (name, format, key) in [("v1.img", 1, None), ("v1-key.img", 1, Some(key()))] {
        let image = check(File::open(path(name)).unwrap(), key.as_ref()).unwrap();
        assert_eq!((image.format(), image.state(), image.runs().len()), (format, STATE, 1), "{name}");
        assert_eq!((image.summary(), image.metadata()), (&summary(), &options(None).metadata), "{name}");
    }
}

/// A reader that knows nothing but the specification.
#[test]
fn another_reader_reads_them() {
    let key_text: String =
        std::fs::read(path("v1.key")).unwrap().iter().map(|byte| format!("{byte:02x}")).collect();
    for name in ["v1.img", "v1-key.img"] {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/image/reader.py");
        let output = std::process::Command::new("python3")
            .arg(script)
            .arg(path(name))
            .arg(&key_text)
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        let found: serde_json::Value = serde_json::from_slice(&output.stdout).expect(&error);
        let want = serde_json::json!({
            "header": options(None).header,
            "metadata": options(None).metadata,
            "state": "the state of a kernel",
            "container_id": "box",
            "runs": [[7, 0x10000, 2 * PAGE, 0]],
            "stored": 2 * PAGE,
            "first": 1000,
        });
        assert_eq!(found, want, "{name}");
    }
}
