#include "case.h"

static char text[200000];

/* The line of /proc/self/maps that holds an address. */
static const char *line_of(void *at)
{
    static char line[PATH_MAX];
    unsigned long from, to;
    NEED(slurp("/proc/self/maps", text, sizeof text) > 0);
    for (char *p = text; *p; p = strchr(p, '\n') + 1)
        if (sscanf(p, "%lx-%lx", &from, &to) == 2 && from <= (unsigned long)at && (unsigned long)at < to) {
            snprintf(line, sizeof line, "%.*s", (int)strcspn(p, "\n"), p);
            return line;
        }
    return NULL;
}

static void tell_map(const char *what, void *at)
{
    const char *line = line_of(at);
    unsigned long from, to, offset, inode;
    char prot[8], dev[16], name[PATH_MAX] = "";
    if (!line) {
        say("%s: not there", what);
        return;
    }
    int n = sscanf(line, "%lx-%lx %7s %lx %15s %lu %s", &from, &to, prot, &offset, dev, &inode, name);
    const char *base = strrchr(name, '/') ? strrchr(name, '/') + 1 : name;
    say("%s: %s size %ld offset %#lx inode %d name %s fields %d", what, prot, (to - from) / 4096, offset, inode != 0,
        base, n);
}

CASE(anonymous)
{
    char *area = mmap(NULL, 9 * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *p = area + 4096;
    mmap(p, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    tell_map("whole", p);
    mprotect(p + 4096, 4096, PROT_READ);
    tell_map("first", p);
    tell_map("middle", p + 4096);
    tell_map("last", p + 8192);
    mprotect(p + 4096, 4096, PROT_READ | PROT_WRITE);
    tell_map("merged", p + 4096);
    mprotect(p + 4096, 4096, PROT_READ | PROT_EXEC);
    tell_map("executable", p + 4096);
    tell_map("none", area + 6 * 4096);
    munmap(p + 4096, 4096);
    tell_map("gone", p + 4096);
}

CASE(files)
{
    write_file("file", "x", 0644);
    int fd = open("file", O_RDWR);
    ftruncate(fd, 20000);
    tell_map("shared", mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 8192));
    tell_map("private", mmap(NULL, 8192, PROT_READ, MAP_PRIVATE, fd, 0));
    char *p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
    unlink("file");
    const char *line = line_of(p);
    SHOW(line && strstr(line, "/file (deleted)") != NULL);
}

CASE(shared_anonymous)
{
    char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    const char *line = line_of(p);
    SHOW(line && strstr(line, "/dev/zero (deleted)") != NULL);
    SHOW(line && strstr(line, " rw-s ") != NULL);
}

CASE(memfd)
{
    int fd = memfd_create("named", 0);
    ftruncate(fd, 4096);
    const char *line = line_of(mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0));
    SHOW(line && strstr(line, "/memfd:named (deleted)") != NULL);
}

CASE(well_known)
{
    int here;
    const char *line = line_of(&here);
    SHOW(line && strstr(line, "[stack]") != NULL);
    SHOW(line && strstr(line, " rw-p ") != NULL);
    char *heap = sbrk(8192);
    line = line_of(heap);
    SHOW(line && strstr(line, "[heap]") != NULL);
    line = line_of((void *)line_of);
    SHOW(line && strstr(line, self) != NULL);
    SHOW(line && strstr(line, " r-xp ") != NULL);
    slurp("/proc/self/maps", text, sizeof text);
    SHOW(strstr(text, "[vdso]") != NULL);
}

CASE(format)
{
    write_file("f", "x", 0644);
    void *p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, open("f", O_RDONLY), 0);
    const char *line = line_of(p);
    /* The name begins in column 74. */
    SHOW(strchr(line, '/') - line);
    SHOW(line[strspn(line, "0123456789abcdef")] == '-');
}

CASE(sorted_and_disjoint)
{
    unsigned long last = 0, from, to;
    int bad = 0, n = 0;
    for (int i = 0; i < 50; i++)
        mmap(NULL, (size_t)(i % 5 + 1) * 4096, i % 3 ? PROT_READ : PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    NEED(slurp("/proc/self/maps", text, sizeof text) > 0);
    for (char *p = text; *p; p = strchr(p, '\n') + 1, n++) {
        NEED(sscanf(p, "%lx-%lx", &from, &to) == 2);
        bad += from < last || to <= from || from % 4096 || to % 4096;
        last = to;
    }
    SHOW(bad);
    SHOW(n > 10);
}

CASE(mem_file)
{
    static volatile char data[16] = "from the file";
    char buf[16] = "";
    int fd = open("/proc/self/mem", O_RDWR);
    TRY(pread(fd, buf, 14, (off_t)(long)data));
    say("%s", buf);
    TRY(pwrite(fd, "FROM", 4, (off_t)(long)data));
    say("%s", data);
    TRY(pread(fd, buf, 14, 8));
}

CASE(pagemap_and_smaps)
{
    NEED(slurp("/proc/self/smaps", text, sizeof text) > 0);
    SHOW(strstr(text, "\nRss:") != NULL);
    SHOW(strstr(text, "\nPrivate_Dirty:") != NULL);
    SHOW(strstr(text, "\nVmFlags:") != NULL);
}

CASE(statm)
{
    long v[7];
    NEED(slurp("/proc/self/statm", text, sizeof text) > 0);
    SHOW(sscanf(text, "%ld %ld %ld %ld %ld %ld %ld", v, v + 1, v + 2, v + 3, v + 4, v + 5, v + 6));
    SHOW(v[0] > v[1] && v[1] > 0);
    SHOW(v[4] + v[6]);
}
