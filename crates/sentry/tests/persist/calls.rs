//! Programs that are saved in the middle of a call.

use std::sync::Arc;
use std::time::Duration;

use stockade_sentry::persist::SaveError;
use stockade_sentry::vfs::{FileOps, anon};

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

/// What is open of a kind that has no saved form.
struct Formless;

impl FileOps for Formless {}

#[test]
fn what_cannot_be_saved_is_named_and_the_sandbox_goes_on() {
    let mut sandbox = Sandbox::start(
        r#"
        int main(void) {
            char line[64];
            SAY("ready");
            hear(line, sizeof line);
            return 3;
        }"#,
    );
    sandbox.expect("ready");
    // All that guests can open has a form: this has none.
    let task = sandbox.kernel().tree.lock().tasks.values().next().cloned().unwrap();
    let file = anon::file("[formless]", Arc::new(Formless), 0);
    let fd = task.files().add(file, false, 1024).unwrap();
    let Err(SaveError::Unsavable(problems)) = sandbox.save() else { panic!("it was saved") };
    assert!(!problems.is_empty() && problems.iter().all(|p| !p.why.is_empty()), "{problems:?}");
    assert_eq!(sandbox.kernel().task_count(), 1);
    assert!(problems[0].to_string().contains("Formless"), "{problems:?}");
    drop(task.files().remove(fd));
    assert!(sandbox.save().is_ok());
    sandbox.say("");
    assert_eq!(sandbox.finish(), 3 << 8);
}

/// Saves and restores a sandbox `times` times while it runs.
fn again(mut sandbox: Sandbox, times: u32) -> Sandbox {
    for _ in 0..times {
        std::thread::sleep(Duration::from_millis(15));
        sandbox = sandbox.save_and_restore();
    }
    sandbox
}

#[test]
fn sleeps_end_when_they_would_have() {
    let mut sandbox = Sandbox::start(
        r#"
        static double now(void) {
            struct timespec t;
            clock_gettime(CLOCK_MONOTONIC, &t);
            return t.tv_sec + t.tv_nsec / 1e9;
        }
        #include <poll.h>
        #include <sys/epoll.h>
        #include <sys/select.h>
        int main(void) {
            struct timespec t = {0, 400000000};
            struct timeval v = {0, 400000};
            sigset_t set;
            siginfo_t info;
            sigemptyset(&set);
            sigaddset(&set, SIGUSR1);
            sigprocmask(SIG_BLOCK, &set, NULL);
            int word = 1;
            for (int i = 0; i < 6; i++) {
                SAY("begin %d", i);
                double begin = now();
                errno = 0;
                long r = -2;
                switch (i) {
                case 0: r = nanosleep(&t, &t); break;
                case 1: r = poll(NULL, 0, 400); break;
                case 2: r = select(0, NULL, NULL, NULL, &v); break;
                case 3: t.tv_nsec = 400000000; r = sigtimedwait(&set, &info, &t); break;
                case 4: r = ppoll(NULL, 0, &t, NULL); break;
                case 5: t.tv_nsec = 400000000;
                        r = syscall(SYS_futex, &word, 0 /* FUTEX_WAIT */, 1, &t); break;
                }
                int e = errno;
                double took = now() - begin;
                SAY("%d: %ld %s %s", i, r, r < 0 ? strerror(e) : "-",
                    took < 0.399 ? "early" : took > 4 ? "late" : "in time");
            }
            return 0;
        }"#,
    );
    for (i, end) in
        ["0 -", "0 -", "0 -", "-1 Resource temporarily unavailable", "0 -", "-1 Connection timed out"]
            .into_iter()
            .enumerate()
    {
        sandbox.expect(&format!("begin {i}"));
        sandbox = again(sandbox, 2);
        sandbox.expect(&format!("{i}: {end} in time"));
    }
    assert_eq!(sandbox.finish(), 0);
}

#[test]
fn registers_survive() {
    let mut sandbox = Sandbox::start(
        r#"
        int main(void) {
            /* All kinds of registers, while nobody makes calls. */
            SAY("begin");
            double sum = 0;
            uint64_t hash = 14695981039346656037ull;
            for (uint64_t i = 1; i <= 500000000; i++) {
                sum += 1.0 / i;
                hash = (hash ^ (i & 255)) * 1099511628211ull;
            }
            SAY("%.9f %016lx", sum, hash);
            return 0;
        }"#,
    );
    sandbox.expect("begin");
    sandbox = again(sandbox, 4);
    sandbox.expect("20.607334322 2741cf0aa3a6f725");
    assert_eq!(sandbox.finish(), 0);
}

/// Calls that move much are made again behind what they have moved: who does not expect a short count sees none.
#[test]
fn transfers_go_on_where_they_were() {
    let mut sandbox = Sandbox::start(
        r#"
        #include <sys/socket.h>
        static char big[300000];
        static void on_signal(int signo) { (void)signo; }
        int main(void) {
            int ends[2], pair[2], late[2];
            char line[64];
            if (pipe(ends) || pipe(late) || socketpair(AF_UNIX, SOCK_STREAM, 0, pair)) return 1;
            for (int i = 0; i < 300000; i++) big[i] = i % 251;
            if (!fork()) {
                close(ends[0]);
                long n = write(ends[1], big, sizeof big);
                _exit(n == sizeof big ? 3 : 4);
            }
            if (!fork()) {
                long n = recv(pair[0], big, 12, MSG_WAITALL);
                _exit(n == 12 && !memcmp(big, "abcdefghijkl", 12) ? 3 : 4);
            }
            /* A handler that comes afterwards ends it with what was moved. */
            pid_t handled = fork();
            if (!handled) {
                struct sigaction action = {.sa_handler = on_signal};
                sigaction(SIGUSR1, &action, NULL);
                long n = write(late[1], big, sizeof big);
                _exit(n == 65536 ? 3 : 4);
            }
            close(ends[1]);
            if (write(pair[1], "abcde", 5) != 5) return 2;
            SAY("ready");
            hear(line, sizeof line);
            kill(handled, SIGUSR1);
            if (write(pair[1], "fghijkl", 7) != 7) return 2;
            int n, total = 0, wrong = 0;
            while ((n = read(ends[0], big, sizeof big)) > 0)
                for (int i = 0; i < n; i++) wrong += big[i] != (char)(total++ % 251);
            SAY("%d %d", total, wrong);
            for (int i = 0; i < 3; i++) {
                int status;
                wait(&status);
                SAY("%d", WEXITSTATUS(status));
            }
            return 0;
        }"#,
    );
    sandbox.expect("ready");
    sandbox = sandbox.cycles(2);
    sandbox.say("go");
    sandbox.ends_with(&["300000 0", "3", "3", "3"]);
}
