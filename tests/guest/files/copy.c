#include "case.h"
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>

static int in, out, p[2];

static void open_all(void)
{
    write_file("in", "0123456789abcdef", 0644);
    in = open("in", O_RDONLY);
    out = open("out", O_RDWR | O_CREAT | O_TRUNC, 0644);
    NEED(in >= 0 && out >= 0 && pipe(p) == 0);
}

CASE(sendfile)
{
    open_all();
    off_t off = 4;
    TRY(sendfile(out, in, &off, 6));
    SHOW(off);
    TRY(lseek(in, 0, SEEK_CUR));
    TRY(sendfile(out, in, NULL, 3));
    TRY(lseek(in, 0, SEEK_CUR));
    TRY(sendfile(out, in, NULL, 1000));
    TRY(sendfile(out, in, NULL, 1000));
    tell_file("out");
    TRY(sendfile(p[1], in, &off, 5));
    char buf[8] = "";
    TRY(read(p[0], buf, 8));
    say("%s", buf);
    off = -1;
    TRY(sendfile(out, in, &off, 5));
    TRY(sendfile(out, p[0], NULL, 5));
    TRY(sendfile(in, out, NULL, 5));
    TRY(sendfile(99, in, NULL, 5));
    TRY(sendfile(out, in, (void *)8, 5));
    TRY(sendfile(out, open(".", O_RDONLY), NULL, 5));
    TRY(sendfile(open("out", O_WRONLY | O_APPEND), in, NULL, 5));
}

CASE(sendfile_to_a_socket)
{
    open_all();
    int s[2];
    NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
    off_t off = 0;
    TRY(sendfile(s[0], in, &off, 16));
    char buf[20] = "";
    TRY(read(s[1], buf, 20));
    say("%s", buf);
}

CASE(splice)
{
    open_all();
    loff_t off = 2;
    TRY(splice(in, &off, p[1], NULL, 5, 0));
    SHOW(off);
    TRY(splice(in, NULL, p[1], NULL, 3, 0));
    TRY(lseek(in, 0, SEEK_CUR));
    loff_t to = 1;
    TRY(splice(p[0], NULL, out, &to, 100, 0));
    SHOW(to);
    TRY(lseek(out, 0, SEEK_END));
    TRY(splice(p[0], NULL, out, NULL, 100, SPLICE_F_NONBLOCK));
    TRY(splice(in, NULL, out, NULL, 3, 0));
    TRY(splice(in, NULL, p[1], &off, 3, 0));
    TRY(splice(in, NULL, p[1], NULL, 0, 0));
    TRY(splice(in, NULL, p[1], NULL, 3, 0x100));
    TRY(splice(99, NULL, p[1], NULL, 3, 0));
    TRY(splice(p[1], NULL, out, NULL, 3, 0));
    TRY(splice(p[0], NULL, p[1], NULL, 3, 0));
    lseek(in, 0, SEEK_END);
    TRY(splice(in, NULL, p[1], NULL, 3, 0));
    close(p[1]);
    TRY(splice(p[0], NULL, out, NULL, 3, 0));
}

CASE(splice_between_pipes)
{
    int q[2];
    open_all();
    NEED(pipe(q) == 0);
    write(p[1], "through", 7);
    TRY(splice(p[0], NULL, q[1], NULL, 4, 0));
    char buf[8] = "";
    TRY(read(q[0], buf, 8));
    say("%s", buf);
    memset(buf, 0, 8);
    TRY(read(p[0], buf, 8));
    say("%s", buf);
    /* To an append-only file. */
    write(p[1], "x", 1);
    TRY(splice(p[0], NULL, open("out", O_WRONLY | O_APPEND), NULL, 1, 0));
}

CASE(tee)
{
    int q[2];
    open_all();
    NEED(pipe(q) == 0);
    write(p[1], "doubled", 7);
    TRY(tee(p[0], q[1], 100, 0));
    char buf[8] = "";
    TRY(read(p[0], buf, 8));
    say("%s", buf);
    memset(buf, 0, 8);
    TRY(read(q[0], buf, 8));
    say("%s", buf);
    TRY(tee(p[0], q[1], 100, SPLICE_F_NONBLOCK));
    TRY(tee(p[0], p[1], 100, 0));
    TRY(tee(in, q[1], 100, 0));
    TRY(tee(p[0], q[1], 0, 0));
}

CASE(vmsplice)
{
    open_all();
    struct iovec v[2] = {{"ab", 2}, {"cd", 2}};
    TRY(vmsplice(p[1], v, 2, 0));
    char buf[8] = "";
    TRY(read(p[0], buf, 8));
    say("%s", buf);
    write(p[1], "back", 4);
    struct iovec r = {buf, 8};
    TRY(vmsplice(p[0], &r, 1, 0));
    say("%s", buf);
    TRY(vmsplice(in, v, 1, 0));
    TRY(vmsplice(p[1], v, 2000, 0));
    TRY(vmsplice(p[1], v, 0, 0));
}

CASE(copy_file_range)
{
    open_all();
    loff_t from = 3, to = 2;
    TRY(copy_file_range(in, &from, out, &to, 5, 0));
    say("%ld %ld", (long)from, (long)to);
    TRY(copy_file_range(in, NULL, out, NULL, 4, 0));
    tell_file("out");
    TRY(lseek(in, 0, SEEK_CUR));
    from = 100;
    TRY(copy_file_range(in, &from, out, NULL, 4, 0));
    TRY(copy_file_range(in, NULL, out, NULL, 4, 1));
    TRY(copy_file_range(out, NULL, in, NULL, 4, 0));
    TRY(copy_file_range(in, NULL, open("out", O_WRONLY | O_APPEND), NULL, 4, 0));
    TRY(copy_file_range(in, NULL, p[1], NULL, 4, 0));
    TRY(copy_file_range(in, NULL, open(".", O_RDONLY), NULL, 4, 0));
    from = 0, to = 2;
    TRY(copy_file_range(out, &from, out, &to, 4, 0));
    from = 0, to = 8;
    TRY(copy_file_range(out, &from, out, &to, 4, 0));
    tell_file("out");
    TRY(copy_file_range(99, NULL, out, NULL, 4, 0));
}

CASE(large_sendfile)
{
    int big = open("big", O_RDWR | O_CREAT, 0644);
    char *block = malloc(1 << 20), *back = malloc(1 << 20);
    for (int i = 0; i < 1 << 20; i++)
        block[i] = (char)(i ^ i >> 8);
    NEED(write(big, block, 1 << 20) == 1 << 20);
    out = open("out", O_RDWR | O_CREAT, 0644);
    off_t off = 0;
    TRY(sendfile(out, big, &off, 1 << 20));
    NEED(pread(out, back, 1 << 20, 0) == 1 << 20);
    SHOW(memcmp(block, back, 1 << 20));
}

CASE(copy_file_range_before_the_beginning)
{
    int f = open("f", O_RDWR | O_CREAT, 0644), g = open("g", O_RDWR | O_CREAT, 0644);
    off_t before = -1, far = -100, at = 0;
    NEED(write(f, "0123456789", 10) == 10);
    TRY(copy_file_range(f, &before, g, &at, 5, 0));
    TRY(copy_file_range(f, &at, g, &before, 5, 0));
    TRY(copy_file_range(f, &far, g, &at, 5, 0));
    SHOW(before);
    SHOW(at);
}
