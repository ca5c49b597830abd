//! Clients that are slow, silent, broken or hostile: each gets an error or is cut off, and nobody else notices.

use std::io::{IoSlice, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use serde_json::{Value, json};

use super::{Client, Live, until};

/// A call that works as long as the server does: it finds its method, and no such process.
const PROBE: &str = r#"{"method":"containerManager.Signal","arg":{"Signo":10,"PID":31000}}"#;

fn works(client: &mut Client) -> bool {
    client.raw(PROBE)["errno"] == json!(3)
}

fn error(client: &mut Client, text: &str) -> String {
    let answer = client.raw(text);
    assert_eq!((&answer["success"], &answer["result"]), (&json!(false), &Value::Null), "{answer}");
    answer["err"].as_str().unwrap().to_owned()
}

fn is_closed(client: &mut Client) -> bool {
    client.0.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    match client.0.read(&mut [0; 4096]) {
        Ok(n) => n == 0,
        Err(e) => e.kind() == std::io::ErrorKind::ConnectionReset,
    }
}

pub(super) fn send(client: &Client, text: &[u8], files: &[BorrowedFd<'_>]) {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(253))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    assert!(control.push(SendAncillaryMessage::ScmRights(files)));
    sendmsg(&client.0, &[IoSlice::new(text)], &mut control, SendFlags::empty()).unwrap();
}

/// Descriptors and threads of the sentry.
fn resources(live: &Live) -> (usize, usize) {
    let count = |what: &str| {
        let path = format!("/proc/{}/{what}", live.sentry());
        std::fs::read_dir(path).map_or(0, Iterator::count)
    };
    (count("fd"), count("task"))
}

fn resident(live: &Live) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", live.sentry())).unwrap();
    let line = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn the_socket_is_the_owners() {
    let live = Live::idle();
    assert_eq!(live.socket().metadata().unwrap().mode() & 0o7777, 0o600);
    assert_eq!(live.state_dir().join("box").metadata().unwrap().mode() & 0o7777, 0o700);
}

#[test]
fn answers_are_gvisors() {
    let live = Live::idle();
    let mut client = live.connect();
    client.0.write_all(br#" {"method":"No.Such","arg":{}} "#).unwrap();
    let mut bytes = [0; 4096];
    let n = client.0.read(&mut bytes).unwrap();
    assert_eq!(&bytes[..n], br#"{"success":false,"err":"unknown method","result":null}"#);
    client.0.write_all(br#"{"method":"containerManager.Signal","arg":{"Signo":18,"More":[{}]}}"#).unwrap();
    let n = client.0.read(&mut bytes).unwrap();
    assert_eq!(&bytes[..n], br#"{"success":true,"err":"","result":{}}"#);
    assert!(error(&mut client, r#"{"method":"containerManager.Signal","arg":{"Signo":99}}"#).contains("99"));
    assert!(
        error(&mut client, r#"{"method":"containerManager.Signal","arg":{"Signo":"x"}}"#)
            .contains("invalid type")
    );
    assert!(error(&mut client, r#"{"method":"containerManager.Signal"}"#).contains("0 is no signal"));
    assert!(
        error(&mut client, r#"{"method":"containerManager.Signal","arg":null}"#).contains("0 is no signal")
    );
    assert!(error(&mut client, r#"{"arg":1}"#).contains("method"));
    assert!(works(&mut client));
}

#[test]
fn what_is_no_call_is_refused() {
    let live = Live::idle();
    let mut other = live.connect();
    let deep = format!("{{\"method\":\"x\",\"arg\":{}", "[".repeat(10_000));
    for (text, why) in [
        ("hello", "a message is a JSON object"),
        ("[1]", "a message is a JSON object"),
        (deep.as_str(), "nested too deep"),
    ] {
        let mut client = live.connect();
        assert!(error(&mut client, text).contains(why), "{text:.20}");
        assert!(is_closed(&mut client), "{text:.20}");
        assert!(works(&mut other));
    }
    // These are whole, so that the connection can go on.
    let mut client = live.connect();
    assert!(error(&mut client, r#"{"method":}"#).contains("cannot be understood"));
    client.0.write_all(b"{\"method\":\"\xff\"}").unwrap();
    assert!(client.answer()["err"].as_str().unwrap().contains("cannot be understood"));
    assert!(works(&mut client) && works(&mut other));
}

#[test]
fn slow_silent_and_dying_clients_harm_nobody() {
    let live = Live::idle();
    let mut other = live.connect();
    assert!(works(&mut other));
    let before = resources(&live);
    let silent: Vec<Client> = (0..40).map(|_| live.connect()).collect();
    let mut slow = live.connect();
    for byte in PROBE.as_bytes() {
        slow.0.write_all(&[*byte]).unwrap();
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(slow.answer()["errno"], 3);
    let mut half = live.connect();
    half.0.write_all(&PROBE.as_bytes()[..20]).unwrap();
    // Who goes before the answer comes.
    for _ in 0..40 {
        let mut client = live.connect();
        client.0.write_all(PROBE.as_bytes()).unwrap();
    }
    // Who never reads what is answered.
    let mut deaf = live.connect();
    deaf.0.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
    while deaf.0.write_all(PROBE.repeat(100).as_bytes()).is_ok() {}
    assert!(works(&mut other));
    drop((silent, slow, half, deaf));
    until("descriptors and threads are as before", || {
        let now = resources(&live);
        now.0 <= before.0 && now.1 <= before.1
    });
}

#[test]
fn endless_messages_are_cut_off() {
    let live = Live::idle();
    let mut other = live.connect();
    assert!(works(&mut other));
    let before = resident(&live);
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let mut client = live.connect();
            std::thread::spawn(move || {
                client.0.write_all(br#"{"method":"x","arg":""#).unwrap();
                // 1 GiB, if it were taken.
                (0..16_384).take_while(|_| client.0.write_all(&[b'x'; 65536]).is_ok()).count()
            })
        })
        .collect();
    let mut most = 0;
    while clients.iter().any(|c| !c.is_finished()) {
        most = most.max(resident(&live));
        assert!(works(&mut other));
    }
    for client in clients {
        assert!(client.join().unwrap() < 16_384);
    }
    assert!(most < before + (160 << 10), "{before} KiB grew to {most}");
}

#[test]
fn descriptors_are_bounded_and_closed() {
    let live = Live::idle();
    let mut client = live.connect();
    assert!(works(&mut client));
    let before = resources(&live);
    let file = std::fs::File::open("/dev/null").unwrap();
    let many: Vec<BorrowedFd<'_>> = (0..129).map(|_| file.as_fd()).collect();
    for round in 0..20 {
        // Nobody wants these.
        send(&client, PROBE.as_bytes(), &many[..128]);
        assert_eq!(client.answer()["errno"], 3, "{round}");
        let mut greedy = live.connect();
        send(&greedy, PROBE.as_bytes(), &many);
        assert_eq!(greedy.answer()["err"], "too many files");
        assert!(is_closed(&mut greedy));
        let half = live.connect();
        send(&half, b"{", &many[..100]);
    }
    assert!(works(&mut client));
    until("the descriptors are closed", || resources(&live).0 <= before.0);
}

#[test]
fn calls_beyond_the_bound_are_refused() {
    let live = Live::idle();
    let wait = r#"{"method":"containerManager.WaitPID","arg":{"PID":1}}"#;
    let mut waiting: Vec<Client> = (0..512).map(|_| live.connect()).collect();
    for client in &mut waiting {
        client.0.write_all(wait.as_bytes()).unwrap();
    }
    // Those that were not served yet when others came made room for them.
    until("all of them wait", || {
        let mut client = live.connect();
        drop(client.0.write_all(wait.as_bytes()));
        client.0.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let mut text = [0; 256];
        let refusal = client.0.read(&mut text).map(|n| String::from_utf8_lossy(&text[..n]).into_owned());
        waiting.push(client);
        refusal.is_ok_and(|text| text.contains("512 calls are under way"))
    });
    // Nobody who waits was disturbed.
    until("512 are left, who still wait", || {
        let still_wait = waiting.iter_mut().filter_map(|client| {
            client.0.set_nonblocking(true).unwrap();
            client.0.read(&mut [0]).err().filter(|e| e.kind() == std::io::ErrorKind::WouldBlock)
        });
        still_wait.count() == 512
    });
    // Those whose clients went away do not count, although their calls do not end.
    drop(waiting);
    assert!(works(&mut live.connect()));
    let again: Vec<Client> = (0..512).map(|_| live.connect()).collect();
    assert!(works(&mut live.connect()));
    drop(again);
}

#[test]
fn connections_beyond_the_bound_take_the_place_of_idle_ones() {
    let live = Live::idle();
    let begun = Instant::now();
    let mut clients = Vec::new();
    for _ in 0..600 {
        let mut client = live.connect();
        assert!(works(&mut client));
        clients.push(client);
    }
    assert!(is_closed(&mut clients[0]), "{:?}", begun.elapsed());
    assert!(works(clients.last_mut().unwrap()));
}
