//! There is a sandbox or its image at any time, whatever fails when it is saved.

use std::fs::File;
use std::io::Read as _;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::process::{Child, Stdio};
use std::thread::JoinHandle;

use serde_json::{Value, json};

use super::{Front, Place, until};
use crate::control::Client;

/// A sandbox that is being saved to a pipe: whoever saves it too has to wait until that has been read.
struct Busy {
    place: Place,
    front: Front,
    pipe: File,
    saving: JoinHandle<Value>,
}

impl Busy {
    fn new() -> Self {
        let place = Place::new();
        let mut front = place.start("box", &[], &["sh", "-c", "while read line; do echo $line; done"]);
        front.say("up");
        front.expect("up");
        let (pipe, end) = rustix::pipe::pipe().unwrap();
        let socket = UnixStream::connect(place.state.path().join("box/control.sock")).unwrap();
        let save = move || Client(socket).call("State.Save", &json!({"Resume": true}), &[end.as_fd()]);
        let saving = std::thread::spawn(save);
        until("it is being saved", || rustix::io::ioctl_fionread(&pipe).unwrap() > 0);
        Self { place, front, pipe: pipe.into(), saving }
    }

    /// `stockade save` to `image`, which has made its file and waits.
    fn save(&self) -> Child {
        let mut command = self.place.state.stockade(&["save", "box", &self.place.at("image")]);
        let child = command.stderr(Stdio::piped()).spawn().unwrap();
        let descriptors = format!("/proc/{}/fd", child.id());
        let is_there = |entry: std::io::Result<std::fs::DirEntry>| {
            let to = std::fs::read_link(entry.unwrap().path());
            to.is_ok_and(|to| to.starts_with(self.place.directory.path()))
        };
        until("the file is there", || std::fs::read_dir(&descriptors).unwrap().any(is_there));
        child
    }

    /// Lets it go on; gives how it is then.
    fn read(mut self) -> (Place, Front) {
        self.pipe.read_to_end(&mut Vec::new()).unwrap();
        let answer = self.saving.join().unwrap();
        assert_eq!(answer["success"], json!(true), "{answer}");
        (self.place, self.front)
    }
}

/// It works as before, and can be saved.
fn goes_on(place: &Place, mut front: Front) {
    front.say("on");
    front.expect("on");
    let mut front = place.cycle("box", front, "another");
    front.say("again");
    front.expect("again");
    assert_eq!(front.end(), (String::new(), String::new(), Some(0)));
}

#[test]
fn an_image_without_a_name_ends_nothing() {
    let busy = Busy::new();
    let mut saving = busy.save();
    std::fs::create_dir(busy.place.path("image")).unwrap();
    let (place, front) = busy.read();
    let mut said = String::new();
    saving.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    let image = place.at("image");
    let want = format!("stockade: sandbox box was not saved, and goes on: {image}: Is a directory\n");
    assert_eq!((said, saving.wait().unwrap().code()), (want, Some(1)));
    assert_eq!(std::fs::read_dir(place.directory.path()).unwrap().count(), 1);
    goes_on(&place, front);
}

#[test]
fn a_command_that_dies_ends_nothing() {
    let busy = Busy::new();
    let mut saving = busy.save();
    saving.kill().unwrap();
    saving.wait().unwrap();
    let (place, front) = busy.read();
    assert_eq!(std::fs::read_dir(place.directory.path()).unwrap().count(), 0);
    goes_on(&place, front);
}
