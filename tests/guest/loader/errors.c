#include "case.h"
#include <elf.h>

static void run(const char *path)
{
    pid_t pid;
    CHILD(pid)
    {
        execl(path, path, NULL);
        show_errno(path);
        _exit(99);
    }
    say("%s: %d", path, reap(pid));
}

static unsigned char image[4096 * 64];
static size_t image_size;

static void load_image(const char *path)
{
    int fd = open(path, O_RDONLY);
    NEED(fd >= 0);
    image_size = 0;
    ssize_t n;
    while ((n = read(fd, image + image_size, sizeof image - image_size)) > 0)
        image_size += (size_t)n;
    close(fd);
    NEED(image_size > 4096);
}

static void save_image(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0755);
    NEED(write(fd, image, image_size) == (ssize_t)image_size);
    close(fd);
}

CASE(paths)
{
    write_file("f", "x", 0644);
    mkdir("d", 0755);
    symlink("loop", "loop");
    symlink("gone", "dangling");
    mkfifo("fifo", 0755);
    char deep[5000];
    memset(deep, 'a', sizeof deep - 1);
    deep[4999] = 0;
    run("./missing");
    run("./f");
    run("./f/x");
    run("./d");
    run("./loop");
    run("./dangling");
    run("./fifo");
    run("");
    run("/dev/null");
    TRY(execl(deep, "x", NULL));
    deep[300] = 0;
    TRY(execl(deep, "x", NULL));
}

CASE(permission)
{
    load_image("/bin/true");
    save_image("p");
    chmod("p", 0644);
    run("./p");
    chmod("p", 0000);
    run("./p");
    chmod("p", 0001);
    run("./p");
    pid_t pid;
    CHILD(pid)
    {
        become(1000, 1000);
        chmod("p", 0755);
        run("./p");
    }
    reap(pid);
    mkdir("closed", 0700);
    rename("p", "closed/p");
    CHILD(pid)
    {
        become(1000, 1000);
        run("closed/p");
    }
    reap(pid);
}

CASE(busy)
{
    load_image("/bin/true");
    save_image("p");
    int fd = open("p", O_WRONLY);
    run("./p");
    close(fd);
    run("./p");
    fd = open("p", O_RDWR);
    run("./p");
    close(fd);
    symlink("/bin/sleep", "link");
}

CASE(writing_a_running_program)
{
    load_image("/bin/sleep");
    save_image("p");
    pid_t pid;
    CHILD(pid) execl("./p", "sleep", "0.4", NULL);
    msleep(200);
    TRY(open("p", O_WRONLY));
    TRY(open("p", O_RDWR));
    TRY(open("p", O_RDONLY | O_TRUNC));
    TRY(truncate("p", 0));
    TRY(unlink("p"));
    tell_wait("child", pid);
}

CASE(too_big)
{
    size_t size = 129 * 1024;
    char *big = malloc(size + 1);
    memset(big, 'x', size);
    big[size] = 0;
    char *argv[] = {"true", big, NULL}, *none[] = {NULL}, *envp[] = {big, NULL};
    pid_t pid;
    TRY(execve("/bin/true", argv, none));
    TRY(execve("/bin/true", none, envp));
    big[128 * 1024 - 1] = 0;
    CHILD(pid) TRY(execve("/bin/true", argv, none));
    tell_wait("131071 bytes", pid);
    char **many = calloc(40, sizeof *many);
    for (int i = 0; i < 20; i++)
        many[i] = big;
    /* The limit is a quarter of the stack's. */
    setrlimit(RLIMIT_STACK, &(struct rlimit){8 << 20, RLIM_INFINITY});
    TRY(execve("/bin/true", many, none));
    many[14] = NULL;
    CHILD(pid) TRY(execve("/bin/true", many, none));
    tell_wait("1.8 MiB", pid);
    setrlimit(RLIMIT_STACK, &(struct rlimit){1 << 20, RLIM_INFINITY});
    TRY(execve("/bin/true", many, none));
}

static void variant(const char *text, size_t offset, const void *bytes, size_t n)
{
    unsigned char saved[64];
    memcpy(saved, image + offset, n);
    memcpy(image + offset, bytes, n);
    save_image("v");
    memcpy(image + offset, saved, n);
    pid_t pid;
    CHILD(pid)
    {
        execl("./v", "v", NULL);
        say("%s: %s", text, errname(errno));
        _exit(99);
    }
    say("%s ends with %d", text, reap(pid));
}

CASE(malformed)
{
    load_image("/bin/true");
    variant("as it is", 0, "\177", 1);
    variant("magic", 0, "\176", 1);
    variant("32 bits", EI_CLASS, "\1", 1);
    variant("type", offsetof(Elf64_Ehdr, e_type), "\1\0", 2);
    variant("core", offsetof(Elf64_Ehdr, e_type), "\4\0", 2);
    variant("machine", offsetof(Elf64_Ehdr, e_machine), "\267\0", 2);
    variant("phentsize", offsetof(Elf64_Ehdr, e_phentsize), "\40\0", 2);
    variant("no headers", offsetof(Elf64_Ehdr, e_phnum), "\0\0", 2);
    variant("many headers", offsetof(Elf64_Ehdr, e_phnum), "\377\377", 2);
    variant("headers outside", offsetof(Elf64_Ehdr, e_phoff), "\0\0\0\0\1\0\0\0", 8);
    image_size = 40;
    variant("cut in the header", 0, "\177", 1);
    image_size = 100;
    variant("cut in the program headers", 0, "\177", 1);
}

static Elf64_Phdr *segment(uint32_t type)
{
    Elf64_Ehdr *e = (void *)image;
    Elf64_Phdr *p = (void *)(image + e->e_phoff);
    for (int i = 0; i < e->e_phnum; i++)
        if (p[i].p_type == type)
            return p + i;
    return NULL;
}

CASE(interpreter)
{
    load_image("/bin/true");
    Elf64_Phdr *p = segment(PT_INTERP);
    NEED(p);
    variant("missing", p->p_offset, "/nonexistent", 13);
    variant("a directory", p->p_offset, "/tmp\0", 5);
    variant("not terminated", p->p_offset + p->p_filesz - 1, "x", 1);
    variant("not ELF", p->p_offset, "/etc/passwd", 12);
    unsigned char *field = (unsigned char *)p;
    variant("size 1", (size_t)(field - image) + offsetof(Elf64_Phdr, p_filesz), "\1\0\0\0\0\0\0\0", 8);
    variant("huge", (size_t)(field - image) + offsetof(Elf64_Phdr, p_filesz), "\0\0\1\0\0\0\0\0", 8);
}
