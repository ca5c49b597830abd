//! Many threads at work: channels, locks, barriers, files, children, panics.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Barrier, Condvar, Mutex, RwLock};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

fn main() {
    let arg = env::args().nth(1).unwrap_or_default();
    if arg == "panic" {
        thread::spawn(|| panic!("in a thread")).join().unwrap_err();
        panic!("in main");
    }
    let threads: u64 = arg.parse().unwrap_or(8);
    locks(threads);
    channels(threads);
    barrier(threads);
    condvar();
    files(threads);
    sockets();
    children();
    let start = Instant::now();
    assert!(mpsc::channel::<()>().1.recv_timeout(Duration::from_millis(50)).is_err());
    thread::sleep(Duration::from_millis(50));
    println!("time passes {}", start.elapsed() >= Duration::from_millis(50));
}

fn locks(threads: u64) {
    let sum = Arc::new(Mutex::new(0u64));
    let atomic = Arc::new(AtomicU64::new(0));
    let map = Arc::new(RwLock::new(BTreeMap::new()));
    let all: Vec<_> = (0..threads)
        .map(|i| {
            let (sum, atomic, map) = (sum.clone(), atomic.clone(), map.clone());
            thread::spawn(move || {
                for k in 0..2000 {
                    *sum.lock().unwrap() += k;
                    atomic.fetch_add(1, Ordering::Relaxed);
                    if k % 500 == 0 {
                        map.write().unwrap().insert((i, k), ());
                        let _ = map.read().unwrap().len();
                    }
                }
            })
        })
        .collect();
    all.into_iter().for_each(|t| t.join().unwrap());
    println!("{} {} {}", sum.lock().unwrap(), atomic.load(Ordering::Relaxed), map.read().unwrap().len());
}

fn channels(threads: u64) {
    let (tx, rx) = mpsc::sync_channel(4);
    for i in 0..threads {
        let tx = tx.clone();
        thread::spawn(move || (0..100).for_each(|k| tx.send(i * 100 + k).unwrap()));
    }
    drop(tx);
    let got: Vec<u64> = rx.into_iter().collect();
    println!("{} {}", got.len(), got.iter().sum::<u64>());
}

fn barrier(threads: u64) {
    let barrier = Barrier::new(threads as usize);
    let leaders = AtomicU64::new(0);
    thread::scope(|s| {
        for _ in 0..threads {
            s.spawn(|| {
                for _ in 0..20 {
                    if barrier.wait().is_leader() {
                        leaders.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    println!("leaders {}", leaders.into_inner());
}

fn condvar() {
    let pair = (Mutex::new(0), Condvar::new());
    thread::scope(|s| {
        for me in 0..2 {
            let pair = &pair;
            s.spawn(move || {
                for _ in 0..500 {
                    let mut turn = pair.1.wait_while(pair.0.lock().unwrap(), |t| *t % 2 != me).unwrap();
                    *turn += 1;
                    pair.1.notify_all();
                }
            });
        }
    });
    println!("turns {}", pair.0.into_inner().unwrap());
}

fn files(threads: u64) {
    fs::create_dir("rust").unwrap();
    thread::scope(|s| {
        for i in 0..threads {
            s.spawn(move || fs::write(format!("rust/{i}"), vec![b'x'; i as usize * 100]).unwrap());
        }
    });
    let total: u64 = fs::read_dir("rust").unwrap().map(|e| e.unwrap().metadata().unwrap().len()).sum();
    fs::remove_dir_all("rust").unwrap();
    println!("files {total}");
}

fn sockets() {
    let listener = UnixListener::bind("rust.sock").unwrap();
    let server = thread::spawn(move || {
        for _ in 0..10 {
            let (mut stream, _) = listener.accept().unwrap();
            thread::spawn(move || {
                let mut text = String::new();
                stream.read_to_string(&mut text).unwrap();
                stream.write_all(text.to_uppercase().as_bytes()).unwrap();
            });
        }
    });
    let mut answers = 0;
    for _ in 0..10 {
        let mut stream = UnixStream::connect("rust.sock").unwrap();
        stream.write_all(b"question").unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        answers += usize::from(text == "QUESTION");
    }
    server.join().unwrap();
    fs::remove_file("rust.sock").unwrap();
    println!("answers {answers}");
}

fn children() {
    let codes: i32 = thread::scope(|s| {
        let all: Vec<_> =
            (0..6).map(|i| s.spawn(move || Command::new("sh").args(["-c", &format!("exit {i}")]).status().unwrap().code().unwrap())).collect();
        all.into_iter().map(|t| t.join().unwrap()).sum()
    });
    let mut cat = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    cat.stdin.take().unwrap().write_all(b"through cat").unwrap();
    println!("{codes} {}", String::from_utf8_lossy(&cat.wait_with_output().unwrap().stdout));
}
