#include "case.h"
#include <sys/shm.h>
#include <sys/uio.h>

#define RW (PROT_READ | PROT_WRITE)

CASE(anonymous_between_processes)
{
    char *p = mmap(NULL, 8192, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t pid;
    CHILD(pid)
    {
        p[0] = 1;
        p[8191] = 2;
    }
    reap(pid);
    say("%d %d", p[0], p[8191]);
}

CASE(write_is_seen_by_mapping)
{
    int fd = open("f", O_RDWR | O_CREAT, 0644);
    ftruncate(fd, 8192);
    char *p = mmap(NULL, 8192, RW, MAP_SHARED, fd, 0);
    pwrite(fd, "hello", 6, 4094);
    say("%s", p + 4094);
    memcpy(p + 100, "there", 6);
    char buf[6];
    pread(fd, buf, 6, 100);
    say("%s", buf);
}

CASE(private_mapping_sees_writes_until_it_copies)
{
    write_file("f", "abc", 0644);
    int fd = open("f", O_RDWR);
    char *p = mmap(NULL, 4096, RW, MAP_PRIVATE, fd, 0);
    char first = p[0];
    pwrite(fd, "X", 1, 0);
    say("%c %c", first, p[0]);
    p[1] = 'Y';
    pwrite(fd, "Z", 1, 0);
    say("%c%c", p[0], p[1]);
}

CASE(two_mappings_two_descriptors)
{
    write_file("f", "abcdef", 0644);
    char *p = mmap(NULL, 4096, RW, MAP_SHARED, open("f", O_RDWR), 0);
    char *q = mmap(NULL, 4096, PROT_READ, MAP_SHARED, open("f", O_RDONLY), 0);
    p[3] = 'X';
    say("%s", q);
}

CASE(pages_of_a_file_in_another_order)
{
    int f = open("f", O_RDWR | O_CREAT, 0644);
    char page[4096];
    for (int i = 0; i < 4; i++) {
        memset(page, 'a' + i, sizeof page);
        NEED(write(f, page, sizeof page) == sizeof page);
    }
    char *p = mmap(NULL, 4 * 4096, RW, MAP_SHARED, f, 0);
    TRY(syscall(SYS_remap_file_pages, p, 4096, 0, 3, 0));
    TRY(syscall(SYS_remap_file_pages, p + 3 * 4096, 4096, 0, 0, MAP_NONBLOCK));
    say("%c%c%c%c", p[0], p[4096], p[2 * 4096], p[3 * 4096]);
    p[0] = 'X';
    NEED(pread(f, page, 1, 3 * 4096) == 1);
    say("%c", page[0]);
    TRY(syscall(SYS_remap_file_pages, p, 4 * 4096 + 5, 0, 0, 0));
    say("%c%c%c%c", p[0], p[4096], p[2 * 4096], p[3 * 4096]);
    TRY(syscall(SYS_remap_file_pages, p, 4096, PROT_READ, 0, 0));
    TRY(syscall(SYS_remap_file_pages, p, 0, 0, 0, 0));
    TRY(syscall(SYS_remap_file_pages, p, 8 * 4096, 0, 0, 0));
    TRY(syscall(SYS_remap_file_pages, p, 4096, 0, -1L, 0));
    TRY(syscall(SYS_remap_file_pages, mmap(NULL, 4096, RW, MAP_PRIVATE, f, 0), 4096, 0, 0, 0));
    TRY(syscall(SYS_remap_file_pages, mmap(NULL, 4096, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 4096, 0, 0, 0));
    char *s = mmap(NULL, 8192, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    s[4096] = 's';
    TRY(syscall(SYS_remap_file_pages, s, 4096, 0, 1, 0));
    say("%c", s[0]);
}

CASE(across_exec)
{
    write_file("f", "abc", 0644);
    char *p = mmap(NULL, 4096, RW, MAP_SHARED, open("f", O_RDWR), 0);
    pid_t pid = spawn_helper("writes", NULL);
    reap(pid);
    say("%.3s", p);
}

HELPER(writes)
{
    char *p = mmap(NULL, 4096, RW, MAP_SHARED, open("f", O_RDWR), 0);
    memcpy(p, "xyz", 3);
    return 0;
}

CASE(truncate_zeroes_the_tail)
{
    write_file("f", "abcdef", 0644);
    int fd = open("f", O_RDWR);
    char *p = mmap(NULL, 4096, RW, MAP_SHARED, fd, 0);
    ftruncate(fd, 3);
    ftruncate(fd, 10);
    say("%d %d %d", p[2], p[3], p[5]);
    p[20] = 9;
    ftruncate(fd, 4096);
    char c;
    pread(fd, &c, 1, 20);
    SHOW(c);
}

CASE(read_into_a_mapping_of_the_same_file)
{
    write_file("f", "abcdefgh", 0644);
    int fd = open("f", O_RDWR);
    char *p = mmap(NULL, 4096, RW, MAP_SHARED, fd, 0);
    TRY(pread(fd, p + 4, 4, 0));
    say("%.8s", p);
    /* Not overlapping: what then comes out is the processor's matter. */
    TRY(pwrite(fd, p, 2, 2));
    say("%.8s", p);
}

CASE(atomics_between_processes)
{
    _Atomic int *v = SHARED_INTS(1);
    pid_t pids[3];
    for (int i = 0; i < 3; i++)
        CHILD(pids[i]) for (int k = 0; k < 100000; k++) atomic_fetch_add(v, 1);
    for (int i = 0; i < 3; i++)
        reap(pids[i]);
    SHOW(*v);
}

CASE(shm_open)
{
    char name[64];
    snprintf(name, sizeof name, "/oracle-%d", getpid());
    int fd;
    OKAY(fd = shm_open(name, O_CREAT | O_EXCL | O_RDWR, 0600));
    TRY(ftruncate(fd, 4096));
    char *p = MAP_OK(mmap(NULL, 4096, RW, MAP_SHARED, fd, 0));
    pid_t pid;
    CHILD(pid)
    {
        int f = shm_open(name, O_RDWR, 0);
        char *q = mmap(NULL, 4096, RW, MAP_SHARED, f, 0);
        q[7] = 77;
    }
    reap(pid);
    SHOW(p[7]);
    TRY(shm_unlink(name));
    TRY(shm_open(name, O_RDWR, 0));
}

CASE(fork_of_shared_and_private)
{
    char *s = mmap(NULL, 4096, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    char *p = mmap(NULL, 4096, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    s[0] = p[0] = 1;
    pid_t a, b;
    CHILD(a)
    {
        CHILD(b) s[0]++, p[0]++;
        reap(b);
        say("middle: %d %d", s[0], p[0]);
        p[0] = 9;
    }
    reap(a);
    say("top: %d %d", s[0], p[0]);
}

CASE(process_vm)
{
    char *mine = mmap(NULL, 8192, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), buf[20] = "";
    strcpy(mine, "original");
    _Atomic int *v = SHARED_INTS(2);
    pid_t pid;
    CHILD(pid)
    {
        strcpy(mine, "of the child");
        v[0] = 1;
        wait_for(&v[1], 1);
        say("child has %s", mine);
    }
    wait_for(&v[0], 1);
    struct iovec l = {buf, 13}, r = {mine, 13};
    TRY(process_vm_readv(pid, &l, 1, &r, 1, 0));
    say("%s", buf);
    l = (struct iovec){"patched", 8};
    TRY(process_vm_writev(pid, &l, 1, &r, 1, 0));
    r = (struct iovec){mine + 8190, 10};
    l = (struct iovec){buf, 10};
    TRY(process_vm_readv(pid, &l, 1, &r, 1, 0));
    r = (struct iovec){(void *)8, 10};
    TRY(process_vm_readv(pid, &l, 1, &r, 1, 0));
    TRY(process_vm_readv(pid, &l, 1, &r, 1, 1));
    TRY(process_vm_readv(0x3fffffff, &l, 1, &r, 1, 0));
    TRY(process_vm_readv(pid, &l, 1, &r, 2000, 0));
    TRY(process_vm_readv(pid, &l, 0, &r, 0, 0));
    pid_t by;
    CHILD(by)
    {
        become(1000, 1000);
        r = (struct iovec){mine, 4};
        TRY(process_vm_readv(pid, &l, 1, &r, 1, 0));
    }
    reap(by);
    v[1] = 1;
    reap(pid);
    say("parent has %s", mine);
}

CASE(sysv)
{
    int id = shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600);
    if (id < 0) {
        show_errno("shmget");
        return;
    }
    char *p = shmat(id, NULL, 0);
    p[0] = 3;
    pid_t pid;
    CHILD(pid) p[0]++;
    reap(pid);
    SHOW(p[0]);
    TRY(shmctl(id, IPC_RMID, NULL));
    TRY(shmdt(p));
    TRY(shmdt(p));
}
