//! UNIX sockets: what is in them, who is connected with whom, and what is under way.

use crate::sandbox::Sandbox;

/// What programs with sockets need.
const SOCKETS: &str = r#"
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
static inline socklen_t name(struct sockaddr_un *address, const char *text) {
    /* Of the abstract ones. */
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    strcpy(address->sun_path + 1, text);
    return offsetof(struct sockaddr_un, sun_path) + 1 + strlen(text);
}
static inline long pass(int to, const char *text, int fd) {
    char control[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec piece = {(void *)text, strlen(text)};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    *head = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    memcpy(CMSG_DATA(head), &fd, sizeof fd);
    return sendmsg(to, &message, 0);
}
/* What comes, with a descriptor and who sent it, if that comes too. */
static inline long take(int from, char *text, int size, int *fd, struct ucred *sender) {
    char control[CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))];
    struct iovec piece = {text, size - 1};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    long n = recvmsg(from, &message, 0);
    text[n < 0 ? 0 : n] = 0;
    for (struct cmsghdr *head = CMSG_FIRSTHDR(&message); n >= 0 && head; head = CMSG_NXTHDR(&message, head)) {
        if (head->cmsg_type == SCM_RIGHTS) memcpy(fd, CMSG_DATA(head), sizeof *fd);
        if (head->cmsg_type == SCM_CREDENTIALS) memcpy(sender, CMSG_DATA(head), sizeof *sender);
    }
    return n;
}
"#;

fn start(program: &str) -> Sandbox {
    Sandbox::start(&format!("#include <stddef.h>\n{SOCKETS}\n{program}"))
}

fn again(mut sandbox: Sandbox) -> Sandbox {
    sandbox = sandbox.cycles(2);
    sandbox
}

#[test]
fn a_server_and_its_clients_go_on() {
    let mut sandbox = start(
        r#"
        #include <sys/epoll.h>
        int main(void) {
            char line[64];
            struct sockaddr_un address;
            socklen_t len = name(&address, "server");
            int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0), fd = -1, ends[2], word[2];
            if (bind(listener, (void *)&address, len) || listen(listener, 5) || pipe(ends) || pipe(word)) return 1;
            pid_t client = fork();
            if (!client) {
                int first = socket(AF_UNIX, SOCK_STREAM, 0), second = socket(AF_UNIX, SOCK_STREAM, 0);
                if (connect(first, (void *)&address, len)) _exit(2);
                /* The next one is an edge of its own. */
                if (read(word[0], line, 1) != 1 || connect(second, (void *)&address, len)) _exit(2);
                if (write(first, "hello ", 6) != 6 || pass(first, "there", ends[1]) != 5) _exit(3);
                if (write(second, "not yet accepted", 16) != 16) _exit(4);
                close(second);
                /* It waits for the answer. */
                char text[64];
                int n = read(first, text, sizeof text);
                _exit(n == 6 && !memcmp(text, "answer", 6) && read(first, text, 1) == 0 ? 7 : 5);
            }
            close(ends[1]);
            int set = epoll_create1(0), accepted = -1;
            struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.fd = listener}, events[4];
            epoll_ctl(set, EPOLL_CTL_ADD, listener, &event);
            if (epoll_wait(set, events, 4, 5000) != 1 || (accepted = accept(listener, NULL, NULL)) < 0) return 6;
            event = (struct epoll_event){.events = EPOLLIN | EPOLLET, .data.fd = accepted};
            epoll_ctl(set, EPOLL_CTL_ADD, accepted, &event);
            if (write(word[1], "x", 1) != 1) return 9;
            usleep(50000);
            SAY("ready");
            hear(line, sizeof line);
            /* What became ready before and was not fetched. */
            int n = epoll_wait(set, events, 4, 1000), of_listener = 0, of_accepted = 0;
            for (int i = 0; i < n; i++) {
                of_listener += events[i].data.fd == listener;
                of_accepted += events[i].data.fd == accepted;
            }
            SAY("%d %d", of_listener, of_accepted);
            long got = take(accepted, line, sizeof line, &fd, NULL);
            SAY("%ld %s %d", got, line, fd >= 0);
            if (write(fd, "through", 7) != 7 || read(ends[0], line, 7) != 7) return 7;
            struct ucred peer;
            socklen_t size = sizeof peer;
            getsockopt(accepted, SOL_SOCKET, SO_PEERCRED, &peer, &size);
            int second = accept(listener, NULL, NULL);
            got = take(second, line, sizeof line, &fd, NULL);
            char rest;
            SAY("%d %ld %s %ld", peer.pid == client, got, line, (long)read(second, &rest, 1));
            if (write(accepted, "answer", 6) != 6) return 8;
            shutdown(accepted, SHUT_WR);
            int status;
            waitpid(client, &status, 0);
            len = sizeof address;
            getsockname(accepted, (void *)&address, &len);
            SAY("%d @%s", WEXITSTATUS(status), address.sun_path + 1);
            /* Its name is taken as long as it is there. */
            int other = socket(AF_UNIX, SOCK_STREAM, 0);
            len = name(&address, "server");
            int taken = bind(other, (void *)&address, len);
            close(listener);
            SAY("%d %d", taken, bind(other, (void *)&address, len));
            return 0;
        }"#,
    );
    sandbox.expect("ready");
    sandbox = again(sandbox);
    sandbox.say("go");
    sandbox.ends_with(&["1 1", "11 hello there 1", "1 16 not yet accepted 0", "7 @server", "-1 0"]);
}

#[test]
fn messages_stay_apart_and_tell_who_sent_them() {
    let mut sandbox = start(
        r#"
        int main(void) {
            char line[64];
            int packets[2], fd = -1, on = 1;
            struct sockaddr_un address, from;
            struct ucred sender = {0};
            socketpair(AF_UNIX, SOCK_SEQPACKET, 0, packets);
            int server = socket(AF_UNIX, SOCK_DGRAM, 0), client = socket(AF_UNIX, SOCK_DGRAM, 0);
            socklen_t len = name(&address, "server");
            bind(server, (void *)&address, len);
            setsockopt(server, SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
            connect(client, (void *)&address, len);
            pid_t child = fork();
            if (!child) {
                /* Its sender is gone before it is read. */
                int mine = socket(AF_UNIX, SOCK_DGRAM, 0);
                struct sockaddr_un own;
                bind(mine, (void *)&own, name(&own, "mine"));
                sendto(mine, "first", 5, 0, (void *)&address, len);
                _exit(0);
            }
            int status;
            waitpid(child, &status, 0);
            if (send(client, "", 0, 0) || send(client, "third", 5, 0) != 5) return 1;
            if (send(packets[0], "ab", 2, 0) != 2 || send(packets[0], "cde", 3, 0) != 3) return 2;
            shutdown(packets[0], SHUT_WR);
            struct timeval wait = {0, 250000};
            setsockopt(packets[1], SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
            int size = 50000;
            setsockopt(client, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
            SAY("ready");
            hear(line, sizeof line);
            socklen_t from_len = sizeof from;
            long n = recvfrom(server, line, sizeof line, MSG_PEEK, (void *)&from, &from_len);
            SAY("%ld @%.*s", n, (int)(from_len - offsetof(struct sockaddr_un, sun_path) - 1), from.sun_path + 1);
            n = take(server, line, sizeof line, &fd, &sender);
            SAY("%ld %s %d", n, line, sender.pid == child);
            n = take(server, line, sizeof line, &fd, &sender);
            SAY("%ld %d", n, sender.pid == getpid());
            n = take(server, line, sizeof line, &fd, &sender);
            SAY("%ld %s", n, line);
            n = recv(packets[1], line, 1, 0);
            long m = recv(packets[1], line, sizeof line, 0);
            SAY("%ld %ld %ld", n, m, recv(packets[1], line, sizeof line, 0));
            socklen_t option = sizeof wait;
            getsockopt(packets[1], SOL_SOCKET, SO_RCVTIMEO, &wait, &option);
            option = sizeof size;
            getsockopt(client, SOL_SOCKET, SO_SNDBUF, &size, &option);
            SAY("%ld %d", wait.tv_usec, size);
            struct pollfd fds[2] = {{packets[1], POLLIN | POLLOUT | POLLRDHUP, 0}, {server, POLLIN | POLLOUT, 0}};
            poll(fds, 2, 0);
            SAY("%x %x", fds[0].revents, fds[1].revents);
            /* Who is gone, everybody notices. */
            close(server);
            n = send(client, "x", 1, 0);
            SAY("%ld %s", n, strerror(errno));
            return 0;
        }"#,
    );
    sandbox.expect("ready");
    sandbox = again(sandbox);
    sandbox.say("go");
    sandbox.ends_with(&[
        "5 @mine",
        "5 first 1",
        "0 1",
        "5 third",
        "1 3 0",
        "250000 100000",
        "2005 4",
        "-1 Connection refused",
    ]);
}

#[test]
fn sockets_in_one_another_come_back_or_are_gone() {
    let mut sandbox = start(
        r#"
        int main(void) {
            char line[64];
            int a[2], b[2], c[2], fd = -1;
            socketpair(AF_UNIX, SOCK_STREAM, 0, a);
            socketpair(AF_UNIX, SOCK_STREAM, 0, b);
            socketpair(AF_UNIX, SOCK_DGRAM, 0, c);
            /* Two that hold only each other. */
            if (pass(a[0], "a", b[1]) != 1 || pass(b[0], "b", a[1]) != 1) return 1;
            for (int i = 0; i < 2; i++) { close(a[i]); close(b[i]); }
            /* One that is on its way through itself, and one in that, to be found again. */
            if (pass(c[0], "itself", c[1]) != 6 || pass(c[0], "other", c[0]) != 5) return 2;
            close(c[0]);
            SAY("ready");
            hear(line, sizeof line);
            long n = take(c[1], line, sizeof line, &fd, NULL);
            SAY("%ld %s", n, line);
            close(c[1]);
            int other = -1;
            n = take(fd, line, sizeof line, &other, NULL);
            SAY("%ld %s", n, line);
            n = write(other, "still", 5);
            SAY("%ld %ld", n, (long)read(fd, line, sizeof line));
            /* As many as may be on their way, again and again: those that are gone count no more. */
            int many = 0;
            for (int i = 0; i < 5; i++) {
                int d[2];
                socketpair(AF_UNIX, SOCK_STREAM, 0, d);
                many += pass(d[0], "x", d[1]);
                close(d[0]);
                close(d[1]);
            }
            SAY("%d", many);
            return 0;
        }"#,
    );
    sandbox.expect("ready");
    sandbox = again(sandbox);
    sandbox.say("go");
    sandbox.ends_with(&["6 itself", "5 other", "5 5", "5"]);
}

#[test]
fn who_waits_to_send_or_to_connect_goes_on() {
    let mut sandbox = start(
        r#"
        static struct sockaddr_un address;
        static socklen_t len;
        static void *sends(void *arg) {
            static char big[1 << 20];
            for (int i = 0; i < sizeof big; i++) big[i] = i >> 7;
            /* In one, of which all is written. */
            return (void *)(intptr_t)send((int)(intptr_t)arg, big, sizeof big, 0);
        }
        static void *connects(void *arg) {
            int sockets[3];
            for (int i = 0; i < 3; i++) {
                sockets[i] = socket(AF_UNIX, SOCK_SEQPACKET, 0);
                if (connect(sockets[i], (void *)&address, len)) return NULL;
            }
            char text[8];
            return (void *)(intptr_t)recv(sockets[2], text, sizeof text, 0);
        }
        int main(void) {
            char line[64];
            int pair[2];
            pthread_t threads[2];
            socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
            len = name(&address, "few");
            int listener = socket(AF_UNIX, SOCK_SEQPACKET, 0);
            if (bind(listener, (void *)&address, len) || listen(listener, 0)) return 1;
            pthread_create(&threads[0], NULL, sends, (void *)(intptr_t)pair[0]);
            pthread_create(&threads[1], NULL, connects, NULL);
            usleep(50000);
            SAY("ready");
            hear(line, sizeof line);
            static char big[1 << 20];
            long got = 0, n;
            int wrong = 0;
            while (got < sizeof big && (n = read(pair[1], big, sizeof big)) > 0)
                for (int i = 0; i < n; i++) wrong += big[i] != (char)(got++ >> 7);
            int last = -1;
            for (int i = 0; i < 3; i++) last = accept(listener, NULL, NULL);
            send(last, "abc", 3, 0);
            void *results[2];
            for (int i = 0; i < 2; i++) pthread_join(threads[i], &results[i]);
            SAY("%ld %d %ld %ld", got, wrong, (long)results[0], (long)results[1]);
            return 0;
        }"#,
    );
    sandbox.expect("ready");
    sandbox = again(sandbox);
    sandbox.say("go");
    sandbox.expect("1048576 0 1048576 3");
    assert_eq!(sandbox.finish(), 0);
}

#[test]
fn a_name_in_the_file_system_leads_to_its_socket() {
    let program = r#"
        int main(void) {
            char line[64];
            struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/tmp/socket"};
            int listener = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0);
            if (bind(listener, (void *)&address, sizeof address) || listen(listener, 1)) return 1;
            rename("/tmp/socket", "/tmp/moved");
            SAY("ready");
            hear(line, sizeof line);
            strcpy(address.sun_path, "/tmp/moved");
            int refused = connect(client, (void *)&address, sizeof address);
            int accepted = accept(listener, NULL, NULL);
            socklen_t len = sizeof address;
            getpeername(client, (void *)&address, &len);
            SAY("%d %d %s", refused, accepted >= 0, address.sun_path);
            return 0;
        }"#;
    let mut sandbox = Sandbox::usual(&format!("#include <stddef.h>\n{SOCKETS}\n{program}"));
    sandbox.expect("ready");
    sandbox = again(sandbox);
    sandbox.say("go");
    sandbox.expect("0 1 /tmp/socket");
    assert_eq!(sandbox.finish(), 0);
}
