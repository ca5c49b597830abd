//! What is restored goes on where it stood.

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
