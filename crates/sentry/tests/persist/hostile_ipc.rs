//! States of pipes, sockets, terminals and their kin that nobody saved: values replaced by others. `STOCKADE_FORGED=ROUNDS`
//! has it try more of them.

use std::sync::atomic::{AtomicU32, Ordering};

use cbor4ii::core::Value;
use cbor4ii::core::dec::Decode;
use cbor4ii::core::enc::Encode;
use cbor4ii::core::utils::{BufWriter, SliceReader};

use crate::sandbox::Sandbox;

/// Has one of everything, and uses it all when it hears something.
const EVERYTHING: &str = r#"
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

/// Tables whose entries are changed.
const TABLES: &[&str] =
    &["pipes", "descriptors", "ttys", "terminals", "file_ops", "socket_credits", "sockets"];

/// Applies `change` to the leaf with a number, counted through; how many there are.
fn leaves(value: &mut Value, next: &mut usize, change: &mut dyn FnMut(usize, &mut Value)) {
    match value {
        Value::Array(list) => {
            // Lists are leaves too, to be made longer and shorter.
            list.iter_mut().for_each(|value| leaves(value, next, change));
            change(*next, value);
            *next += 1;
        }
        Value::Map(map) => map.iter_mut().for_each(|(_, value)| leaves(value, next, change)),
        leaf => {
            change(*next, leaf);
            *next += 1;
        }
    }
}

fn each_leaf(state: &mut Value, mut change: impl FnMut(usize, &mut Value)) -> usize {
    let mut count = 0;
    let Value::Map(fields) = state else { panic!("no state") };
    for (name, table) in fields {
        if matches!(name, Value::Text(name) if TABLES.contains(&name.as_str())) {
            leaves(table, &mut count, &mut change);
        }
    }
    count
}

/// Another value of the kind.
fn replace(value: &mut Value, random: u64) {
    match value {
        Value::Integer(n) => {
            *n = match random % 10 {
                0 => 0,
                1 => -1,
                2 => i128::from(u64::MAX),
                3 => i128::from(i64::MAX),
                4 => i128::from(u32::MAX),
                5 => i128::from(i32::MAX),
                6 => *n + 1,
                7 => *n - 1,
                8 => i128::from(random >> 56),
                _ => i128::from(i32::MIN),
            }
        }
        Value::Bool(b) => *b = !*b,
        Value::Bytes(bytes) => match random % 3 {
            0 => bytes.clear(),
            1 => bytes.resize(1 << 17, 0x7f),
            _ => bytes.iter_mut().for_each(|b| *b ^= (random >> 40) as u8),
        },
        Value::Array(list) => match (random % 3, list.first().cloned()) {
            (0, _) => list.clear(),
            (1, Some(first)) => list.push(first),
            (_, Some(first)) => list.resize(600, first),
            (_, None) => list.push(Value::Integer(0)),
        },
        Value::Null => *value = Value::Integer(i128::from(random % 40)),
        other => *other = Value::Null,
    }
}

#[test]
fn what_is_changed_does_no_harm() {
    static PANICS: AtomicU32 = AtomicU32::new(0);
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        // Those of tests are their own affair.
        if info.location().is_some_and(|at| at.file().contains("sentry/src")) {
            PANICS.fetch_add(1, Ordering::SeqCst);
        }
        before(info);
    }));
    let mut sandbox = Sandbox::usual(EVERYTHING);
    sandbox.expect("ready");
    let image = sandbox.save().unwrap();
    sandbox.say("");
    assert_eq!(sandbox.kernel().wait(), 0);
    // As it is, it does the same again.
    assert_eq!(sandbox.try_run(image.clone()), Ok(Some(0)));
    let whole = Value::decode(&mut SliceReader::new(&image.state)).unwrap();
    let count = each_leaf(&mut whole.clone(), |_, _| {});
    assert!(count > 400, "{count}");
    let rounds: u32 = std::env::var("STOCKADE_FORGED").map_or(150, |rounds| rounds.parse().unwrap());
    let (mut random, mut refused) = (7u64, 0);
    for _ in 0..rounds {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let chosen = (random >> 33) as usize % count;
        let mut state = whole.clone();
        each_leaf(&mut state, |at, value| {
            if at == chosen {
                replace(value, random >> 8);
            }
        });
        let mut bytes = BufWriter::new(Vec::new());
        state.encode(&mut bytes).unwrap();
        let changed = crate::image::Image { state: bytes.into_inner(), ..image.clone() };
        refused += u32::from(sandbox.try_run(changed).is_err());
        assert_eq!(PANICS.load(Ordering::SeqCst), 0, "leaf {chosen} of {count}");
    }
    assert!(refused > rounds / 4, "{refused}");
}
