//! Real programs, saved in the middle of what they do.

use std::time::Duration;

use super::{Front, Place, until};

fn python(place: &Place, id: &str, script: &str) -> Front {
    place.start(id, &[], &["python3", "-u", "-c", script])
}

/// Threads with locks and timers, and memory that is hashed again afterwards.
#[test]
fn python_with_threads_locks_and_timers() {
    const SCRIPT: &str = r#"
import hashlib, os, signal, sys, threading
data = os.urandom(8 << 20)
digest = hashlib.sha256(data).hexdigest()
lock, n, ticks = threading.Lock(), 0, 0
def tick(*_):
    global ticks
    ticks += 1
signal.signal(signal.SIGALRM, tick)
signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
def count():
    global n
    while True:
        with lock:
            n += 1
        event.wait(0.005)
event = threading.Event()
for _ in range(4):
    threading.Thread(target=count, daemon=True).start()
print("ready")
before = (0, 0)
for line in sys.stdin:
    same = hashlib.sha256(data).hexdigest() == digest
    print(line.strip(), same, n > before[0], ticks > before[1])
    before = (n, ticks)
signal.setitimer(signal.ITIMER_REAL, 0)
print("end")
"#;
    let place = Place::new();
    let mut front = python(&place, "box", SCRIPT);
    front.expect("ready");
    for (n, image) in ["a", "b", "c"].iter().enumerate() {
        std::thread::sleep(Duration::from_millis(100));
        front.say(&n.to_string());
        front.expect(&format!("{n} True True True"));
        front = place.cycle("box", front, image);
    }
    std::thread::sleep(Duration::from_millis(100));
    front.say("last");
    front.expect("last True True True");
    assert_eq!(front.end(), ("end\n".to_owned(), String::new(), Some(0)));
}

/// What is in the pipe, and who waits at its ends, is there again.
#[test]
fn bash_with_a_pipeline_half_read() {
    const SCRIPT: &str = "seq 1 200000 | while read n; do
        if [ $n = 1000 ]; then touch /tmp/half; sleep 1; fi; s=$((s + n)); echo $s; done | tail -n 1 &
        wait; echo status $?";
    let place = Place::new();
    let mut front = place.start("box", &[], &["bash", "-c", SCRIPT]);
    until("half of it is read", || {
        let arguments = ["exec", "box", "test", "-e", "/tmp/half"];
        place.state.run(&arguments).2 == Some(0)
    });
    front = place.cycle("box", front, "image");
    front.expect("20000100000");
    front.expect("status 0");
    assert_eq!(front.end().2, Some(0));
}

#[test]
fn sqlite_in_a_transaction() {
    const SCRIPT: &str = r#"
import sqlite3, sys
db = sqlite3.connect("/tmp/test.db", isolation_level=None)
db.execute("create table t (n integer)")
db.execute("begin immediate")
db.executemany("insert into t values (?)", ((n,) for n in range(1000)))
print("inside")
sys.stdin.readline()
db.executemany("insert into t values (?)", ((n,) for n in range(1000, 2000)))
db.execute("commit")
db.close()
db = sqlite3.connect("/tmp/test.db")
print(*db.execute("select count(*), sum(n) from t").fetchone())
print(*db.execute("pragma integrity_check").fetchone())
"#;
    let place = Place::new();
    let mut front = python(&place, "box", SCRIPT);
    front.expect("inside");
    let mut front = place.cycle("box", front, "image");
    front.say("go");
    front.expect("2000 1999000");
    front.expect("ok");
    assert_eq!(front.end(), (String::new(), String::new(), Some(0)));
}

/// Its object file is the one that it makes without.
#[test]
fn gcc_in_mid_compile() {
    let source: String = (0..1500)
        .map(|n| format!("int f{n}(int a, int b) {{ int s = 0; for (int i = a; i < b; i++) s += (i * {n}) ^ (s >> 3); return s; }}\n"))
        .collect();
    let place = Place::new();
    std::fs::write(place.path("big.c"), source).unwrap();
    let compile = "gcc -O2 -c -o big.o big.c && sha256sum < big.o";
    let directory = place.directory.path().to_str().unwrap().to_owned();
    let want = place.start("plain", &["--cwd", &directory], &["sh", "-c", compile]).end();
    assert_eq!((&*want.1, want.2), ("", Some(0)));
    let front = place.start("box", &["--cwd", &directory], &["sh", "-c", compile]);
    until("the compiler works", || place.state.run(&["ps", "box"]).0.contains("cc1"));
    std::thread::sleep(Duration::from_millis(100));
    let front = place.cycle("box", front, "image");
    assert_eq!(front.end(), want);
}

#[test]
fn node_with_timers_and_children() {
    const SCRIPT: &str = r#"
const child = require("child_process").spawn("cat");
let ticks = 0, before = 0;
const timer = setInterval(() => ticks++, 5);
child.stdout.on("data", (data) => {
    console.log(data.toString().trim(), ticks > before);
    before = ticks;
});
const lines = require("readline").createInterface({ input: process.stdin });
lines.on("line", (line) => child.stdin.write(line + "\n"));
lines.on("close", () => { clearInterval(timer); child.stdin.end(); });
child.on("exit", (code) => console.log("end", code));
console.log("ready");
"#;
    if !std::path::Path::new("/usr/bin/node").exists() {
        return;
    }
    let place = Place::new();
    let mut front = place.start("box", &[], &["node", "-e", SCRIPT]);
    front.expect("ready");
    for word in ["one", "two"] {
        std::thread::sleep(Duration::from_millis(100));
        front.say(word);
        front.expect(&format!("{word} true"));
        front = place.cycle("box", front, word);
    }
    std::thread::sleep(Duration::from_millis(100));
    front.say("three");
    front.expect("three true");
    assert_eq!(front.end(), ("end 0\n".to_owned(), String::new(), Some(0)));
}
