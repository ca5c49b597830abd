//! One sandbox saved many times, and one image restored many times.
//!
//! `STOCKADE_LOAD=1` runs it whole: 1,000 cycles, 10,000 restores; without, a part of that.

use crate::detached::pid;

use super::*;

/// So many, or a part of it.
fn times(whole: usize, part: usize) -> usize {
    if std::env::var_os("STOCKADE_LOAD").is_some() { whole } else { part }
}

/// What a sandbox's sentry holds by itself: descriptors, and private memory in KiB.
fn held(place: &Place, id: &str) -> (usize, u64) {
    let sentry = pid(&place.state.record(id).unwrap(), "pid").as_raw_nonzero();
    let (descriptors, _, memory) = crate::held::held(sentry.get().unsigned_abs().into());
    (descriptors, memory)
}

#[test]
fn cycles_without_growth() {
    let place = Place::new();
    let mut front = place.start("box", &[], &["sh", "-c", "while read line; do echo $line; done"]);
    let size = || place.path("image").metadata().unwrap().len();
    let mut first = None;
    for n in 0..times(1000, 50) {
        front.say(&n.to_string());
        front.expect(&n.to_string());
        if n == 2 {
            first = Some((size(), held(&place, "box")));
        }
        front = place.cycle("box", front, "image");
    }
    front.say("last");
    front.expect("last");
    let (first, last) = (first.unwrap(), (size(), held(&place, "box")));
    assert!(last.0 <= first.0 + (64 << 10), "the image grew from {} to {} bytes", first.0, last.0);
    assert!(last.1.0 <= first.1.0 + 2 && last.1.1 <= first.1.1 + 1024, "{first:?} became {last:?}");
    assert_eq!(front.end().2, Some(0));
}

#[test]
fn restores_leave_nothing_behind() {
    const AT_ONCE: usize = 25;
    let place = Place::new();
    let front = place.start("box", &["--pids", "10"], &["sh", "-c", "read line; exit 3"]);
    until("it waits", || place.state.run(&["ps", "box"]).2 == Some(0));
    place.save("box", "image", &[]);
    assert_eq!(front.end().2, Some(0));
    let (image, count) = (place.at("image"), AT_ONCE.to_string());
    for _ in 0..times(10_000, 50) / AT_ONCE {
        let (names, said, status) =
            place.state.run(&["restore", &image, "--detach", "--rm", "--count", &count]);
        assert_eq!((names.lines().count(), &*said, status), (AT_ONCE, "", Some(0)));
        let sentries: Vec<_> =
            names.lines().filter_map(|id| Some(pid(&place.state.record(id)?, "pid"))).collect();
        // Their input has ended, and so do they.
        let is_gone = |sentry: &_| rustix::process::test_kill_process(*sentry).is_err();
        until("they are gone", || place.state.ids().is_empty() && sentries.iter().all(is_gone));
    }
}
