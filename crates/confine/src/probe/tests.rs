use super::*;

#[test]
fn this_host_has_what_is_needed() {
    let probes = probe_all();
    for probe in &probes {
        println!("{:?} {probe}", probe.state);
        assert!(!probe.detail.is_empty(), "{}", probe.name);
        assert_eq!(probe.state == State::Present, probe.fix.is_empty(), "{}", probe.name);
    }
    assert!(probes.iter().all(|p| p.state != State::Missing));
    require().unwrap();
}

#[test]
fn says_it_in_one_sentence() {
    let one = Probe::missing("X", "does Y", "it failed: EPERM", "do Z");
    assert_eq!(one.to_string(), "this host lacks X (does Y): it failed: EPERM; do Z");
    let two = Missing(vec![one.clone(), one.clone()]);
    assert_eq!(two.to_string(), format!("{one} (and 1 more: `stockade doctor` lists them)"));
}

#[test]
fn the_quick_look_is_quick() {
    let start = std::time::Instant::now();
    for _ in 0..100 {
        look().unwrap();
    }
    let each = start.elapsed() / 100;
    assert!(each.as_micros() < 300, "{each:?}");
}
