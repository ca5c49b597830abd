//! Programs that are saved in the middle of a call.

use std::time::Duration;

use stockade_sentry::persist::SaveError;

use crate::sandbox::Sandbox;

#[test]
fn a_read_that_waits_goes_on() {
    let mut sandbox = Sandbox::start(
        r#"
        static double sum = 0.5;
        int main(int argc, char **argv) {
            char line[64];
            char *heap = malloc(1 << 20);
            strcpy(heap + 500000, "kept");
            for (int i = 0; i < 3; i++) {
                sum *= 1.5;
                SAY("%d %g %s %s", i, sum, argv[0], getenv("A"));
                if (!hear(line, sizeof line)) return 1;
                SAY("%s heard %.*s", heap + 500000, (int)strlen(line) - 1, line);
            }
            return 7;
        }"#,
    );
    for (i, sum) in ["0.75", "1.125", "1.6875"].into_iter().enumerate() {
        sandbox.expect(&format!("{i} {sum} program b"));
        std::thread::sleep(Duration::from_millis(20));
        sandbox = sandbox.save_and_restore();
        sandbox.say("something");
        sandbox.expect("kept heard something");
    }
    assert_eq!(sandbox.finish(), 7 << 8);
}

#[test]
fn what_cannot_be_saved_is_named_and_the_sandbox_goes_on() {
    let mut sandbox = Sandbox::start(
        r#"
        int main(void) {
            char line[64];
            int ends[2];
            if (syscall(SYS_inotify_init1, 0) < 0 || pipe(ends)) return 1;
            SAY("ready");
            hear(line, sizeof line);
            return 3;
        }"#,
    );
    sandbox.expect("ready");
    let Err(SaveError::Unsavable(problems)) = sandbox.save() else { panic!("it was saved") };
    assert!(!problems.is_empty() && problems.iter().all(|p| !p.why.is_empty()), "{problems:?}");
    assert_eq!(sandbox.kernel().task_count(), 1);
    sandbox.say("");
    assert_eq!(sandbox.finish(), 3 << 8);
}
