//! Pipes, and files that events are read from.

use crate::sandbox::{Sandbox, settle};

#[test]
fn a_pipeline_half_read_goes_on() {
    let mut sandbox = Sandbox::start(
        r#"
        int main(void) {
            int ends[2], packets[2];
            char line[64], *big = malloc(100000);
            if (pipe(ends) || pipe2(packets, O_DIRECT | O_NONBLOCK | O_CLOEXEC)) return 1;
            fcntl(ends[0], F_SETPIPE_SZ, 16384);
            pid_t writer = fork();
            if (!writer) {
                /* More than fits: it waits in the middle. */
                for (int i = 0; i < 100000; i++) big[i] = i % 251;
                close(ends[0]);
                _exit(write(ends[1], big, 100000) == 100000 ? 3 : 4);
            }
            close(ends[1]);
            if (write(packets[1], "one", 3) != 3 || write(packets[1], "second", 6) != 6) return 2;
            if (read(ends[0], big, 5000) != 5000) return 3;
            SAY("ready");
            hear(line, sizeof line);
            int n, total = 5000;
            while ((n = read(ends[0], big + total, 100000 - total)) > 0) total += n;
            int wrong = 0, status;
            for (int i = 0; i < total; i++) wrong += big[i] != (char)(i % 251);
            waitpid(writer, &status, 0);
            SAY("%d %d %d %ld", total, wrong, WEXITSTATUS(status), (long)fcntl(ends[0], F_GETPIPE_SZ));
            n = read(packets[0], line, sizeof line);
            int m = read(packets[0], line, sizeof line);
            SAY("%d %d %ld", n, m, (long)read(packets[0], line, sizeof line));
            SAY("%d %d", fcntl(packets[0], F_GETFD), (fcntl(packets[1], F_GETFL) & (O_DIRECT | O_NONBLOCK)) != 0);
            close(packets[0]);
            signal(SIGPIPE, SIG_IGN);
            long written = write(packets[1], "x", 1);
            SAY("%ld %s", written, strerror(errno));
            return 0;
        }"#,
    );
    sandbox.expect("ready");
    sandbox = sandbox.cycles(2);
    sandbox.say("go");
    sandbox.ends_with(&["100000 0 3 16384", "3 6 -1", "1 1", "-1 Broken pipe"]);
}

#[test]
fn who_waits_on_a_pipe_or_counter_is_woken_after_it() {
    let mut sandbox = Sandbox::start(
        r#"
        #include <sys/eventfd.h>
        static int ends[2], counter, semaphore;
        static void *reads(void *arg) {
            uint64_t value;
            char byte;
            if (read(counter, &value, 8) != 8) return NULL;
            if (read(ends[0], &byte, 1) != 1) return NULL;
            return (void *)(intptr_t)(value * 256 + byte);
        }
        int main(void) {
            char line[64];
            pthread_t thread;
            counter = eventfd(0, 0);
            semaphore = eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK);
            if (pipe(ends)) return 1;
            pthread_create(&thread, NULL, reads, NULL);
            SAY("ready");
            hear(line, sizeof line);
            uint64_t value = 7, got;
            if (write(counter, &value, 8) != 8) return 2;
            hear(line, sizeof line);
            if (write(ends[1], "\x05", 1) != 1) return 2;
            void *result;
            pthread_join(thread, &result);
            int times = 0;
            while (read(semaphore, &got, 8) == 8 && got == 1) times++;
            SAY("%ld %d %s", (long)result, times, strerror(errno));
            return 0;
        }"#,
    );
    sandbox.expect("ready");
    for _ in 0..2 {
        settle();
        sandbox = sandbox.save_and_restore();
        settle();
        sandbox.say("go");
    }
    sandbox.expect("1797 2 Resource temporarily unavailable");
    assert_eq!(sandbox.finish(), 0);
}

#[test]
fn timers_and_signals_are_read_as_before() {
    let mut sandbox = Sandbox::start(
        r#"
        #include <sys/signalfd.h>
        #include <sys/timerfd.h>
        #include <poll.h>
        int main(void) {
            char line[64];
            sigset_t set;
            sigemptyset(&set);
            sigaddset(&set, SIGUSR1);
            sigaddset(&set, 40);
            sigprocmask(SIG_BLOCK, &set, NULL);
            int signals = signalfd(-1, &set, SFD_NONBLOCK);
            sigqueue(getpid(), 40, (union sigval){.sival_int = 11});
            int once = timerfd_create(CLOCK_MONOTONIC, 0), often = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK);
            int hour = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK), idle = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
            struct itimerspec soon = {.it_value = {0, 400000000}};
            struct itimerspec every = {.it_value = {0, 1000000}, .it_interval = {0, 1000000}};
            struct timespec now;
            clock_gettime(CLOCK_REALTIME, &now);
            struct itimerspec later = {.it_value = {now.tv_sec + 3600, 0}};
            timerfd_settime(once, 0, &soon, NULL);
            timerfd_settime(often, 0, &every, NULL);
            timerfd_settime(hour, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &later, NULL);
            SAY("ready");
            uint64_t ticks = 0, many = 0;
            /* It waits through it. */
            long n = read(once, &ticks, 8);
            SAY("%ld %ld", n, (long)ticks);
            hear(line, sizeof line);
            n = read(often, &many, 8);
            SAY("%ld %d", n, many > 300 && many < 10000);
            struct itimerspec left;
            timerfd_gettime(hour, &left);
            SAY("%d %d", left.it_value.tv_sec > 3500 && left.it_value.tv_sec <= 3600, left.it_interval.tv_sec == 0);
            n = read(hour, &ticks, 8);
            SAY("%ld %s", n, strerror(errno));
            n = read(idle, &ticks, 8);
            SAY("%ld %s", n, strerror(errno));
            kill(getpid(), SIGUSR1);
            struct pollfd poll_signals = {signals, POLLIN, 0};
            struct signalfd_siginfo infos[4];
            int ready = poll(&poll_signals, 1, 1000);
            n = read(signals, infos, sizeof infos);
            SAY("%d %ld %d %d %d", ready, n / (long)sizeof *infos, infos[0].ssi_signo, infos[1].ssi_signo, infos[1].ssi_int);
            return 0;
        }"#,
    );
    sandbox.expect("ready");
    sandbox = sandbox.cycles(2);
    sandbox.expect("8 1");
    sandbox = sandbox.save_and_restore();
    sandbox.say("go");
    sandbox.ends_with(&[
        "8 1",
        "1 1",
        "-1 Operation canceled",
        "-1 Resource temporarily unavailable",
        "1 2 10 40 11",
    ]);
}

#[test]
fn epoll_tells_what_was_not_fetched() {
    let mut sandbox = Sandbox::start(
        r#"
        #include <sys/epoll.h>
        #include <sys/eventfd.h>
        static int set;
        static void watch(int on, int fd, uint32_t events, uint64_t data) {
            struct epoll_event event = {.events = events, .data.u64 = data};
            if (epoll_ctl(on, EPOLL_CTL_ADD, fd, &event)) SAY("epoll_ctl: %s", strerror(errno));
        }
        static void show(int of, int wait) {
            struct epoll_event events[16];
            char text[100] = "";
            int n = epoll_wait(of, events, 16, wait);
            for (int wanted = 0; wanted < 32; wanted++)
                for (int i = 0; i < n; i++)
                    if (events[i].data.u64 == wanted)
                        snprintf(text + strlen(text), 20, " %d:%x", wanted, events[i].events);
            char all[120];
            snprintf(all, sizeof all, "%d%.100s", n, text);
            say(all);
        }
        int main(void) {
            char line[64];
            int pipes[5][2], counter = eventfd(0, 0), inner = epoll_create1(0);
            set = epoll_create1(EPOLL_CLOEXEC);
            for (int i = 0; i < 5; i++) if (pipe(pipes[i])) return 1;
            watch(set, pipes[0][0], EPOLLIN, 0);                   /* ready, fetched: level */
            watch(set, pipes[1][0], EPOLLIN | EPOLLET, 1);         /* ready, fetched: edge */
            watch(set, pipes[2][0], EPOLLIN | EPOLLONESHOT, 2);    /* ready, fetched: once */
            for (int i = 0; i < 3; i++) if (write(pipes[i][1], "x", 1) != 1) return 2;
            show(set, 1000);
            watch(set, pipes[3][0], EPOLLIN | EPOLLET, 3);         /* ready, not fetched: edge */
            watch(set, pipes[4][0], EPOLLIN, 4);                   /* not ready */
            watch(set, counter, EPOLLOUT | EPOLLET, 5);
            watch(set, inner, EPOLLIN, 6);
            watch(inner, pipes[3][0], EPOLLIN, 7);
            if (write(pipes[3][1], "x", 1) != 1) return 3;
            /* Closed, but open under another number. */
            int other = dup(pipes[4][0]);
            close(pipes[4][0]);
            SAY("ready");
            hear(line, sizeof line);
            show(set, 1000);
            show(set, 0);
            show(inner, 0);
            if (write(pipes[1][1], "y", 1) != 1 || write(pipes[4][1], "y", 1) != 1) return 4;
            show(set, 0);
            struct epoll_event event = {.events = EPOLLIN, .data.u64 = 8};
            if (epoll_ctl(set, EPOLL_CTL_MOD, pipes[2][0], &event)) return 5;
            show(set, 0);
            for (int i = 0; i < 4; i++) if (epoll_ctl(set, EPOLL_CTL_DEL, pipes[i][0], NULL)) return 6;
            if (epoll_ctl(set, EPOLL_CTL_DEL, inner, NULL) || !epoll_ctl(set, EPOLL_CTL_DEL, other, NULL)) return 7;
            if (read(other, line, 1) != 1) return 8;
            /* It waits with nothing there. */
            SAY("waits");
            show(set, 5000);
            return 0;
        }"#,
    );
    sandbox.expect("3 0:1 1:1 2:1");
    sandbox.expect("ready");
    sandbox = sandbox.cycles(3);
    sandbox.say("go");
    for line in ["4 0:1 3:1 5:4 6:1", "2 0:1 6:1", "1 7:1", "4 0:1 1:1 4:1 6:1", "4 0:1 4:1 6:1 8:1", "waits"]
    {
        sandbox.expect(line);
    }
    settle();
    sandbox = sandbox.save_and_restore();
    sandbox.expect("0");
    assert_eq!(sandbox.finish(), 0);
}

#[test]
fn a_pidfd_is_of_its_process_even_when_that_is_gone() {
    let mut sandbox = Sandbox::start(
        r#"
        #include <poll.h>
        #define OPEN(pid) (int)syscall(SYS_pidfd_open, pid, 0)
        int main(void) {
            char line[64];
            int status;
            pid_t gone = fork();
            if (!gone) pause();
            int gone_fd = OPEN(gone);
            kill(gone, SIGKILL);
            waitpid(gone, &status, 0);
            pid_t zombie = fork();
            if (!zombie) _exit(4);
            int zombie_fd = OPEN(zombie);
            siginfo_t info;
            waitid(P_PID, zombie, &info, WEXITED | WNOWAIT);
            pid_t lives = fork();
            if (!lives) { pause(); _exit(1); }
            int lives_fd = OPEN(lives);
            SAY("ready");
            hear(line, sizeof line);
            struct pollfd fds[3] = {{gone_fd, POLLIN, 0}, {zombie_fd, POLLIN, 0}, {lives_fd, POLLIN, 0}};
            poll(fds, 3, 0);
            SAY("%x %x %x", fds[0].revents, fds[1].revents, fds[2].revents);
            long sent = syscall(SYS_pidfd_send_signal, gone_fd, 0, NULL, 0);
            SAY("%ld %s", sent, strerror(errno));
            SAY("%ld", syscall(SYS_pidfd_send_signal, lives_fd, SIGTERM, NULL, 0));
            poll(fds + 2, 1, 5000);
            waitid((idtype_t)3 /* P_PIDFD */, lives_fd, &info, WEXITED);
            SAY("%x %d %d", fds[2].revents, info.si_pid == lives, info.si_status);
            return 0;
        }"#,
    );
    sandbox.expect("ready");
    settle();
    sandbox = sandbox.save_and_restore().save_and_restore();
    sandbox.say("go");
    sandbox.ends_with(&["11 1 0", "-1 No such process", "0", "1 1 15"]);
}

#[test]
fn watches_go_on_and_events_wait() {
    let mut sandbox = Sandbox::usual(
        r#"
        #include <sys/inotify.h>
        #include <sys/stat.h>
        static void show(int fd) {
            static char bytes[4096] __attribute__((aligned(8)));
            char text[200] = "";
            long n = read(fd, bytes, sizeof bytes);
            for (char *at = bytes; n > 0 && at < bytes + n;) {
                struct inotify_event *event = (void *)at;
                snprintf(text + strlen(text), 40, " %d:%x:%s", event->wd, event->mask, event->len ? event->name : "");
                at += sizeof *event + event->len;
            }
            say(n < 0 ? strerror(errno) : text);
        }
        static void touch(const char *name) { close(open(name, O_CREAT | O_WRONLY, 0600)); }
        static void *later(void *arg) {
            char line[64];
            hear(line, sizeof line);
            touch("/etc/later");
            return NULL;
        }
        int main(void) {
            char line[64];
            int fd = inotify_init1(IN_NONBLOCK), other = inotify_init();
            mkdir("/tmp/d", 0700);
            touch("/tmp/f");
            int file = open("/tmp/f", O_RDWR);
            int gone = inotify_add_watch(fd, "/tmp", IN_CREATE);
            int dir = inotify_add_watch(fd, "/tmp/d", IN_CREATE | IN_DELETE | IN_MOVE);
            int own = inotify_add_watch(fd, "/tmp/f", IN_DELETE_SELF | IN_MODIFY | IN_ONESHOT);
            int etc = inotify_add_watch(other, "/etc", IN_CREATE | IN_MODIFY);
            inotify_rm_watch(fd, gone);
            touch("/tmp/d/one");
            unlink("/tmp/f");
            SAY("%d %d %d %d", gone, dir, own, etc);
            hear(line, sizeof line);
            show(fd);
            touch("/tmp/d/two");
            rename("/tmp/d/two", "/tmp/d/three");
            show(fd);
            if (write(file, "x", 1) != 1) return 1;
            show(fd);
            touch("/etc/new");
            show(other);
            SAY("%d", inotify_add_watch(fd, "/tmp/d", IN_MASK_ADD | IN_OPEN));
            SAY("%d", inotify_add_watch(fd, "/tmp", IN_CREATE));
            hear(line, sizeof line);
            /* It waits. */
            pthread_t thread;
            pthread_create(&thread, NULL, later, NULL);
            SAY("waits");
            show(other);
            inotify_rm_watch(fd, dir);
            show(fd);
            close(file);
            return 0;
        }"#,
    );
    sandbox.expect("1 2 3 1");
    sandbox = sandbox.cycles(2);
    sandbox.say("go");
    for line in
        [" 1:8000: 2:100:one", " 2:100:two 2:40:two 2:80:three", " 3:2: 3:8000:", " 1:100:new", "2", "4"]
    {
        sandbox.expect(line);
    }
    settle();
    sandbox = sandbox.save_and_restore();
    sandbox.say("go");
    sandbox.expect("waits");
    settle();
    sandbox = sandbox.save_and_restore();
    sandbox.say("go");
    sandbox.expect(" 1:100:later");
    sandbox.expect(" 2:8000:");
    assert_eq!(sandbox.finish(), 0);
}

#[test]
fn a_fifo_keeps_what_is_in_it_and_who_has_it_open() {
    let mut sandbox = Sandbox::usual(
        r#"
        #include <sys/stat.h>
        static void *opens(void *arg) { return (void *)(intptr_t)open("/tmp/other", O_RDONLY); }
        int main(void) {
            char line[64];
            if (mkfifo("/tmp/fifo", 0600) || mkfifo("/tmp/other", 0600)) return 1;
            int reader = open("/tmp/fifo", O_RDONLY | O_NONBLOCK), writer = open("/tmp/fifo", O_WRONLY);
            if (write(writer, "waits", 5) != 5) return 2;
            unlink("/tmp/fifo");
            pthread_t thread;
            pthread_create(&thread, NULL, opens, NULL);
            usleep(20000);
            SAY("ready");
            hear(line, sizeof line);
            char name[64];
            snprintf(name, sizeof name, "/proc/self/fd/%d", writer);
            int again = open(name, O_WRONLY);
            long n = write(again, "!", 1) + read(reader, line, sizeof line);
            SAY("%ld %.6s", n, line);
            close(writer);
            n = read(reader, line, sizeof line);
            SAY("%ld %s", n, strerror(errno));
            close(again);
            SAY("%ld", (long)read(reader, line, sizeof line));
            int other = open("/tmp/other", O_WRONLY);
            void *opened;
            pthread_join(thread, &opened);
            if (write(other, "abc", 3) != 3) return 3;
            SAY("%ld", (long)read((int)(intptr_t)opened, line, sizeof line));
            return 0;
        }"#,
    );
    sandbox.expect("ready");
    sandbox = sandbox.cycles(2);
    sandbox.say("go");
    sandbox.ends_with(&["7 waits!", "-1 Resource temporarily unavailable", "0", "3"]);
}
