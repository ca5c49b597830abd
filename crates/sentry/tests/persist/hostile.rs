//! States that nobody saved.

use crate::sandbox::Sandbox;

#[test]
fn damaged_states_are_refused() {
    let mut sandbox = Sandbox::start(
        r#"
        int main(void) {
            char line[64];
            SAY("ready");
            hear(line, sizeof line);
            return 0;
        }"#,
    );
    sandbox.expect("ready");
    let image = sandbox.save().unwrap();
    sandbox.say("");
    assert_eq!(sandbox.kernel().wait(), 0);
    // Cut off anywhere, it has no shape.
    for len in (0..image.state.len()).step_by(97) {
        let cut = crate::image::Image { state: image.state[..len].to_vec(), ..Default::default() };
        assert!(sandbox.try_restore(cut).is_err(), "{len} of {}", image.state.len());
    }
    // Any number for any other either has no consequence or an error: nobody panics.
    let mut refused = 0;
    let mut random = 1u64;
    for _ in 0..300 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let at = (random >> 33) as usize % image.state.len();
        let mut state = image.state.clone();
        state[at] = (random >> 56) as u8;
        let changed = crate::image::Image { state, ..Default::default() };
        refused += u32::from(sandbox.try_restore(changed).is_err());
    }
    assert!(refused > 100, "{refused}");
}
