//! Signals that wait, masks, stacks of handlers, and timers.

use std::time::Duration;

use crate::sandbox::Sandbox;

#[test]
fn what_is_pending_comes_with_what_it_says() {
    let mut sandbox = Sandbox::start(
        r#"
        static char stack[65536];
        static void handler(int signo, siginfo_t *info, void *context) {
            char here;
            bool on_stack = &here >= stack && &here < stack + sizeof stack;
            SAY("%d %d %d %s", signo, info->si_code, info->si_value.sival_int, on_stack ? "own" : "normal");
        }
        int main(void) {
            char line[64];
            sigset_t set, old;
            stack_t own = {.ss_sp = stack, .ss_size = sizeof stack};
            sigaltstack(&own, NULL);
            struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK};
            sigfillset(&action.sa_mask);
            sigaction(SIGUSR1, &action, NULL);
            sigaction(40, &action, NULL);
            sigemptyset(&set);
            sigaddset(&set, SIGUSR1);
            sigaddset(&set, 40);
            sigprocmask(SIG_BLOCK, &set, &old);
            for (int i = 1; i <= 3; i++) sigqueue(getpid(), 40, (union sigval){.sival_int = i});
            syscall(SYS_tgkill, getpid(), getpid(), SIGUSR1);
            SAY("ready");
            hear(line, sizeof line);
            sigpending(&set);
            SAY("%d %d %d", sigismember(&set, 40), sigismember(&set, SIGUSR1), sigismember(&set, SIGTERM));
            sigprocmask(SIG_SETMASK, &old, NULL);
            sigpending(&set);
            SAY("%d %d", sigismember(&set, 40), sigismember(&set, SIGUSR1));
            return 0;
        }"#,
    );
    sandbox.expect("ready");
    std::thread::sleep(Duration::from_millis(20));
    sandbox = sandbox.save_and_restore();
    sandbox.say("go");
    for line in ["1 1 0", "10 -6 0 own", "40 -1 1 own", "40 -1 2 own", "40 -1 3 own"] {
        sandbox.expect(line);
    }
    sandbox.expect("0 0");
    assert_eq!(sandbox.finish(), 0);
}

#[test]
fn a_signal_after_the_restore_decides_about_the_call() {
    let mut sandbox = Sandbox::start(
        r#"
        static void handler(int signo) {}
        static void test(int flags) {
            struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
            sigaction(SIGALRM, &action, NULL);
            struct itimerval in = {.it_value = {2, 0}};
            setitimer(ITIMER_REAL, &in, NULL);
            char line[64];
            SAY("reads");
            long n = read(0, line, sizeof line);
            SAY("%ld %s", n, n < 0 ? strerror(errno) : "-");
        }
        int main(void) {
            test(0);
            test(SA_RESTART);
            SAY("pauses");
            struct itimerval in = {.it_value = {2, 0}};
            setitimer(ITIMER_REAL, &in, NULL);
            int r = pause();
            SAY("%d %s", r, strerror(errno));
            return 0;
        }"#,
    );
    sandbox.expect("reads");
    std::thread::sleep(Duration::from_millis(20));
    sandbox = sandbox.save_and_restore();
    sandbox.expect("-1 Interrupted system call");
    sandbox.expect("reads");
    sandbox = sandbox.save_and_restore();
    std::thread::sleep(Duration::from_millis(500));
    sandbox.say("abc");
    sandbox.expect("4 -");
    sandbox.expect("pauses");
    std::thread::sleep(Duration::from_millis(20));
    sandbox = sandbox.save_and_restore();
    sandbox.expect("-1 Interrupted system call");
    assert_eq!(sandbox.finish(), 0);
}

#[test]
fn who_waits_for_a_signal_gets_it_after_the_restore() {
    let mut sandbox = Sandbox::start(
        r#"
        int main(void) {
            sigset_t set;
            siginfo_t info;
            sigfillset(&set);
            sigprocmask(SIG_BLOCK, &set, NULL);
            struct itimerval in = {.it_value = {2, 0}};
            setitimer(ITIMER_REAL, &in, NULL);
            SAY("waits");
            int r = sigwaitinfo(&set, &info);
            SAY("%d %d", r == SIGALRM, info.si_code == SI_KERNEL);
            return 0;
        }"#,
    );
    sandbox.expect("waits");
    for _ in 0..3 {
        std::thread::sleep(Duration::from_millis(20));
        sandbox = sandbox.save_and_restore();
    }
    sandbox.expect("1 1");
    assert_eq!(sandbox.finish(), 0);
}

#[test]
fn timers_go_on() {
    let mut sandbox = Sandbox::start(
        r#"
        static volatile sig_atomic_t ticks, cpu, value;
        static void on_tick(int signo, siginfo_t *info, void *context) {
            ticks += 1 + info->si_overrun;
            value = info->si_value.sival_int;
        }
        static void on_cpu(int signo) { cpu++; }
        int main(void) {
            struct sigaction action = {.sa_sigaction = on_tick, .sa_flags = SA_SIGINFO | SA_RESTART};
            sigaction(SIGRTMIN, &action, NULL);
            signal(SIGVTALRM, on_cpu);
            struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN};
            event.sigev_value.sival_int = 77;
            timer_t timer, other;
            timer_create(CLOCK_MONOTONIC, &event, &timer);
            timer_create(CLOCK_REALTIME, &event, &other);
            struct itimerspec every = {.it_interval = {0, 10000000}, .it_value = {0, 10000000}};
            struct itimerspec hour = {.it_value = {3600, 0}}, left;
            timer_settime(timer, 0, &every, NULL);
            timer_settime(other, 0, &hour, NULL);
            struct itimerval used = {.it_interval = {0, 50000}, .it_value = {0, 50000}};
            setitimer(ITIMER_VIRTUAL, &used, NULL);
            struct timespec begin, now;
            clock_gettime(CLOCK_MONOTONIC, &begin);
            SAY("begin");
            do clock_gettime(CLOCK_MONOTONIC, &now);
            while ((now.tv_sec - begin.tv_sec) * 1000000000l + now.tv_nsec - begin.tv_nsec < 2500000000l);
            long seconds = (now.tv_sec - begin.tv_sec) * 100 + (now.tv_nsec - begin.tv_nsec) / 10000000;
            timer_gettime(other, &left);
            SAY("%d %d %d %d", ticks >= seconds - 3 && ticks <= seconds + 1, value, cpu > 0,
                left.it_value.tv_sec > 3500 && left.it_value.tv_sec < 3600);
            return 0;
        }"#,
    );
    sandbox.expect("begin");
    for _ in 0..3 {
        std::thread::sleep(Duration::from_millis(40));
        sandbox = sandbox.save_and_restore();
    }
    sandbox.expect("1 77 1 1");
    assert_eq!(sandbox.finish(), 0);
}
