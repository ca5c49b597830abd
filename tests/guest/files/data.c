#include "case.h"
#include <sys/uio.h>

CASE(offsets)
{
    int fd = open("f", O_RDWR | O_CREAT, 0644);
    char buf[16] = "";
    TRY(write(fd, "0123456789", 10));
    TRY(lseek(fd, 0, SEEK_CUR));
    TRY(read(fd, buf, 5));
    TRY(lseek(fd, -3, SEEK_END));
    TRY(read(fd, buf, 16));
    say("%.3s", buf);
    TRY(lseek(fd, 100, SEEK_SET));
    TRY(read(fd, buf, 5));
    TRY(write(fd, "x", 1));
    SHOW(lseek(fd, 0, SEEK_END));
    TRY(lseek(fd, -1, SEEK_SET));
    TRY(lseek(fd, -200, SEEK_CUR));
    TRY(lseek(fd, 0, 9));
    TRY(lseek(fd, LONG_MAX, SEEK_SET));
    TRY(lseek(fd, 1, SEEK_CUR));
    TRY(lseek(99, 0, SEEK_SET));
    int p[2];
    NEED(pipe(p) == 0);
    TRY(lseek(p[0], 0, SEEK_SET));
}

CASE(positioned)
{
    int fd = open("f", O_RDWR | O_CREAT, 0644);
    char buf[16] = "";
    TRY(pwrite(fd, "hello", 5, 3));
    TRY(pread(fd, buf, 16, 0));
    SHOW(buf[0] == 0 && buf[3] == 'h');
    TRY(lseek(fd, 0, SEEK_CUR));
    TRY(pread(fd, buf, 16, -1));
    TRY(pwrite(fd, buf, 16, -1));
    TRY(pread(fd, buf, 16, 8));
    TRY(pread(fd, buf, 16, 1000));
    int p[2];
    NEED(pipe(p) == 0);
    TRY(pread(p[0], buf, 1, 0));
    TRY(pwrite(p[1], buf, 1, 0));
}

CASE(append)
{
    write_file("f", "abc", 0644);
    int fd = open("f", O_RDWR | O_APPEND), other = open("f", O_WRONLY);
    TRY(write(fd, "1", 1));
    TRY(lseek(fd, 0, SEEK_SET));
    TRY(write(fd, "2", 1));
    TRY(lseek(fd, 0, SEEK_CUR));
    /* On Linux even this appends. */
    TRY(pwrite(fd, "3", 1, 0));
    TRY(write(other, "X", 1));
    tell_file("f");
}

CASE(append_from_several)
{
    pid_t pids[4];
    for (int i = 0; i < 4; i++)
        CHILD(pids[i])
        {
            int fd = open("f", O_WRONLY | O_APPEND | O_CREAT, 0644);
            for (int k = 0; k < 100; k++)
                write(fd, "0123456789", 10);
        }
    for (int i = 0; i < 4; i++)
        reap(pids[i]);
    struct stat st;
    stat("f", &st);
    SHOW(st.st_size);
}

CASE(vectors)
{
    int fd = open("f", O_RDWR | O_CREAT, 0644);
    struct iovec w[3] = {{"one", 3}, {"", 0}, {"two", 3}};
    char a[4] = "", b[8] = "";
    struct iovec r[2] = {{a, 2}, {b, 8}};
    TRY(writev(fd, w, 3));
    TRY(preadv(fd, r, 2, 1));
    say("%s %s", a, b);
    TRY(pwritev(fd, w, 3, 4));
    TRY(readv(fd, r, 2));
    TRY(writev(fd, w, 0));
    TRY(writev(fd, w, -1));
    TRY(writev(fd, w, 1025));
    TRY(writev(fd, (void *)8, 1));
    w[0].iov_len = (size_t)-1;
    TRY(writev(fd, w, 1));
    w[0] = (struct iovec){(void *)8, 3};
    TRY(writev(fd, w, 1));
    w[0] = (struct iovec){"ok", 2};
    w[1] = (struct iovec){(void *)8, 3};
    TRY(writev(fd, w, 2));
    struct iovec huge[2] = {{a, LONG_MAX}, {b, LONG_MAX}};
    TRY(readv(fd, huge, 2));
}

CASE(second_versions)
{
    int fd = open("f", O_RDWR | O_CREAT, 0644);
    struct iovec w = {"data", 4};
    char buf[8] = "";
    struct iovec r = {buf, 8};
    TRY(pwritev2(fd, &w, 1, 0, 0));
    TRY(pwritev2(fd, &w, 1, -1, 0));
    SHOW(lseek(fd, 0, SEEK_CUR));
    TRY(pwritev2(fd, &w, 1, 0, RWF_APPEND));
    SHOW(lseek(fd, 0, SEEK_END));
    TRY(pwritev2(fd, &w, 1, 0, RWF_DSYNC));
    TRY(pwritev2(fd, &w, 1, 0, RWF_SYNC));
    TRY(preadv2(fd, &r, 1, 0, RWF_HIPRI));
    TRY(preadv2(fd, &r, 1, 0, 0x4000000));
    TRY(preadv2(fd, &r, 1, -2, 0));
}

CASE(bad_buffers)
{
    write_file("f", "abcdef", 0644);
    int fd = open("f", O_RDWR);
    char *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(p + 4096, 4096);
    TRY(read(fd, (void *)8, 3));
    TRY(write(fd, (void *)8, 3));
    TRY(lseek(fd, 0, SEEK_CUR));
    TRY(read(fd, p + 4093, 6));
    TRY(lseek(fd, 0, SEEK_CUR));
    memcpy(p + 4093, "XYZ", 3);
    TRY(pwrite(fd, p + 4093, 6, 0));
    tell_file("f");
    TRY(read(fd, (void *)8, 0));
    TRY(write(fd, (void *)8, 0));
    TRY(read(fd, (void *)0xffffffffffffff00, 10));
    TRY(read(99, p, 1));
    TRY(read(fd, p, (size_t)-1));
}

CASE(large)
{
    size_t size = 5 << 20;
    char *p = malloc(size), *q = calloc(1, size);
    for (size_t i = 0; i < size; i++)
        p[i] = (char)(i * 7 + i / 4096);
    int fd = open("f", O_RDWR | O_CREAT, 0644);
    TRY(write(fd, p, size));
    TRY(pread(fd, q, size, 0));
    SHOW(memcmp(p, q, size));
    TRY(pread(fd, q, size, 12345));
    SHOW(memcmp(p + 12345, q, size - 12345));
}

CASE(truncate)
{
    int fd = open("f", O_RDWR | O_CREAT, 0644);
    char buf[8];
    write(fd, "abcdefgh", 8);
    TRY(ftruncate(fd, 3));
    TRY(ftruncate(fd, 6));
    TRY(pread(fd, buf, 8, 0));
    SHOW(buf[2] == 'c' && buf[3] == 0);
    SHOW(lseek(fd, 0, SEEK_CUR));
    TRY(truncate("f", 2));
    TRY(truncate("f", -1));
    TRY(ftruncate(fd, -1));
    TRY(truncate("missing", 1));
    TRY(truncate(".", 1));
    TRY(ftruncate(open("f", O_RDONLY), 1));
    int p[2];
    NEED(pipe(p) == 0);
    TRY(ftruncate(p[1], 1));
    mkfifo("fifo", 0644);
    TRY(truncate("fifo", 1));
    TRY(ftruncate(fd, 1ul << 40));
    SHOW(lseek(fd, 0, SEEK_END) == 1l << 40);
}

CASE(holes)
{
    int fd = open("f", O_RDWR | O_CREAT, 0644);
    pwrite(fd, "a", 1, 0);
    pwrite(fd, "b", 1, 1 << 20);
    ftruncate(fd, 2 << 20);
    TRY(lseek(fd, 0, SEEK_DATA));
    TRY(lseek(fd, 0, SEEK_HOLE));
    TRY(lseek(fd, 4096, SEEK_DATA));
    TRY(lseek(fd, 1 << 20, SEEK_HOLE));
    TRY(lseek(fd, (1 << 20) + 4096, SEEK_DATA));
    TRY(lseek(fd, 2 << 20, SEEK_DATA));
    TRY(lseek(fd, 2 << 20, SEEK_HOLE));
    TRY(lseek(fd, -1, SEEK_DATA));
    TRY(lseek(fd, 3 << 20, SEEK_HOLE));
}

CASE(fallocate)
{
    int fd = open("f", O_RDWR | O_CREAT, 0644);
    struct stat st;
    char buf[3] = "";
    write(fd, "abcdefgh", 8);
    TRY(fallocate(fd, 0, 0, 100));
    SHOW(lseek(fd, 0, SEEK_END));
    TRY(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 100000));
    SHOW(lseek(fd, 0, SEEK_END));
    fstat(fd, &st);
    SHOW(st.st_blocks * 512 >= 100000);
    TRY(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 2, 3));
    pread(fd, buf, 3, 1);
    say("%d %d", buf[0], buf[1]);
    TRY(fallocate(fd, FALLOC_FL_PUNCH_HOLE, 2, 3));
    TRY(fallocate(fd, 0, -1, 3));
    TRY(fallocate(fd, 0, 0, 0));
    TRY(fallocate(fd, 0x4000, 0, 10));
    TRY(fallocate(open("f", O_RDONLY), 0, 0, 10));
    TRY(fallocate(fd, 0, LONG_MAX, 10));
    int p[2];
    NEED(pipe(p) == 0);
    TRY(fallocate(p[1], 0, 0, 10));
    TRY(fallocate(open(".", O_RDONLY), 0, 0, 10));
    RET(posix_fallocate(fd, 0, 200));
    SHOW(lseek(fd, 0, SEEK_END));
}

CASE(syncs_and_advice)
{
    int fd = open("f", O_RDWR | O_CREAT, 0644), p[2];
    NEED(pipe(p) == 0);
    TRY(fsync(fd));
    TRY(fdatasync(fd));
    TRY(fsync(p[1]));
    TRY(fsync(99));
    sync();
    TRY(syncfs(fd));
    TRY(sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE));
    TRY(sync_file_range(fd, 0, 0, 99));
    RET(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
    RET(posix_fadvise(fd, 0, 0, 99));
    RET(posix_fadvise(p[0], 0, 0, POSIX_FADV_NORMAL));
    TRY(readahead(fd, 0, 100));
    TRY(readahead(p[0], 0, 100));
}

CASE(devices)
{
    char buf[8] = "abc";
    int null = open("/dev/null", O_RDWR), zero = open("/dev/zero", O_RDWR), full = open("/dev/full", O_RDWR);
    TRY(read(null, buf, 8));
    TRY(write(null, buf, 8));
    TRY(read(zero, buf, 8));
    SHOW(buf[0]);
    TRY(write(zero, buf, 8));
    TRY(write(full, buf, 8));
    TRY(read(full, buf, 8));
    TRY(lseek(null, 5, SEEK_SET));
    TRY(pread(zero, buf, 8, 100));
    TRY(ftruncate(null, 0));
    int r = open("/dev/urandom", O_RDONLY);
    TRY(read(r, buf, 8));
    int o = open("/dev/null", O_WRONLY | O_TRUNC | O_CREAT, 0644);
    SHOW(o >= 0);
}

CASE(append_is_said_per_call)
{
    char b[16] = {0};
    struct iovec v = {"ab", 2}, r = {b, 8};
    write_file("f", "012345", 0644);
    int f = open("f", O_RDWR), a = open("f", O_RDWR | O_APPEND);
    TRY(pwritev2(f, &v, 1, 0, RWF_APPEND));
    tell_file("f");
    TRY(pwritev2(a, &v, 1, 1, 0));
    tell_file("f");
    TRY(pwritev2(a, &v, 1, 1, 0x20 /* RWF_NOAPPEND */));
    tell_file("f");
    lseek(a, 3, SEEK_SET);
    TRY(pwritev2(a, &v, 1, -1, 0x20));
    SHOW(lseek(a, 0, SEEK_CUR));
    tell_file("f");
    TRY(pwritev2(a, &v, 1, -5, 0x20));
    TRY(pwritev2(a, &v, 1, 1, 0x20 | RWF_APPEND));
    TRY(preadv2(f, &r, 1, 0, RWF_APPEND));
    TRY(preadv2(f, &r, 1, 0, 0x20));
    TRY(preadv2(f, &r, 1, 0, 0x4000));
    signal(SIGXFSZ, SIG_IGN);
    NEED(setrlimit(RLIMIT_FSIZE, &(struct rlimit){3, 3}) == 0);
    TRY(pwritev2(a, &v, 1, 2, 0x20));
    TRY(pwritev2(a, &v, 1, 3, 0x20));
}
