//! What is restored goes on where it stood.

use std::process::Command;

use serde_json::json;

use super::{Front, Place, until};

const COUNT: &str = "i=0; while read line; do i=$((i + 1)); echo $i $line; done; exit 7";

#[test]
fn a_shell_goes_on_with_new_streams() {
    let place = Place::new();
    let mut front = place.start("box", &[], &["sh", "-c", COUNT]);
    front.say("one");
    front.expect("1 one");
    let mut front = place.cycle("box", front, "image");
    front.say("two");
    front.expect("2 two");
    let mut front = place.cycle("box", front, "again");
    front.say("three");
    front.expect("3 three");
    assert_eq!(front.end(), (String::new(), String::new(), Some(7)));
    assert!(place.state.ids().is_empty());
}

/// Two at a time, and a third that is detached: they have nothing of each other.
#[test]
fn one_image_serves_many() {
    let place = Place::new();
    let mut front = place.start("box", &[], &["sh", "-c", COUNT]);
    front.say("one");
    front.expect("1 one");
    place.save("box", "image", &["--leave-running"]);
    let mut others = [place.restore("image", &["--id", "a"]), place.restore("image", &["--id", "b"])];
    for (other, word) in others.iter_mut().zip(["x", "y"]) {
        other.say(word);
        other.expect(&format!("2 {word}"));
    }
    front.say("two");
    front.expect("2 two");
    let image = place.at("image");
    let detached = place.state.run(&["restore", &image, "--detach", "--id", "d"]);
    assert_eq!(detached, ("d\n".to_owned(), String::new(), Some(0)));
    // It has no input, and so ends.
    assert_eq!(place.state.wait_for_end("d")["exit_status"], json!(7));
    let [a, b] = others;
    for front in [a, b, front] {
        assert_eq!(front.end().2, Some(7));
    }
}

#[test]
fn signals_reach_it() {
    let place = Place::new();
    let script = "trap 'echo got; exit 9' USR1; echo ready; while :; do read line || sleep 0.05; done";
    let mut front = place.start("box", &[], &["sh", "-c", script]);
    front.expect("ready");
    let mut front = place.cycle("box", front, "image");
    until("it runs", || place.state.record("box").is_some_and(|r| r["status"] == "running"));
    let pid = rustix::process::Pid::from_raw(front.child.id() as i32).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::USR1).unwrap();
    drop(front.input.take());
    front.expect("got");
    assert_eq!(front.end().2, Some(9));
}

#[test]
fn a_name_that_is_taken_is_not_taken_twice() {
    let place = Place::new();
    let mut front = place.start("box", &[], &["sh", "-c", COUNT]);
    front.say("one");
    front.expect("1 one");
    place.save("box", "image", &["--leave-running"]);
    let (_, said, status) = place.restore("image", &["--id", "box"]).end();
    assert!(said.contains("--id box: a running sandbox has this name"), "{said}");
    assert_eq!(status, Some(125));
    assert_eq!(place.restore("image", &[]).end().2, Some(7));
    assert_eq!(front.end().2, Some(7));
}

#[test]
fn many_are_numbered() {
    let place = Place::new();
    let mut front = place.start("box", &[], &["sh", "-c", "echo up; sleep 1000"]);
    front.expect("up");
    place.save("box", "image", &["--leave-running"]);
    let image = place.at("image");
    let (mut names, said, status) = place.state.run(&["restore", &image, "--detach", "--count", "3"]);
    assert_eq!((&*names, &*said, status), ("box-1\nbox-2\nbox-3\n", "", Some(0)));
    names = place.state.run(&["restore", &image, "--detach", "--count", "2"]).0;
    assert_eq!(names, "box-4\nbox-5\n");
    let mut ids = place.state.ids();
    ids.sort();
    assert_eq!(ids, ["box", "box-1", "box-2", "box-3", "box-4", "box-5"]);
    drop::<Front>(front);
}

/// Everything as somebody who is not root.
#[test]
fn an_ordinary_user_saves_and_restores() {
    let mut shell = Command::new(env!("CARGO_BIN_EXE_stockade"));
    shell.args(["--state-dir", "STATE", "version"]);
    let (reachable, user) = crate::as_user(&shell);
    let directory = reachable.path().join("user");
    std::fs::create_dir(&directory).unwrap();
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(&directory, Some(54321), Some(54321)).unwrap();
    }
    let program = reachable.path().join("stockade");
    let script = format!(
        "cd {dir} && s='{program} --state-dir {dir}/state' && mkfifo in
        $s do --id box -- sh -c 'echo up >/tmp/up; while read line; do echo $line; done; id -u' <in >out 2>said & exec 3>in
        until $s exec box test -e /tmp/up 2>/dev/null; do sleep 0.05; done
        $s save box image && wait; exec 3>&-
        echo word | $s restore image; echo $? $(stat -c %a image); cat said",
        dir = directory.display(),
        program = program.display()
    );
    let mut command = if rustix::process::geteuid().is_root() {
        let mut command = Command::new(user.get_program());
        command.args(["--reuid=54321", "--regid=54321", "--clear-groups", "sh", "-c", &script]);
        command
    } else {
        let mut command = Command::new("sh");
        command.args(["-c", &script]);
        command
    };
    let uid = if rustix::process::geteuid().is_root() { 54321 } else { rustix::process::geteuid().as_raw() };
    let (out, said, status) = crate::run(&mut command);
    let want = format!(
        "word\n{uid}\n0 400\nstockade: sandbox box: saved, and ended here\n  hint: `stockade restore` goes on with it\n"
    );
    assert_eq!((out, &*said, status), (want, "", Some(0)));
}

/// A directory that keeps changes is for one at a time.
#[test]
fn an_overlay_directory_is_not_shared() {
    let place = Place::new();
    let options = ["--overlay", &place.at("changes")];
    let mut front =
        place.start("box", &options, &["sh", "-c", "echo kept >/kept; echo up; read line; cat /kept"]);
    front.expect("up");
    let (_, said, status) = place.state.run(&["clone", "box"]);
    assert!(said.contains("is for one sandbox at a time") && status == Some(125), "{said}");
    let mut front = place.cycle("box", front, "image");
    front.say("go");
    front.expect("kept");
    assert_eq!(front.end().2, Some(0));
}
