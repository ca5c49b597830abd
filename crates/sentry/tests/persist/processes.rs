//! Several processes and threads: who is whose, who waits for whom, who has ended or stopped.

use crate::sandbox::{Sandbox, settle};

#[test]
fn families_stay_together() {
    let mut sandbox = Sandbox::start(
        r#"
        static volatile sig_atomic_t got;
        static void on_child(int signo, siginfo_t *info, void *context) { got += info->si_status; }
        int main(void) {
            char line[64];
            struct sigaction action = {.sa_sigaction = on_child, .sa_flags = SA_SIGINFO | SA_RESTART};
            pid_t zombie = fork();
            if (!zombie) _exit(5);
            siginfo_t info;
            waitid(P_PID, zombie, &info, WEXITED | WNOWAIT);
            pid_t stopped = fork();
            if (!stopped) {
                setpgid(0, 0);
                prctl(PR_SET_NAME, "stopped");
                raise(SIGSTOP);
                /* Its parent is to see that it went on. */
                usleep(300000);
                _exit(6);
            }
            int status;
            if (waitpid(stopped, &status, WUNTRACED) != stopped || !WIFSTOPPED(status)) return 1;
            pid_t waits = fork();
            if (!waits) {
                setsid();
                pid_t inner = fork();
                if (!inner) { pause(); _exit(9); }
                waitpid(inner, &status, 0);
                _exit(WIFSIGNALED(status) && getsid(0) == getpid() ? 7 : 99);
            }
            usleep(20000);
            sigaction(SIGCHLD, &action, NULL);
            SAY("ready");
            hear(line, sizeof line);
            SAY("%d %d", getpgid(stopped) == stopped, getsid(waits) == waits);
            if (waitpid(zombie, &status, 0) != zombie) return 2;
            SAY("zombie %d", WEXITSTATUS(status));
            kill(stopped, SIGCONT);
            if (waitpid(stopped, &status, WCONTINUED) != stopped || !WIFCONTINUED(status)) return 3;
            if (waitpid(stopped, &status, 0) != stopped) return 4;
            SAY("stopped %d", WEXITSTATUS(status));
            kill(waits + 1, SIGTERM);
            if (waitpid(waits, &status, 0) != waits) return 5;
            SAY("waits %d", WEXITSTATUS(status));
            SAY("%d %s", got >= 13, waitpid(-1, &status, 0) < 0 ? strerror(errno) : "more");
            return 0;
        }"#,
    );
    sandbox.expect("ready");
    settle();
    sandbox = sandbox.save_and_restore();
    settle();
    sandbox = sandbox.save_and_restore();
    sandbox.say("go");
    sandbox.ends_with(&["1 1", "zombie 5", "stopped 6", "waits 7", "1 No child processes"]);
}

#[test]
fn threads_wait_for_one_another() {
    let mut sandbox = Sandbox::start(
        r#"
        static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
        static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
        static int turn, rounds;
        static __thread int mine;
        static void *play(void *arg) {
            int me = (int)(intptr_t)arg;
            for (mine = 0; mine < 25000; mine++) {
                pthread_mutex_lock(&mutex);
                while (turn != me) pthread_cond_wait(&changed, &mutex);
                turn = (turn + 1) % 4;
                rounds++;
                pthread_cond_broadcast(&changed);
                pthread_mutex_unlock(&mutex);
            }
            return (void *)(intptr_t)(mine + me);
        }
        int main(void) {
            pthread_t threads[4];
            for (int i = 0; i < 4; i++) pthread_create(&threads[i], NULL, play, (void *)(intptr_t)i);
            SAY("begin");
            for (int i = 0; i < 4; i++) {
                void *result;
                pthread_join(threads[i], &result);
                if ((intptr_t)result != 25000 + i) return 1;
            }
            SAY("%d", rounds);
            return 0;
        }"#,
    );
    sandbox.expect("begin");
    sandbox = sandbox.cycles(5);
    sandbox.expect("100000");
    assert_eq!(sandbox.finish(), 0);
}

#[test]
fn locks_that_the_kernel_hands_over_go_on() {
    let mut sandbox = Sandbox::start(
        r#"
        static pthread_mutex_t mutex;
        static void *wants(void *arg) {
            pthread_mutex_lock(&mutex);
            SAY("has it");
            pthread_mutex_unlock(&mutex);
            return NULL;
        }
        static void *dies(void *arg) { pthread_mutex_lock(&mutex); return NULL; }
        int main(void) {
            char line[64];
            pthread_mutexattr_t attributes;
            pthread_mutexattr_init(&attributes);
            pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT);
            pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
            pthread_mutex_init(&mutex, &attributes);
            pthread_t thread;
            pthread_mutex_lock(&mutex);
            pthread_create(&thread, NULL, wants, NULL);
            usleep(20000);
            SAY("ready");
            hear(line, sizeof line);
            pthread_mutex_unlock(&mutex);
            pthread_join(thread, NULL);
            pthread_create(&thread, NULL, dies, NULL);
            pthread_join(thread, NULL);
            SAY("%s", strerror(pthread_mutex_lock(&mutex)));
            return 0;
        }"#,
    );
    sandbox.expect("ready");
    settle();
    sandbox = sandbox.save_and_restore();
    settle();
    sandbox.say("go");
    sandbox.ends_with(&["has it", "Owner died"]);
}

#[test]
fn a_parent_waits_for_vfork() {
    let mut sandbox = Sandbox::start(
        r#"
        int main(void) {
            static volatile int shared;
            SAY("begin");
            pid_t child = vfork();
            if (!child) {
                struct timespec t = {0, 200000000};
                nanosleep(&t, NULL);
                shared = 1;
                _exit(4);
            }
            SAY("%d", shared);
            int status;
            waitpid(child, &status, 0);
            return WEXITSTATUS(status);
        }"#,
    );
    sandbox.expect("begin");
    settle();
    sandbox = sandbox.save_and_restore();
    sandbox.expect("1");
    assert_eq!(sandbox.finish(), 4 << 8);
}
