//! Images that are not what they were, and keys that are not theirs.

use std::fs::Permissions;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;

use super::{Place, until};

/// A small saved sandbox with 16 bytes of key in `key`, or none.
fn saved(options: &[&str]) -> Place {
    saved_script("echo up; while read line; do echo $line; done", options)
}

/// The same of a script that says `up`.
fn saved_script(script: &str, options: &[&str]) -> Place {
    let place = Place::new();
    std::fs::write(place.path("key"), [7; 16]).unwrap();
    let mut front = place.start("box", &[], &["sh", "-c", script]);
    front.expect("up");
    let key = place.at("key");
    let options: Vec<&str> = options.iter().map(|&o| if o == "KEY" { &key } else { o }).collect();
    place.save("box", "image", &options);
    drop(front);
    std::fs::set_permissions(place.path("image"), Permissions::from_mode(0o600)).unwrap();
    place
}

/// What is said when it is refused; nothing has started.
fn refused(place: &Place, image: &str, options: &[&str]) -> String {
    let (out, said, status) = place.restore(image, options).end();
    assert_eq!((&*out, status), ("", Some(125)), "{said}");
    assert!(place.state.ids().is_empty());
    said
}

#[test]
fn keys() {
    let place = saved(&["--key-file", "KEY"]);
    let says = |options: &[&str], what: &str| {
        let said = refused(&place, "image", options);
        assert!(said.contains(what), "{said}");
    };
    std::fs::write(place.path("other"), [8; 16]).unwrap();
    std::fs::write(place.path("short"), [7; 15]).unwrap();
    says(&[], "was saved with a key");
    says(&["--key-file", &place.at("other")], "another key");
    says(&["--key-file", &place.at("short")], "needs at least 16");
    says(&["--key-file", &place.at("none")], "No such file");
    let mut front = place.restore("image", &["--key-file", &place.at("key")]);
    front.say("on");
    front.expect("on");
    assert_eq!(front.end().2, Some(0));
    let without = saved(&[]);
    let said = refused(&without, "image", &["--key-file", &without.at("key")]);
    assert!(said.contains("is not authenticated"), "{said}");
}

/// One bit of each place, and each length: nothing of it starts, and it is said what is wrong.
#[test]
fn damage_is_refused_before_anything_starts() {
    let place = saved(&["--compress", "zstd"]);
    let image = std::fs::read(place.path("image")).unwrap();
    let places = (0..image.len()).step_by(image.len() / 40 + 1).chain([0, 8, 12, 70, image.len() - 1]);
    for at in places {
        let mut bytes = image.clone();
        bytes[at] ^= 1 << (at % 8);
        std::fs::write(place.path("damaged"), bytes).unwrap();
        let said = refused(&place, "damaged", &["--quiet"]);
        let known = ["is damaged", "is not an image", "format", "incomplete", "saved with a key"];
        assert!(known.iter().any(|what| said.contains(what)), "bit in byte {at}: {said}");
    }
    for length in (0..image.len()).step_by(image.len() / 12 + 1).chain([64, image.len() - 1]) {
        std::fs::write(place.path("damaged"), &image[..length]).unwrap();
        let said = refused(&place, "damaged", &["--quiet"]);
        let known = ["is incomplete", "is not an image", "is damaged"];
        assert!(known.iter().any(|what| said.contains(what)), "{length} bytes: {said}");
    }
}

/// Offset of a byte of page data, one that is used.
fn damage_a_page(place: &Place) -> u64 {
    let mut file = std::fs::File::options().read(true).write(true).open(place.path("image")).unwrap();
    let at = 8192 + 5;
    let mut byte = [0];
    file.seek(SeekFrom::Start(at)).unwrap();
    file.read_exact(&mut byte).unwrap();
    file.seek(SeekFrom::Start(at)).unwrap();
    file.write_all(&[byte[0] ^ 1]).unwrap();
    at
}

#[test]
fn pages_are_checked_before_or_while_it_runs() {
    let place = saved_script("echo up; exec sleep 1000", &[]);
    // It was not changed after it was written, but its mode was; so it is not known any more.
    assert!(place.state.run(&["inspect", &place.at("image")]).0.contains("Pages:"));
    damage_a_page(&place);
    let said = refused(&place, "image", &[]);
    assert!(said.contains("is damaged: chunk 0 of its pages"), "{said}");
    let image = place.at("image");
    let started = place.state.run(&["restore", &image, "--detach", "--verify", "background"]);
    if started.2 == Some(0) {
        let end = place.state.wait_for_end("box");
        assert_eq!(end["exit_status"], json!(125));
        assert!(end["message"].as_str().unwrap().contains("chunk 0 of its pages"), "{end}");
    } else {
        assert!(started.1.contains("chunk 0 of its pages"), "{started:?}");
    }
}

/// Checked once, it is known.
#[test]
fn a_checked_image_is_not_checked_again() {
    for mode in ["first", "background"] {
        let place = saved(&[]);
        let inspect = || place.state.run(&["inspect", "--json", &place.at("image")]).0;
        assert!(inspect().contains("\"pages_checked\": false"), "{}", inspect());
        // It waits for its input, and has not ended before all is checked.
        let _front = place.restore("image", &["--verify", mode]);
        until("it is remembered", || inspect().contains("\"pages_checked\": true"));
    }
}

/// Cuts an image off behind its first MiB.
fn cut_off(place: &Place) {
    std::fs::set_permissions(place.path("image"), Permissions::from_mode(0o600)).unwrap();
    std::fs::File::options().write(true).open(place.path("image")).unwrap().set_len(1 << 20).unwrap();
}

const CUT_OFF: &str =
    "the image that this sandbox was restored from cannot be read any longer: it was cut off";

#[test]
fn an_image_in_use_that_is_cut_off_ends_the_sandbox() {
    const SCRIPT: &str = "import os, sys
data = os.urandom(16 << 20)
print('up')
sys.stdin.readline()
print(sum(data[::4096]))";
    let place = Place::new();
    let mut front = place.start("box", &[], &["python3", "-u", "-c", SCRIPT]);
    front.expect("up");
    place.save("box", "image", &[]);
    assert_eq!(front.end().2, Some(0));
    let mut front = place.restore("image", &[]);
    until("it runs", || place.state.record("box").is_some_and(|r| r["status"] == "running"));
    cut_off(&place);
    front.say("go");
    let (out, said, status) = front.end();
    assert_eq!((&*out, status), ("", Some(125)), "{said}");
    assert!(said.contains(CUT_OFF), "{said}");
}

/// Of files that lie in it, too: programs that read or change them, and have nothing else of the image, see no error.
#[test]
fn no_program_sees_that_an_image_was_cut_off() {
    let place = Place::new();
    let mut front =
        place.start("box", &[], &["sh", "-c", "head -c 16M /dev/urandom >/tmp/file; echo up; sleep 1000"]);
    front.expect("up");
    place.save("box", "image", &["--leave-running"]);
    let whole = std::fs::read(place.path("image")).unwrap();
    for (n, use_it) in [
        "cat /tmp/file >/dev/null",
        "cp /tmp/file /tmp/other",
        "echo x | dd of=/tmp/file bs=1 seek=9000000 conv=notrunc 2>/dev/null",
        "exec 3</tmp/file; python3 -c 'import mmap; mmap.mmap(3, 0, prot=1)'",
    ]
    .iter()
    .enumerate()
    {
        drop(std::fs::remove_file(place.path("image")));
        std::fs::write(place.path("image"), &whole).unwrap();
        let (id, image) = (format!("again-{n}"), place.at("image"));
        assert_eq!(place.state.run(&["restore", &image, "--detach", "--id", &id]).2, Some(0));
        cut_off(&place);
        let (out, said, status) = place.state.run(&["exec", &id, "sh", "-c", &format!("{use_it}; echo $?")]);
        assert_eq!((&*out, status), ("", Some(125)), "{use_it}: {said}");
        let end = place.state.wait_for_end(&id);
        assert_eq!(end["exit_status"], json!(125), "{use_it}: {end}");
        assert!(end["message"].as_str().unwrap().contains(CUT_OFF), "{use_it}: {end}");
    }
}

/// What was saved by nobody knows whom may read as any sandbox may, and write where it is told to.
#[test]
fn unknown_images_write_to_nothing_that_is_not_named() {
    let place = Place::new();
    std::fs::create_dir(place.path("data")).unwrap();
    let data = place.at("data");
    let volume = format!("{data}:/tmp/data");
    let mut front = place.start(
        "box",
        &["--volume", &volume],
        &["sh", "-c", "echo up; read line; echo $line > /tmp/data/file && echo written"],
    );
    front.expect("up");
    place.save("box", "image", &[]);
    assert_eq!(front.end().2, Some(0));
    // A copy is not what this host wrote.
    std::fs::copy(place.path("image"), place.path("copy")).unwrap();
    let said = refused(&place, "copy", &[]);
    assert!(said.contains(&format!("wants to write to {data}")), "{said}");
    let said = refused(&place, "copy", &["--volume", &format!("{data}:/nowhere")]);
    assert!(said.contains("it has volumes at /tmp/data"), "{said}");
    std::fs::create_dir(place.path("other")).unwrap();
    for (image, options) in [
        ("image", vec![]),
        ("copy", vec!["--volume".to_owned(), volume.clone()]),
        ("copy", vec!["--volume".to_owned(), format!("{}:/tmp/data", place.at("other"))]),
    ] {
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        let mut front = place.restore(image, &options);
        front.say("word");
        front.expect("written");
        assert_eq!(front.end().2, Some(0));
    }
    for file in ["data/file", "other/file"] {
        assert_eq!(std::fs::read_to_string(place.path(file)).unwrap(), "word\n");
    }
    std::fs::remove_dir_all(place.path("data")).unwrap();
    let said = refused(&place, "image", &[]);
    assert!(said.contains("No such file or directory") && said.contains("--volume SRC:/tmp/data"), "{said}");
}

/// A disk without room: the sandbox goes on, and nothing is left of the image.
#[test]
fn a_full_disk() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let place = Place::new();
    let mut front = place.start("box", &[], &["sh", "-c", "echo up; while read line; do echo $line; done"]);
    front.expect("up");
    std::fs::create_dir(place.path("small")).unwrap();
    let mount = |arguments: &[&str]| {
        assert!(std::process::Command::new(arguments[0]).args(&arguments[1..]).status().unwrap().success());
    };
    let small = place.at("small");
    mount(&["mount", "-t", "tmpfs", "-o", "size=64k", "none", &small]);
    let image = place.at("small/image");
    let (_, said, status) = place.state.run(&["save", "box", &image]);
    let left = std::fs::read_dir(&small).unwrap().count();
    mount(&["umount", &small]);
    let want =
        "stockade: sandbox box was not saved, and goes on: writing the image: No space left on device\n";
    assert_eq!((&*said, status, left), (want, Some(1), 0));
    front.say("on");
    front.expect("on");
    assert_eq!(front.end().2, Some(0));
}
