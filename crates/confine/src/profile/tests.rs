use std::fs::File;
use std::hint::black_box;
use std::time::{Duration, Instant};

use super::*;

fn program() -> File {
    File::open("/proc/self/exe").unwrap()
}

#[inline(never)]
fn busy_bee(until: Instant) -> u64 {
    let mut sum = 0_u64;
    while Instant::now() < until {
        for i in 0..1000 {
            sum = black_box(sum.wrapping_mul(31).wrapping_add(i));
        }
    }
    sum
}

fn names(symbols: &Symbols<'_>, stack: &[usize]) -> Vec<String> {
    stack.iter().flat_map(|ip| symbols.resolve(ip - 1)).map(|frame| frame.function).collect()
}

#[test]
fn cpu_time_is_sampled_where_it_goes() {
    static CALL: &str = "frobnicate";
    let sampling = CpuSampling::start(100).unwrap().unwrap();
    assert!(CpuSampling::start(100).unwrap().is_none());
    let label = Label { pid: 7, tid: 8, command: *b"bee\0\0\0\0\0\0\0\0\0\0\0\0\0" };
    let bee = std::thread::Builder::new().name("worker".into()).spawn(move || {
        set_label(label);
        crate::crash::set_call(Some(&CALL));
        busy_bee(Instant::now() + Duration::from_secs(1))
    });
    bee.unwrap().join().unwrap();
    sampling.stop();
    let mut samples = Vec::new();
    sampling.drain(|sample| samples.push(*sample));
    let used = sampling.cpu_time();
    drop(sampling);
    let mine: Vec<_> = samples.iter().filter(|sample| sample.label == label).collect();
    // Other tests run beside, and the machine may be busy.
    let expected = used.as_millis() as usize / 10;
    assert!(mine.len() > 10 && samples.len() < expected * 3 / 2 + 5, "{} of {expected}", samples.len());
    Symbols::with(Some(program()), |symbols| {
        for sample in &mine {
            assert_eq!(sample.call.copied(), Some("frobnicate"));
            assert!(sample.thread.starts_with(b"worker\0"));
        }
        let within =
            |sample: &&&Sample| names(symbols, sample.stack()).iter().any(|n| n.contains("busy_bee"));
        assert!(mine.iter().filter(within).count() > mine.len() * 9 / 10);
        // Some are within the clock, of which there are no lines.
        let frames = mine.iter().map(|sample| symbols.resolve(sample.stack()[0]));
        let mut frames = frames.filter(|frames| frames.iter().any(|f| f.function.contains("busy_bee")));
        let frames = frames.next().unwrap();
        assert!(frames.iter().any(|f| f.line > 0 && !f.file.is_empty()), "{frames:?}");
    });
    assert!(CpuSampling::start(10).unwrap().is_some());
}

#[test]
fn threads_show_their_stacks_and_go_on() {
    #[inline(never)]
    fn waiting_room(end: &std::sync::mpsc::Receiver<()>) -> bool {
        black_box(end.recv().is_ok())
    }
    let (tell, end) = std::sync::mpsc::channel();
    let waiter = std::thread::Builder::new().name("waiter".into()).spawn(move || waiting_room(&end)).unwrap();
    std::thread::sleep(Duration::from_millis(50));
    let stacks = thread_stacks(File::open("/proc").unwrap()).unwrap();
    let of = |name: &[u8]| {
        let named = |s: &&ThreadStack| s.sample.is_some_and(|sample| sample.thread.starts_with(name));
        stacks.iter().find(named).unwrap()
    };
    let waiting = of(b"waiter\0");
    assert!(waiting.sleeps);
    Symbols::with(Some(program()), |symbols| {
        let names = names(symbols, waiting.sample.unwrap().stack());
        assert!(names.iter().any(|n| n.contains("waiting_room")), "{names:?}");
    });
    tell.send(()).unwrap();
    assert!(waiter.join().unwrap());
}

#[test]
fn waits_are_taken_in_proportion() {
    let sampling = WaitSampling::start(1_000_000).unwrap();
    assert!(WaitSampling::start(1).is_none() && waits_are_sampled());
    for _ in 0..400 {
        note_wait(Duration::from_micros(250));
    }
    note_wait(Duration::from_millis(3));
    sampling.stop();
    let (mut count, mut sum) = (0_u64, 0);
    sampling.drain(|sample| {
        count += 1;
        sum += sample.nanos;
        assert!(!sample.stack().is_empty());
    });
    assert!(!waits_are_sampled());
    // A quarter of 400, give or take four standard deviations, and the long one.
    assert!((66..=136).contains(&count), "{count}");
    assert_eq!(sum, (count - 1) * 1_000_000 + 3_000_000);
}

#[test]
fn libraries_have_names_too() {
    Symbols::with(None::<File>, |symbols| {
        let frames = symbols.resolve(libc::getpid as *const () as usize);
        assert!(frames[0].function.contains("getpid"), "{frames:?}");
        assert_eq!(symbols.modules()[0].path, "");
    });
}
