//! Images of every version of the format, kept in the repository: they are restored by all later versions.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Front, Place};

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sandbox/saving/corpus")
}

/// Each is of `counter.c`, which had read one line and needs nothing of the host.
#[test]
fn images_of_all_versions_are_restored() {
    let mut restored = 0;
    for entry in std::fs::read_dir(directory()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "img") {
            continue;
        }
        let place = Place::new();
        std::fs::create_dir(place.path("root")).unwrap();
        let (image, root) = (path.to_str().unwrap(), place.at("root"));
        let report = place.state.run(&["inspect", "--json", image]).0;
        let report: serde_json::Value = serde_json::from_str(&report).unwrap();
        let arguments = ["restore", image, "--root", &root, "--quiet"];
        let mut front = Front::start(place.state.stockade(&arguments));
        if let Some(feature) = report["missing_cpu_features"][0].as_str() {
            let (_, said, status) = front.end();
            assert!(said.contains(feature) && status == Some(125), "{image}: {said}");
        } else {
            front.say("more");
            front.expect("2 more");
            assert_eq!(front.end(), (String::new(), String::new(), Some(7)), "{image}");
        }
        restored += 1;
    }
    assert!(restored > 0);
}

/// Writes the image of this version. One that was released is never written again.
#[test]
#[ignore = "writes into the repository"]
fn write_corpus() {
    let place = Place::new();
    std::fs::create_dir(place.path("root")).unwrap();
    let (source, root) = (directory().join("counter.c"), place.at("root"));
    let program = place.path("root/counter");
    let arguments = ["-static", "-Os", "-s", "-Wall", "-Werror", "-o"];
    assert!(Command::new("gcc").args(arguments).arg(program).arg(source).status().unwrap().success());
    let options = ["--root", &root, "--cwd", "/", "--clear-env", "--hostname", "corpus", "--memory", "64M"];
    let mut front = place.start("corpus", &options, &["/counter"]);
    front.say("first");
    front.expect("1 first");
    place.save("corpus", "image", &["--compress", "zstd"]);
    assert_eq!(front.end().2, Some(0));
    let image = directory().join("format-1.img");
    drop(std::fs::remove_file(&image));
    std::fs::copy(place.path("image"), image).unwrap();
}
