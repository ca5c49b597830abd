//! States that nobody saved: values replaced by others, a round for each seed. `STOCKADE_FORGED=ROUNDS` has each test try more of them,
//! from `STOCKADE_SEED` on; `STOCKADE_STATES=DIR` has them write the states that they begin with there, for `fuzz/`.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

use stockade_sentry::fuzz::forge;

use crate::image::Image;
use crate::sandbox::Sandbox;

/// Has one of each kind of what is open, and uses it all when it hears something.
const OPEN: &str = r#"
#include <stddef.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>
static int fds[64], count;
static int keep(int fd) { if (fd < 0) _exit(50 + count); return fds[count++] = fd; }
static void pass(int to, int fd) {
    char control[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec piece = {"x", 1};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    *head = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    memcpy(CMSG_DATA(head), &fd, sizeof fd);
    if (sendmsg(to, &message, MSG_DONTWAIT) != 1) _exit(60);
}
int main(void) {
    char line[64], name[32];
    int two[2], number, locked = 0, on = 1;
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    if (pipe2(two, O_DIRECT | O_NONBLOCK)) return 1;
    for (int i = 0; i < 2; i++) keep(two[i]);
    if (write(two[1], "one", 3) != 3 || write(two[1], "two", 3) != 3) return 2;
    keep(eventfd(3, EFD_SEMAPHORE | EFD_NONBLOCK));
    struct itimerspec every = {.it_value = {0, 50000000}, .it_interval = {0, 1000000}};
    timerfd_settime(keep(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK)), 0, &every, NULL);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    keep(signalfd(-1, &set, SFD_NONBLOCK));
    keep(syscall(SYS_pidfd_open, getpid(), 0));
    for (int type = SOCK_STREAM; type <= SOCK_DGRAM; type++) {
        socketpair(AF_UNIX, type | SOCK_NONBLOCK, 0, two);
        for (int i = 0; i < 2; i++) keep(two[i]);
        pass(two[0], two[1]);
        if (write(two[1], "data", 4) != 4) return 3;
    }
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "\0name"};
    socklen_t len = offsetof(struct sockaddr_un, sun_path) + 5;
    int listener = keep(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0));
    if (bind(listener, (void *)&address, len) || listen(listener, 4)) return 4;
    for (int i = 0; i < 2; i++) connect(keep(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0)), (void *)&address, len);
    int datagrams = keep(socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0)), sender = keep(socket(AF_UNIX, SOCK_DGRAM, 0));
    setsockopt(datagrams, SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
    if (bind(datagrams, (void *)&address, len) || connect(sender, (void *)&address, len)) return 5;
    if (send(sender, "datagram", 8, 0) != 8) return 6;
    int master = keep(open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK));
    if (ioctl(master, TIOCSPTLCK, &locked) || ioctl(master, TIOCGPTN, &number)) return 7;
    snprintf(name, sizeof name, "/dev/pts/%d", number);
    setsid();
    keep(open(name, O_RDWR | O_NONBLOCK));
    if (write(master, "line\nhalf", 9) != 9) return 8;
    int watches = keep(inotify_init1(IN_NONBLOCK));
    inotify_add_watch(watches, "/tmp", IN_ALL_EVENTS);
    close(open("/tmp/file", O_CREAT | O_WRONLY, 0600));
    int inner = keep(epoll_create1(0)), outer = keep(epoll_create1(0));
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT};
    for (int i = 0; i < count - 1; i++) {
        event.events ^= i % 3 ? EPOLLET : EPOLLONESHOT;
        epoll_ctl(i % 2 ? inner : outer, EPOLL_CTL_ADD, fds[i], &event);
    }
    epoll_ctl(outer, EPOLL_CTL_ADD, inner, &event);
    SAY("ready");
    hear(line, sizeof line);
    struct epoll_event events[64];
    for (int round = 0; round < 3; round++) {
        epoll_wait(outer, events, 64, 0);
        epoll_wait(inner, events, 64, 0);
        for (int i = 0; i < count; i++) {
            char bytes[512];
            struct pollfd one = {fds[i], POLLIN | POLLOUT, 0};
            poll(&one, 1, 0);
            int new = accept4(fds[i], NULL, NULL, SOCK_NONBLOCK);
            if (new >= 0) close(new);
            struct msghdr message = {.msg_iov = &(struct iovec){bytes, 3}, .msg_iovlen = 1, .msg_control = line, .msg_controllen = 64};
            recvmsg(fds[i], &message, MSG_DONTWAIT | (round ? 0 : MSG_PEEK));
            fcntl(fds[i], F_SETFL, O_NONBLOCK);
            if (read(fds[i], bytes, round ? sizeof bytes : 2) < 0) errno = 0;
            if (write(fds[i], "\t\n12345\x03", 8) < 0) errno = 0;
        }
        struct winsize size = {round, round, 0, 0};
        ioctl(master, TIOCSWINSZ, &size);
    }
    for (int i = count; i-- > 0;) close(fds[i]);
    return 0;
}"#;

/// Tables whose entries are changed of that.
const TABLES: &[&str] =
    &["pipes", "descriptors", "ttys", "terminals", "file_ops", "socket_credits", "sockets"];

/// Has processes and threads that wait for everything, and memory of every kind; ends them when it hears something.
const WAITING: &str = r#"
#include <linux/futex.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
static int ready, word;
static void handle(int signo) { (void)signo; }
static void *waits(void *how) {
    __atomic_add_fetch(&ready, 1, __ATOMIC_SEQ_CST);
    struct timespec time = {1, 0};
    sigset_t set;
    sigfillset(&set);
    switch ((long)how) {
    case 0: syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, &time, NULL, 0); break;
    case 1: nanosleep(&time, NULL); break;
    case 2: sigtimedwait(&set, NULL, &time); break;
    case 3: poll(NULL, 0, 1000); break;
    default: sched_yield();
    }
    return NULL;
}
int main(void) {
    char line[64];
    pthread_t threads[5];
    pid_t child[3];
    int two[2], status;
    signal(SIGUSR1, handle);
    signal(SIGALRM, handle);
    stack_t stack = {.ss_sp = malloc(1 << 16), .ss_size = 1 << 16};
    sigaltstack(&stack, NULL);
    char *shared = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    char *private = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(shared, 1, 65536), memset(private, 2, 1 << 20);
    mprotect(private + 8192, 4096, PROT_READ), munmap(private + 65536, 8192), mlock(private, 4096);
    madvise(private + (1 << 19), 4096, MADV_DONTFORK);
    struct itimerval often = {{0, 20000}, {0, 20000}};
    setitimer(ITIMER_REAL, &often, NULL);
    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    struct itimerspec later = {{0, 30000000}, {0, 30000000}};
    timer_create(CLOCK_MONOTONIC, &event, &timer), timer_settime(timer, 0, &later, NULL);
    struct rlimit limit = {100, 200};
    setrlimit(RLIMIT_NOFILE, &limit);
    if (pipe(two)) return 1;
    for (int i = 0; i < 3; i++)
        if ((child[i] = fork()) == 0) {
            if (i == 0) _exit(7);
            if (i == 1) setsid();
            char byte;
            close(two[1]);
            _exit(read(two[0], &byte, 1) == 0 ? shared[0] : 9);
        }
    sigset_t set;
    sigemptyset(&set), sigaddset(&set, SIGTERM), sigaddset(&set, SIGUSR2);
    sigprocmask(SIG_BLOCK, &set, NULL), raise(SIGTERM), kill(getpid(), SIGUSR2);
    for (long i = 0; i < 5; i++) pthread_create(&threads[i], NULL, waits, (void *)i);
    while (__atomic_load_n(&ready, __ATOMIC_SEQ_CST) < 5) usleep(1000);
    SAY("ready");
    hear(line, sizeof line);
    close(two[1]);
    kill(child[2], SIGKILL);
    for (int i = 0; i < 5; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < 3; i++) if (waitpid(child[i], &status, 0) != child[i]) return 2;
    private[0] = shared[1], brk(sbrk(0)), mremap(private, 4096, 1 << 20, MREMAP_MAYMOVE);
    return 0;
}"#;

/// How long a round may take. It waits two seconds for a program that does not end.
const LONG: Duration = Duration::from_secs(60);
/// Memory that all rounds together may take of the kernels' side, in KiB.
const MUCH: u64 = 1 << 20;

static PANICS: AtomicU32 = AtomicU32::new(0);

fn count_panics() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            // Those of tests are their own affair.
            if info.location().is_some_and(|at| at.file().contains("sentry/src")) {
                PANICS.fetch_add(1, Ordering::SeqCst);
            }
            before(info);
        }));
    });
}

/// Ends all if nothing is sent for long.
fn watch() -> Sender<u64> {
    let (sender, rounds) = channel();
    std::thread::spawn(move || {
        let mut last = 0;
        loop {
            match rounds.recv_timeout(LONG) {
                Ok(seed) => last = seed,
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {
                    eprintln!("seed {last} hangs");
                    std::process::abort();
                }
            }
        }
    });
    sender
}

/// The most memory that this process ever had, in KiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.split_ascii_whitespace().next().unwrap().parse().unwrap()
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |number| number.parse().unwrap())
}

/// Saves a program that has said that it is ready.
fn saved(name: &str, source: &str) -> (Sandbox, Image) {
    let mut sandbox = Sandbox::usual(source);
    sandbox.expect("ready");
    let image = sandbox.save().unwrap();
    if let Some(directory) = std::env::var_os("STOCKADE_STATES") {
        std::fs::write(std::path::Path::new(&directory).join(name), &image.state).unwrap();
    }
    sandbox.say("");
    assert_eq!(sandbox.kernel().wait(), 0);
    // As it is, it does the same again.
    assert_eq!(sandbox.try_run(image.clone()), Ok(Some(0)));
    (sandbox, image)
}

/// Restores states in which something of these tables is another, and lets them run.
fn do_no_harm((sandbox, image): (Sandbox, Image), tables: &[&str], rounds: u64) {
    count_panics();
    let rounds = number("STOCKADE_FORGED", rounds);
    let first = number("STOCKADE_SEED", 0);
    let (watched, mut refused, mut harmful) = (watch(), 0, Vec::new());
    for seed in first..first + rounds {
        let before = PANICS.load(Ordering::SeqCst);
        watched.send(seed).unwrap();
        let state = forge(&image.state, seed, tables).unwrap();
        refused += u64::from(sandbox.try_run(Image { state, ..image.clone() }).is_err());
        if PANICS.load(Ordering::SeqCst) != before {
            harmful.push(seed);
            eprintln!("seed {seed}");
        }
        assert!(peak() < MUCH, "seed {seed}: {} KiB", peak());
    }
    assert_eq!(harmful, [0u64; 0]);
    assert!(refused > rounds / 4, "{refused} of {rounds}");
}

#[test]
fn what_is_open_does_no_harm() {
    do_no_harm(saved("open", OPEN), TABLES, 150);
}

#[test]
fn nor_does_anything_of_who_waits() {
    do_no_harm(saved("waiting", WAITING), &[], 60);
}
