//! File systems: what was changed, what is open, where reading stands.

mod volumes;

use crate::sandbox::Sandbox;

/// What programs here begin with: checks, and a place where they are saved and restored.
const CHECKS: &str = r#"
#include <dirent.h>
#include <sys/statfs.h>
#include <sys/xattr.h>
#define CHECK(what) do { if (!(what)) { SAY("line %d: %s (%s)", __LINE__, #what, strerror(errno)); return 1; } } while (0)
#define SAVED() do { char line[8]; SAY("ready"); hear(line, sizeof line); } while (0)
static inline int make(const char *path, const char *text) {
    int fd = open(path, O_CREAT | O_RDWR | O_TRUNC, 0640);
    return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) ? fd : -1;
}
static inline bool holds(int fd, long at, const char *text) {
    char bytes[256];
    ssize_t n = pread(fd, bytes, sizeof bytes, at);
    return n == (ssize_t)strlen(text) && !memcmp(bytes, text, n);
}
"#;

/// Runs a program that is saved and restored twice, and ends with "ok".
fn check(source: &str) {
    check_in(Sandbox::usual(&format!("{CHECKS}{source}")));
}

fn check_in(mut sandbox: Sandbox) {
    for _ in 0..2 {
        sandbox.expect("ready");
        sandbox = sandbox.save_and_restore();
        sandbox.say("");
    }
    sandbox.expect("ok");
    assert_eq!(sandbox.finish(), 0);
}

#[test]
fn files_in_memory_keep_what_they_are() {
    check(
        r#"
        int main(void) {
            static char page[4096], bytes[300000];
            struct timespec times[2] = {{1000, 5}, {2000, 7}};
            struct stat before[8], after;
            const char *names[] = {"/tmp/a", "/tmp/b", "/tmp/d", "/tmp/link", "/tmp/fifo", "/tmp/null", "/tmp/sparse", "/tmp/big"};
            int a = make("/tmp/a", "first");
            CHECK(a >= 0 && !link("/tmp/a", "/tmp/b") && !mkdir("/tmp/d", 0750) && !symlink("a", "/tmp/link"));
            CHECK(!mkfifo("/tmp/fifo", 0600) && !mknod("/tmp/null", S_IFCHR | 0666, 1 << 8 | 3));
            CHECK(!futimens(a, times) && !fchown(a, 5, 6) && !fsetxattr(a, "user.x", "value", 5, 0));
            int sparse = open("/tmp/sparse", O_CREAT | O_RDWR, 0600);
            memset(page, 'x', sizeof page);
            CHECK(pwrite(sparse, page, 4096, 1 << 30) == 4096 && pwrite(sparse, "y", 1, 5 << 20) == 1);
            CHECK(!posix_fallocate(sparse, 20 << 20, 1 << 20));
            int big = make("/tmp/big", "");
            for (unsigned i = 0; i < sizeof bytes; i++) bytes[i] = i * 31 >> 3;
            CHECK(write(big, bytes, sizeof bytes) == sizeof bytes);
            int deleted = make("/tmp/deleted", "nobody sees it"), appends = open("/tmp/log", O_CREAT | O_RDWR | O_APPEND, 0600);
            CHECK(!unlink("/tmp/deleted") && write(appends, "one", 3) == 3);
            int twice = dup(big);
            lseek(big, 77777, SEEK_SET);
            for (int i = 0; i < 8; i++) CHECK(!lstat(names[i], &before[i]));
            for (int round = 0; round < 2; round++) {
                SAVED();
                for (int i = 0; i < 8; i++) {
                    CHECK(!lstat(names[i], &after));
                    before[i].st_atim = after.st_atim;
                    CHECK(!memcmp(&before[i], &after, sizeof after));
                }
                char text[64];
                CHECK(holds(a, 0, "first") && readlink("/tmp/link", text, 64) == 1 && text[0] == 'a');
                CHECK(fgetxattr(a, "user.x", text, 64) == 5 && !memcmp(text, "value", 5));
                CHECK(lseek(sparse, 0, SEEK_DATA) == 5 << 20 && lseek(sparse, 6 << 20, SEEK_DATA) == 1 << 30);
                CHECK(pread(sparse, text, 2, 5 << 20) == 2 && text[0] == 'y' && text[1] == 0);
                CHECK(pread(sparse, text, 64, (1 << 30) + 4000) == 64 && text[63] == 'x');
                CHECK(holds(deleted, 0, "nobody sees it") && access("/tmp/deleted", F_OK));
                CHECK(lseek(twice, 0, SEEK_CUR) == 77777 && lseek(big, 77777, SEEK_SET) == 77777);
                static char again[sizeof bytes];
                CHECK(pread(big, again, sizeof again, 0) == sizeof again && !memcmp(again, bytes, sizeof again));
                int link = open("/tmp/b", O_RDONLY);
                CHECK(holds(link, 0, "first"));
                close(link);
                int null = open("/tmp/null", O_RDWR);
                CHECK(null >= 0 && write(null, "x", 1) == 1);
                close(null);
            }
            CHECK(write(appends, "two", 3) == 3 && holds(appends, 0, "onetwo"));
            /* What the file system has counted is right: it gives back what it had. */
            struct statfs full, empty;
            CHECK(!statfs("/tmp", &full));
            close(big), close(twice);
            CHECK(!unlink("/tmp/big") && !statfs("/tmp", &empty));
            CHECK((empty.f_bfree - full.f_bfree) * 4096 >= sizeof bytes);
            SAY("ok");
            return 0;
        }"#,
    );
}

#[test]
fn an_overlay_keeps_what_was_changed() {
    check(
        r#"
        static int number(const char *path, struct stat *st) { return lstat(path, st); }
        int main(void) {
            struct stat passwd, hosts, etc, moved, after;
            CHECK(!number("/etc/passwd", &passwd) && !number("/etc", &etc) && !number("/etc/hosts", &hosts));
            int below = open("/etc/hosts", O_RDONLY), copied = open("/etc/passwd", O_RDWR | O_APPEND);
            CHECK(below >= 0 && copied >= 0 && write(copied, "added", 5) == 5);
            /* One that was opened before its file was copied up. */
            int early = open("/etc/group", O_RDONLY), late = open("/etc/group", O_WRONLY);
            CHECK(pwrite(late, "changed", 7, 0) == 7);
            CHECK(!rename("/etc/shells", "/etc/moved") && !unlink("/etc/fstab") && !lstat("/etc/moved", &moved));
            CHECK(!mkdir("/etc/own", 0700));
            int own = make("/etc/own/file", "mine"), gone = make("/etc/own/gone", "gone");
            CHECK(own >= 0 && !unlink("/etc/own/gone") && !link("/etc/own/file", "/etc/own/hard"));
            /* A directory of the lower one that is replaced hides it. */
            CHECK(!rename("/etc/apt", "/etc/apt.old") && !mkdir("/etc/apt", 0755));
            CHECK(!chdir("/etc/own") && !rename("/etc/own", "/etc/renamed"));
            for (int round = 0; round < 2; round++) {
                SAVED();
                char text[PATH_MAX];
                CHECK(!number("/etc/passwd", &after) && after.st_ino == passwd.st_ino && after.st_dev == passwd.st_dev);
                CHECK(after.st_size == passwd.st_size + 5 && holds(copied, passwd.st_size, "added"));
                CHECK(!number("/etc/hosts", &after) && !memcmp(&after.st_ino, &hosts.st_ino, 8) && !fstat(below, &after) && after.st_ino == hosts.st_ino);
                CHECK(!number("/etc", &after) && after.st_ino == etc.st_ino);
                CHECK(!number("/etc/moved", &after) && after.st_ino == moved.st_ino && access("/etc/shells", F_OK));
                CHECK(pread(early, text, 7, 0) == 7 && !memcmp(text, "changed", 7));
                CHECK(access("/etc/fstab", F_OK) && errno == ENOENT);
                CHECK(access("/etc/apt/sources.list.d", F_OK) && !access("/etc/apt.old/sources.list.d", F_OK));
                CHECK(getcwd(text, sizeof text) && !strcmp(text, "/etc/renamed"));
                CHECK(holds(own, 0, "mine") && holds(gone, 0, "gone") && access("gone", F_OK));
                CHECK(!stat("hard", &after) && after.st_nlink == 2);
            }
            SAY("ok");
            return 0;
        }"#,
    );
}

#[test]
fn directories_are_read_on() {
    check(
        r#"
        static int rest(DIR *dir, const char *prefix) {
            struct dirent *entry;
            int n = 0;
            while ((entry = readdir(dir))) n += !strncmp(entry->d_name, prefix, strlen(prefix));
            return n;
        }
        /* Reads so many entries, by a small buffer. */
        static int some(int fd, int rounds) {
            char buf[400];
            int n = 0;
            for (int i = 0; i < rounds; i++) {
                long got = syscall(SYS_getdents64, fd, buf, sizeof buf);
                for (long at = 0; at < got; at += ((struct dirent *)(buf + at))->d_reclen) n++;
            }
            return n;
        }
        int main(void) {
            char path[64];
            mkdir("/tmp/d", 0700);
            for (int i = 0; i < 100; i++) {
                snprintf(path, sizeof path, "/tmp/d/%d", i);
                close(make(path, ""));
            }
            int memory = open("/tmp/d", O_RDONLY), overlay = open("/etc", O_RDONLY), proc = open("/proc/self", O_RDONLY);
            int sys = open("/sys/devices/system/cpu", O_RDONLY), pts = open("/dev/pts", O_RDONLY);
            DIR *all = opendir("/etc");
            int in_etc = rest(all, ""), seen = some(overlay, 1), read = some(memory, 2);
            CHECK(seen > 3 && read > 10 && some(proc, 1) > 3 && sys >= 0 && pts >= 0);
            SAVED();
            seen += some(overlay, 1), read += some(memory, 2);
            unlink("/tmp/d/99");
            make("/etc/new", "");
            SAVED();
            seen += some(overlay, 1000), read += some(memory, 1000);
            CHECK(seen == in_etc);
            CHECK(read == 101);
            CHECK(some(proc, 1000) > 20 && some(sys, 10) > 5 && some(pts, 10) == 3);
            SAY("ok");
            return 0;
        }"#,
    );
}

#[test]
fn files_of_the_kernel_are_read_on() {
    check(
        r#"
        int main(void) {
            char text[4096], again[4096], path[64];
            pid_t child = fork();
            if (!child) { pause(); _exit(0); }
            snprintf(path, sizeof path, "/proc/%d/status", child);
            int status = open(path, O_RDONLY);
            snprintf(path, sizeof path, "/proc/%d/stat", child);
            int stat_fd = open(path, O_RDONLY), comm = open("/proc/self/comm", O_RDWR);
            int cpus = open("/sys/devices/system/cpu/online", O_RDONLY), param = open("/proc/sys/kernel/hostname", O_RDONLY);
            snprintf(path, sizeof path, "/proc/%d/mem", child);
            int gone = open(path, O_RDONLY);
            int zero = open("/dev/zero", O_RDWR), full = open("/dev/full", O_WRONLY), self = open("/proc/self/fd/0", O_PATH | O_NOFOLLOW);
            int ns = open("/proc/self/ns/mnt", O_RDONLY), uts = open("/proc/self/ns/uts", O_RDONLY), net = open("/proc/self/ns/net", O_RDONLY);
            int mem = open("/proc/self/mem", O_RDWR), dir = open("/proc/self/task", O_RDONLY | O_DIRECTORY), path_only = open("/etc/passwd", O_PATH);
            CHECK(status >= 0 && stat_fd >= 0 && comm >= 0 && cpus >= 0 && param >= 0 && ns >= 0 && uts >= 0 && net >= 0 && mem >= 0 && dir >= 0 && path_only >= 0);
            CHECK(read(status, text, 40) == 40);
            struct stat links[3], after;
            CHECK(!fstat(ns, &links[0]) && !fstat(uts, &links[1]) && !fstat(net, &links[2]));
            for (int round = 0; round < 2; round++) {
                SAVED();
                if (!round) {
                    /* One reading is of one piece. */
                    int n = read(status, text + 40, sizeof text - 41);
                    CHECK(n > 300 && text[39 + n] == '\n');
                    text[40 + n] = 0;
                    CHECK(!strncmp(text, "Name:\tprogram\n", 14) && strstr(text, "\nPPid:\t") && strstr(text, "nonvoluntary_ctxt_switches:"));
                    kill(child, SIGKILL);
                    CHECK(waitpid(child, NULL, 0) == child);
                }
                CHECK(gone >= 0 && pread(gone, again, 4, (off_t)path) <= 0);
                CHECK(pread(stat_fd, again, 64, 0) < 0 && errno == ESRCH);
                CHECK(pwrite(comm, "other", 5, 0) == 5 && pread(comm, again, 64, 0) == 6 && !memcmp(again, "other\n", 6));
                CHECK(pread(cpus, again, 64, 0) == 4 && !memcmp(again, "0-1\n", 4));
                CHECK(pread(param, again, 64, 0) == 8);
                CHECK(read(zero, again, 64) == 64 && !again[5] && write(full, "x", 1) < 0 && errno == ENOSPC);
                CHECK(readlinkat(self, "", again, 64) > 0);
                CHECK(!fstat(ns, &after) && after.st_ino == links[0].st_ino && !fstat(uts, &after) && after.st_ino == links[1].st_ino);
                CHECK(!fstat(net, &after) && after.st_ino == links[2].st_ino && !setns(uts, CLONE_NEWUTS));
                static volatile int word = 77;
                int value;
                CHECK(pread(mem, &value, 4, (off_t)&word) == 4 && value == 77);
                snprintf(path, sizeof path, "%d", getpid());
                CHECK(!faccessat(dir, path, F_OK, 0) && !fstatat(path_only, "", &after, AT_EMPTY_PATH) && after.st_size > 0);
            }
            SAY("ok");
            return 0;
        }"#,
    );
}

#[test]
fn files_that_were_mapped_are_as_they_were() {
    check(
        r#"
        #define SIZE (300 << 10)
        int main(void) {
            static char bytes[SIZE], found[SIZE];
            for (int i = 0; i < SIZE; i++) bytes[i] = i / 100 + i;
            /* Written, and then mapped; written only by the mapping; a hole. */
            int fds[] = {make("/tmp/written", ""), make("/tmp/mapped", ""), memfd_create("hole", 0)};
            CHECK(write(fds[0], bytes, SIZE) == SIZE && !ftruncate(fds[1], SIZE) && !ftruncate(fds[2], SIZE));
            for (int i = 0; i < 3; i++) {
                char *mapped = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fds[i], 0);
                CHECK(mapped != MAP_FAILED);
                if (i == 0) mapped[5] = bytes[5] = 'x';
                if (i == 1) memcpy(mapped, bytes, SIZE);
                munmap(mapped, SIZE);
            }
            for (int round = 0; round < 2; round++) {
                SAVED();
                for (int i = 0; i < 3; i++) {
                    struct stat stat;
                    CHECK(pread(fds[i], found, SIZE, 0) == SIZE && !fstat(fds[i], &stat));
                    CHECK(i < 2 ? !memcmp(found, bytes, SIZE) && stat.st_blocks == SIZE / 512 : !found[0] && !stat.st_blocks);
                }
                /* Mapped again, both sides see the same. */
                char *mapped = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fds[round], 0);
                CHECK(mapped != MAP_FAILED && !memcmp(mapped, bytes, SIZE));
                mapped[200000] = bytes[200000] = 7 + round;
                CHECK(pwrite(fds[1 - round], bytes, SIZE, 0) == SIZE);
                CHECK(pread(fds[round], found, SIZE, 0) == SIZE && !memcmp(found, bytes, SIZE));
                if (round == 0) munmap(mapped, SIZE);
            }
            SAY("ok");
            return 0;
        }"#,
    );
}

#[test]
fn mapped_files_stay_coherent() {
    check(
        r#"
        int main(void) {
            int fd = make("/tmp/shared", "");
            CHECK(!ftruncate(fd, 8192));
            char *ours = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
            char *anonymous = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
            int memfd = memfd_create("name", MFD_ALLOW_SEALING | MFD_CLOEXEC);
            CHECK(write(memfd, "sealed", 6) == 6 && !fcntl(memfd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK));
            char *sealed = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, memfd, 0);
            int etc = open("/etc/passwd", O_RDWR);
            char *overlay = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, etc, 0);
            char *lower = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, open("/etc/group", O_RDONLY), 0);
            CHECK(ours != MAP_FAILED && anonymous != MAP_FAILED && sealed != MAP_FAILED && overlay != MAP_FAILED && lower != MAP_FAILED);
            char first = lower[0];
            int ready[2], done[2];
            pid_t child = fork();
            if (!child) {
                char *theirs = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 4096);
                atomic_uint *turn = (atomic_uint *)anonymous;
                for (unsigned round = 1; round <= 3; round++) {
                    while (atomic_load(turn) != 2 * round - 1) usleep(1000);
                    theirs[0] = 'a' + round + (ours[1] == 'A' + (int)round ? 0 : 10);
                    atomic_store(turn, 2 * round);
                }
                _exit(0);
            }
            (void)ready, (void)done;
            atomic_uint *turn = (atomic_uint *)anonymous;
            overlay[0] = 'R';
            for (unsigned round = 1; round <= 3; round++) {
                ours[1] = 'A' + round;
                anonymous[999999] = round;
                atomic_store(turn, 2 * round - 1);
                while (atomic_load(turn) != 2 * round) usleep(1000);
                char byte;
                CHECK(ours[4096] == 'a' + (char)round && pread(fd, &byte, 1, 4096) == 1 && byte == ours[4096]);
                if (round < 3) SAVED();
                CHECK(anonymous[999999] == (char)round && pread(etc, &byte, 1, 0) == 1 && byte == 'R' && overlay[0] == 'R');
                overlay[1] = 'x' + round;
                CHECK(pread(etc, &byte, 1, 1) == 1 && byte == overlay[1]);
                CHECK(!strcmp(sealed, "sealed") && lower[0] == first);
                CHECK(fcntl(memfd, F_GET_SEALS) == (F_SEAL_WRITE | F_SEAL_SHRINK));
                CHECK(write(memfd, "x", 1) < 0 && errno == EPERM);
                CHECK(mmap(NULL, 4096, PROT_WRITE, MAP_SHARED, memfd, 0) == MAP_FAILED);
            }
            int status;
            CHECK(waitpid(child, &status, 0) == child && !status);
            SAY("ok");
            return 0;
        }"#,
    );
}

#[test]
fn everybody_sees_the_mounts_that_they_saw() {
    check(
        r#"
        #include <sys/mount.h>
        int main(void) {
            char text[PATH_MAX];
            mkdir("/tmp/root", 0755), mkdir("/tmp/root/in", 0755), mkdir("/tmp/at", 0755), mkdir("/tmp/own", 0755);
            CHECK(!mount("/etc", "/tmp/at", NULL, MS_BIND, NULL) && !mount("none", "/tmp/own", "tmpfs", 0, "size=1m,mode=711"));
            close(make("/tmp/own/file", "in it"));
            pid_t child = fork();
            if (!child) {
                CHECK(!unshare(CLONE_NEWNS) && !mount("none", "/tmp/root/in", "tmpfs", MS_NOEXEC, ""));
                CHECK(make("/tmp/root/in/hidden", "x") >= 0);
                CHECK(!chroot("/tmp/root") && !chdir("/in"));
                while (access("/go", F_OK)) usleep(10000);
                CHECK(!access("/in/hidden", F_OK) && !access("hidden", F_OK) && access("/etc", F_OK));
                CHECK(getcwd(text, sizeof text) && !strcmp(text, "/in"));
                _exit(7);
            }
            usleep(100000);
            umount2("/tmp/gone", MNT_DETACH);
            mkdir("/tmp/gone", 0755);
            CHECK(!mount("none", "/tmp/gone", "tmpfs", 0, ""));
            int lazy = make("/tmp/gone/file", "detached");
            CHECK(lazy >= 0 && !umount2("/tmp/gone", MNT_DETACH));
            for (int round = 0; round < 2; round++) {
                SAVED();
                struct statfs fs;
                CHECK(!access("/tmp/at/passwd", F_OK) && access("/tmp/root/in/hidden", F_OK));
                CHECK(!statfs("/tmp/own", &fs) && fs.f_blocks == 256);
                int fd = open("/tmp/own/file", O_RDONLY);
                CHECK(holds(fd, 0, "in it") && holds(lazy, 0, "detached"));
                close(fd);
            }
            CHECK(make("/tmp/root/go", "") >= 0);
            int status;
            CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 7);
            CHECK(!umount("/tmp/at") && !umount("/tmp/own"));
            SAY("ok");
            return 0;
        }"#,
    );
}

#[test]
fn locks_are_held_and_waited_for() {
    check(
        r#"
        #include <sys/file.h>
        static int lock(int fd, int command, int type, long start, long len) {
            struct flock lock = {.l_type = type, .l_start = start, .l_len = len};
            return fcntl(fd, command, &lock);
        }
        static int tested(int fd, long start, long len) {
            struct flock lock = {.l_type = F_WRLCK, .l_start = start, .l_len = len};
            return fcntl(fd, F_GETLK, &lock) ? -1 : lock.l_type == F_UNLCK ? 0 : lock.l_pid;
        }
        int main(void) {
            pid_t parent = getpid(), children[3];
            int tmp = make("/tmp/file", "0123456789"), etc = open("/etc/hostname", O_RDWR), memfd = memfd_create("m", 0);
            int other = open("/tmp/file", O_RDWR), ofd = open("/tmp/file", O_RDWR);
            CHECK(etc >= 0 && !flock(tmp, LOCK_EX) && !flock(memfd, LOCK_EX));
            CHECK(!lock(etc, F_SETLK, F_WRLCK, 0, 5) && !lock(etc, F_SETLK, F_RDLCK, 10, 5));
            CHECK(!lock(ofd, F_OFD_SETLK, F_WRLCK, 100, 10));
            int ends[2];
            CHECK(!pipe(ends));
            for (int i = 0; i < 3; i++) {
                children[i] = fork();
                if (children[i]) continue;
                close(tmp), close(other), close(ofd), close(ends[0]);
                int mine = open(i == 1 ? "/etc/hostname" : "/tmp/file", O_RDWR);
                int got = i == 0 ? flock(mine, LOCK_SH) : i == 1 ? lock(mine, F_SETLKW, F_WRLCK, 12, 1) : lock(mine, F_OFD_SETLKW, F_RDLCK, 105, 1);
                write(ends[1], got ? "x" : i == 0 ? "a" : i == 1 ? "b" : "c", 1);
                pause();
                _exit(9);
            }
            usleep(50000);
            for (int round = 0; round < 2; round++) {
                SAVED();
                CHECK(flock(other, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK);
                int again = open("/proc/self/fd/0", O_RDONLY);
                CHECK(again >= 0 && !close(again));
                CHECK(tested(etc, 0, 20) == 0);
                pid_t asks = fork();
                if (!asks) {
                    int mine = open("/etc/hostname", O_RDWR);
                    _exit(tested(mine, 0, 5) == parent && tested(mine, 5, 5) == 0 && tested(mine, 14, 1) == parent && tested(mine, 15, 0) == 0 ? 0 : 1);
                }
                int status;
                CHECK(waitpid(asks, &status, 0) == asks && !status);
                CHECK(fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0 && read(ends[0], &status, 1) < 0 && errno == EAGAIN);
            }
            fcntl(ends[0], F_SETFL, 0);
            char got;
            CHECK(!flock(tmp, LOCK_UN) && read(ends[0], &got, 1) == 1 && got == 'a');
            CHECK(!lock(etc, F_SETLK, F_UNLCK, 10, 5) && read(ends[0], &got, 1) == 1 && got == 'b');
            CHECK(tested(etc, 12, 1) == children[1]);
            CHECK(!close(ofd) && read(ends[0], &got, 1) == 1 && got == 'c');
            CHECK(flock(other, LOCK_EX | LOCK_NB) < 0);
            for (int i = 0; i < 3; i++) {
                kill(children[i], SIGKILL);
                waitpid(children[i], NULL, 0);
            }
            CHECK(!flock(other, LOCK_EX | LOCK_NB) && tested(etc, 12, 1) == 0);
            SAY("ok");
            return 0;
        }"#,
    );
}

#[test]
fn streams_are_opened_anew() {
    check(
        r#"
        int main(void) {
            int again = open("/proc/self/fd/1", O_WRONLY);
            CHECK(again >= 0 && open("/proc/self/fd/1", O_RDONLY) < 0);
            for (int round = 0; round < 2; round++) {
                CHECK(write(again, "ready\n", 6) == 6);
                char line[8];
                CHECK(hear(line, sizeof line) && write(again, "", 0) == 0);
                int more = open("/proc/self/fd/1", O_WRONLY);
                CHECK(more >= 0 && open("/dev/stdout", O_WRONLY) >= 0);
                struct stat a, b;
                CHECK(!fstat(1, &a) && !fstat(more, &b) && a.st_ino == b.st_ino);
                close(more);
            }
            CHECK(write(again, "ok\n", 3) == 3);
            return 0;
        }"#,
    );
}

#[test]
fn contents_change_after_they_were_restored() {
    check(
        r#"
        static char expected[400000], found[400000];
        static bool same(int fd, long size) {
            memset(found, 1, sizeof found);
            struct stat st;
            return !fstat(fd, &st) && st.st_size == size && pread(fd, found, sizeof found, 0) == size && !memcmp(found, expected, size)
                && pread(fd, found, 1000, 131000) == 1000 && !memcmp(found, expected + 131000, 1000);
        }
        int main(void) {
            int fds[4];
            char path[32];
            for (unsigned i = 0; i < sizeof expected; i++) expected[i] = i * 7 >> 4 | 1;
            for (int i = 0; i < 4; i++) {
                snprintf(path, sizeof path, "/tmp/%d", i);
                fds[i] = make(path, "");
                CHECK(write(fds[i], expected, sizeof expected) == sizeof expected);
            }
            struct statfs before, after;
            CHECK(!statfs("/tmp", &before));
            SAVED();
            CHECK(!statfs("/tmp", &after) && after.f_bfree <= before.f_bfree && before.f_bfree - after.f_bfree < 40);
            for (int i = 0; i < 4; i++) CHECK(same(fds[i], sizeof expected));
            /* One is changed, one is cut off and grows, one becomes a mapping; one waits for the next image. */
            CHECK(pwrite(fds[0], "changed", 7, 131070) == 7);
            memcpy(expected + 131070, "changed", 7);
            CHECK(same(fds[0], sizeof expected));
            CHECK(!ftruncate(fds[1], 150001) && !ftruncate(fds[1], 200000) && pread(fds[1], found, 60000, 149000) == 51000);
            CHECK(found[1000] == expected[150000] && !found[1001] && !found[50999]);
            char *mapped = mmap(NULL, sizeof expected, PROT_READ | PROT_WRITE, MAP_SHARED, fds[2], 0);
            CHECK(mapped != MAP_FAILED && !memcmp(mapped, expected, 131070));
            memcpy(mapped, expected, sizeof expected);
            CHECK(pwrite(fds[3], "changed", 7, 131070) == 7);
            CHECK(!fallocate(fds[3], FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 262144, 8192));
            SAVED();
            CHECK(same(fds[0], sizeof expected) && same(fds[2], sizeof expected) && !memcmp(mapped, expected, sizeof expected));
            memset(expected + 262144, 0, 8192);
            CHECK(same(fds[3], sizeof expected) && lseek(fds[3], 0, SEEK_HOLE) == 262144);
            CHECK(pread(fds[1], found, 60000, 149000) == 51000 && found[1000] == expected[150000] && !found[1001] && !found[50999]);
            for (int i = 0; i < 4; i++) {
                snprintf(path, sizeof path, "/tmp/%d", i);
                CHECK(!unlink(path) && !close(fds[i]));
            }
            CHECK(!munmap(mapped, sizeof expected) && !statfs("/tmp", &after) && (after.f_bfree - before.f_bfree) * 4096 >= 4 * sizeof expected);
            SAY("ok");
            return 0;
        }"#,
    );
}
