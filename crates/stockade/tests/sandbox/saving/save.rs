//! Saving: what is refused leaves the sandbox as it was; what is saved away ends.

use std::fs::File;
use std::io::Read as _;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt as _;
use std::process::Stdio;

use serde_json::{Value, json};

use super::stockade;
use crate::control::{Live, until};
use crate::detached::State;
use crate::run;

fn inspect(live: &Live, arguments: &[&str]) -> Value {
    let (stdout, stderr, status) = run(stockade(live.state_dir(), &["inspect", "--json"]).args(arguments));
    assert_eq!((&*stderr, status), ("", Some(0)));
    serde_json::from_str(&stdout).unwrap()
}

/// The error of `State.Save` with these descriptors, after which the sandbox works as before.
fn refused(live: &Live, arg: &Value, files: &[BorrowedFd<'_>]) -> String {
    let mut client = live.connect();
    let answer = client.call("State.Save", arg, files);
    assert_eq!(answer["success"], json!(false), "{answer}");
    let processes = client.raw(r#"{"method":"containerManager.Processes","arg":""}"#);
    assert_eq!(processes["result"][0]["cmd"], json!("sleep"), "{processes}");
    answer["err"].as_str().unwrap().to_owned()
}

#[test]
fn what_cannot_take_an_image_is_refused() {
    let live = Live::idle();
    let file = tempfile::tempfile().unwrap();
    let one = "exactly one file must be provided";
    assert_eq!(refused(&live, &json!({}), &[]), one);
    assert_eq!(refused(&live, &json!({}), &[file.as_fd(), file.as_fd()]), one);
    assert_eq!(refused(&live, &json!({}), &[file.as_fd(), file.as_fd(), file.as_fd()]), one);
    assert_eq!(refused(&live, &json!({"have_pages_file": true}), &[file.as_fd(), file.as_fd()]), one);
    let directory = File::open("/").unwrap();
    assert_eq!(refused(&live, &json!({}), &[directory.as_fd()]), "the file to save to is a directory");
    let read_only = File::open("/proc/self/exe").unwrap();
    let error = refused(&live, &json!({}), &[read_only.as_fd()]);
    assert_eq!(error, "the file to save to is not open for writing");
    let full = File::options().write(true).open("/dev/full").unwrap();
    assert_eq!(refused(&live, &json!({}), &[full.as_fd()]), "writing the image: No space left on device");
    let (_, closed) = rustix::pipe::pipe().unwrap();
    assert_eq!(refused(&live, &json!({}), &[closed.as_fd()]), "writing the image: Broken pipe");
    assert_eq!(
        refused(&live, &json!({"key": "AAAA"}), &[file.as_fd()]),
        "the key has 3 bytes, and needs at least 16"
    );
    assert!(refused(&live, &json!({"key": "!"}), &[file.as_fd()]).contains("key: Invalid"));
    assert!(refused(&live, &json!({"Compression": "zip"}), &[file.as_fd()]).contains("zstd"));
    assert_eq!(file.metadata().unwrap().len(), 0);
}

/// As today's clients call it, and into a pipe.
#[test]
fn a_sandbox_that_is_to_go_on_goes_on() {
    let live = Live::idle();
    let files = [(); 3].map(|()| tempfile::tempfile().unwrap());
    let mut client = live.connect();
    let arg = json!({"metadata": {"a": "b"}, "have_pages_file": true, "Resume": true});
    let answer = client.call("containerManager.Checkpoint", &arg, &files.each_ref().map(File::as_fd));
    assert_eq!(answer, json!({"success": true, "err": "", "result": {}}));
    let image = stockade_image::Image::open(files[0].try_clone().unwrap(), None).unwrap();
    image.check_pages(|_| {}).unwrap();
    assert_eq!((image.metadata()["a"].as_str(), &*image.summary().container_id), ("b", "box"));
    assert!(image.data() > 0);

    let (read, write) = rustix::pipe::pipe().unwrap();
    let reader = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        File::from(read).read_to_end(&mut bytes).unwrap();
        bytes
    });
    let answer = client.call("State.Save", &json!({"Resume": true}), &[write.as_fd()]);
    drop(write);
    assert_eq!(answer["success"], json!(true), "{answer}");
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("image");
    std::fs::write(&path, reader.join().unwrap()).unwrap();
    let report = inspect(&live, &[path.to_str().unwrap()]);
    assert_eq!((&report["processes"][0]["name"], &report["pages_checked"]), (&json!("sleep"), &json!(false)));
}

#[test]
fn a_sandbox_that_is_saved_away_ends() {
    let state = State::new();
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(at("key"), [7; 32]).unwrap();
    std::fs::write(at("image"), "old").unwrap();
    let mut front = state.stockade(&["do", "--id", "box", "--", "sleep", "1000"]);
    let mut front = front.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    until("the sandbox runs", || state.record("box").is_some_and(|r| r["status"] == "running"));
    let (key, image) = (at("key"), at("image"));
    let arguments =
        ["save", "box", &image, "--key-file", &key, "--metadata", "for=later", "--compress", "zstd"];
    assert_eq!(state.run(&arguments), (String::new(), String::new(), Some(0)));
    assert_eq!(state.record("box"), None);
    let mut said = String::new();
    front.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(front.wait().unwrap().code(), Some(0));
    let want = "stockade: sandbox box: saved, and ended here\n  hint: `stockade restore` goes on with it\n";
    assert_eq!(said, want);
    assert_eq!(std::fs::metadata(&image).unwrap().mode() & 0o7777, 0o400);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 2);
    let (report, _, status) = state.run(&["inspect", "--json", &image, "--key-file", &key]);
    assert_eq!(status, Some(0));
    let report: Value = serde_json::from_str(&report).unwrap();
    for (member, value) in [
        ("container_id", json!("box")),
        ("key_fits", json!(true)),
        ("pages_checked", json!(true)),
        ("compression", json!("zstd")),
        ("metadata", json!({"for": "later"})),
        ("missing_cpu_features", json!([])),
    ] {
        assert_eq!(report[member], value, "{member}");
    }
}

#[test]
fn what_is_not_saved_leaves_nothing() {
    let live = Live::idle();
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let save = |arguments: &[&str]| run(stockade(live.state_dir(), &["save"]).args(arguments));
    let (_, stderr, status) = save(&["nobody", &at("image")]);
    assert_eq!((stderr.contains("no sandbox named"), status), (true, Some(1)), "{stderr}");
    let (_, stderr, status) = save(&["box", &at("missing/image")]);
    assert_eq!((stderr.contains("missing/image: No such file"), status), (true, Some(1)), "{stderr}");
    let (_, stderr, status) = save(&["box", directory.path().to_str().unwrap()]);
    assert_eq!((stderr.contains("Is a directory"), status), (true, Some(1)), "{stderr}");
    let (_, stderr, status) = save(&["box", "/dev/full"]);
    let want =
        "stockade: sandbox box was not saved, and goes on: writing the image: No space left on device\n";
    assert_eq!((&*stderr, status), (want, Some(1)));
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    let image = at("image");
    assert_eq!(save(&["box", &image, "--leave-running"]), (String::new(), String::new(), Some(0)));
    assert_eq!(inspect(&live, &[&image])["metadata"], json!({}));
    let processes = live.connect().raw(r#"{"method":"containerManager.Processes","arg":""}"#);
    assert_eq!(processes["result"][0]["cmd"], json!("sleep"));
}
