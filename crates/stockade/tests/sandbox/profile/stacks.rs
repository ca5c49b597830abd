//! Stacks of the sentry's threads.

use std::io::{Read as _, Seek as _};

use super::*;

fn thread_of<'a>(text: &'a str, what: &str) -> &'a str {
    let block = text.split("\n\n").find(|block| block.lines().next().is_some_and(|line| line.contains(what)));
    block.unwrap_or_else(|| panic!("no thread {what:?} in:\n{text}"))
}

#[test]
fn say_what_each_waits_for() {
    let live = Live::script(&[], "sleep 1000 & python3 -c 'while True: pass' & exec cat /dev/ptmx");
    let mut client = connect(&live);
    let mut text = String::new();
    until("the programs run", || {
        text = client.stacks().unwrap();
        [", sleep: in ", ", cat: in ", ", python3: its guest"].iter().all(|what| text.contains(what))
    });
    let sleeper = thread_of(&text, ", sleep: in clock_nanosleep, waits for what the call is about]");
    assert!(
        sleeper.contains("stockade_sentry::wait::Waiter::park") && sleeper.contains("sleep.rs:"),
        "{sleeper}"
    );
    assert!(
        thread_of(&text, "PID 1, thread 1, cat: in read, waits").contains("syscalls::rw::read"),
        "{text}"
    );
    let runs = thread_of(&text, ", python3: its guest thread runs, or is about to]");
    assert!(runs.contains("Listener::receive"), "{runs}");
    assert!(thread_of(&text, "\"control\" [waits for connections]").contains("accept"));
    assert!(thread_of(&text, "\"control call\" [").contains("stockade_control::server::profile::stacks"));

    let mut file = tempfile::tempfile().unwrap();
    client.profile_stacks(file.as_fd()).unwrap();
    let mut written = String::new();
    file.rewind().unwrap();
    file.read_to_string(&mut written).unwrap();
    thread_of(&written, ", sleep: in clock_nanosleep, waits for what the call is about]");
}
