//! Many clients at once, and many programs one after the other: afterwards the sentry holds what it held before.
//!
//! `STOCKADE_LOAD=1` runs it whole (a minute of 64 clients, and 5,000 programs); without, a part of that.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::control::{Client, Live, until};
use crate::held::held;

fn is_whole() -> bool {
    std::env::var_os("STOCKADE_LOAD").is_some()
}

fn execute(client: &mut Client) {
    let answer = client.call("Proc.Exec", &json!({"filename": "/bin/true", "argv": ["true"]}), &[]);
    assert_eq!(answer["result"], 0, "{answer}");
}

/// So many clients at once, for so long; how many programs they executed.
fn at_once(live: &Live, clients: usize, time: Duration) -> u32 {
    let done = AtomicU32::new(0);
    let end = Instant::now() + time;
    std::thread::scope(|scope| {
        for _ in 0..clients {
            scope.spawn(|| {
                let mut client = live.connect();
                while Instant::now() < end {
                    execute(&mut client);
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    done.into_inner()
}

/// Ended processes that may wait to be reaped, a descriptor each.
const UNREAPED: usize = 14;

fn is_as_before(live: &Live, before: (usize, usize, u64)) -> bool {
    let now = held(live.sentry());
    // Processes of the host that have ended are reaped some at a time, and an allocator keeps some of what was free; both
    // are bounds, however long it goes on.
    now.0 <= before.0 + UNREAPED && now.1 <= before.1 && now.2 <= before.2 + before.2 / 4 + (2 << 10)
}

#[test]
fn nothing_is_left_of_many_clients() {
    let live = Live::idle();
    // What is made once is there then.
    at_once(&live, 64, Duration::from_millis(500));
    let mut client = live.connect();
    execute(&mut client);
    std::thread::sleep(Duration::from_secs(2));
    let before = held(live.sentry());
    let time = Duration::from_secs(if is_whole() { 60 } else { 3 });
    let executed = at_once(&live, 64, time);
    assert!(executed >= 64, "{executed}");
    until("the sentry holds what it held", || is_as_before(&live, before));
}

#[test]
fn nothing_is_left_of_many_programs() {
    let live = Live::idle();
    let mut client = live.connect();
    let mut other = live.connect();
    for _ in 0..50 {
        execute(&mut client);
    }
    assert_eq!(other.call("Proc.Ps", &json!({}), &[])["success"], true);
    std::thread::sleep(Duration::from_secs(2));
    let before = held(live.sentry());
    for round in 0..if is_whole() { 5000 } else { 300 } {
        execute(&mut client);
        if round % 50 == 0 {
            let list = other.call("Proc.Ps", &json!({}), &[]);
            let lines = list["result"].as_str().unwrap().lines().count();
            assert!((2..=3).contains(&lines), "{list}");
        }
    }
    until("the sentry holds what it held", || is_as_before(&live, before));
}
