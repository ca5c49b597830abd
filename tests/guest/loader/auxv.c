#include "case.h"
#include <elf.h>
#include <sys/auxv.h>

extern char **environ;

static const Elf64_auxv_t *auxv(void)
{
    char **p = environ;
    while (*p)
        p++;
    return (const Elf64_auxv_t *)(p + 1);
}

CASE(which_entries)
{
    int types[] = {AT_PHDR, AT_PHENT, AT_PHNUM,  AT_PAGESZ, AT_BASE,   AT_FLAGS,  AT_ENTRY,   AT_UID,      AT_EUID,
                   AT_GID,  AT_EGID,  AT_SECURE, AT_CLKTCK, AT_RANDOM, AT_EXECFN, AT_PLATFORM, AT_HWCAP,   AT_SYSINFO_EHDR};
    for (int i = 0; i < 18; i++) {
        errno = 0;
        getauxval((unsigned long)types[i]);
        say("%d: %s", types[i], errno ? "absent" : "present");
    }
}

CASE(values)
{
    SHOW(getauxval(AT_PAGESZ));
    SHOW(getauxval(AT_CLKTCK));
    SHOW(getauxval(AT_PHENT));
    SHOW(getauxval(AT_FLAGS));
    SHOW(getauxval(AT_SECURE));
    SHOW(getauxval(AT_UID) == getuid());
    SHOW(strcmp((char *)getauxval(AT_EXECFN), self));
    say("%s", (char *)getauxval(AT_PLATFORM));
    unsigned long zero[2] = {0};
    SHOW(memcmp((void *)getauxval(AT_RANDOM), zero, 16) != 0);
    SHOW(getauxval(AT_PHDR) % 8);
    SHOW(getauxval(AT_BASE));
}

CASE(program_headers_are_mapped)
{
    const Elf64_Phdr *p = (void *)getauxval(AT_PHDR);
    unsigned long n = getauxval(AT_PHNUM), loads = 0;
    for (unsigned long i = 0; i < n; i++)
        loads += p[i].p_type == PT_LOAD;
    SHOW(loads > 0);
    const Elf64_Ehdr *e = (void *)((unsigned long)p & ~4095ul);
    say("%.3s entry %d", e->e_ident + 1, e->e_entry == getauxval(AT_ENTRY));
}

CASE(vdso)
{
    const Elf64_Ehdr *e = (void *)getauxval(AT_SYSINFO_EHDR);
    if (!e)
        return;
    say("%.3s machine %d type %d", e->e_ident + 1, e->e_machine, e->e_type);
    SHOW((unsigned long)e % 4096);
}

CASE(random_bytes_differ)
{
    int p[2];
    uint64_t a[2], b[2];
    NEED(pipe(p) == 0);
    dup2(p[1], 9);
    reap(spawn_helper("random", NULL));
    reap(spawn_helper("random", NULL));
    NEED(read(p[0], a, 16) == 16 && read(p[0], b, 16) == 16);
    SHOW(a[0] != b[0] && a[1] != b[1]);
}

HELPER(random)
{
    return write(9, (void *)getauxval(AT_RANDOM), 16) == 16 ? 0 : 1;
}

CASE(stack_layout)
{
    /* In a fresh image: setenv moves the environment. */
    tell_wait("helper", spawn_helper("layout", NULL));
}

HELPER(layout)
{
    const Elf64_auxv_t *a = auxv();
    unsigned long n = 0;
    while (a[n].a_type != AT_NULL)
        n++;
    SHOW(n > 15);
    const char *name = (char *)getauxval(AT_EXECFN);
    /* The strings lie at the very top: the file name last, then eight zero bytes. */
    unsigned long end = (unsigned long)name + strlen(name) + 1 + 8;
    SHOW(end % 4096);
    SHOW((unsigned long)environ[0] > (unsigned long)a);
    return 0;
}

CASE(execfn_of_a_relative_path)
{
    symlink(self, "link");
    pid_t pid;
    CHILD(pid) execl("./link", "zero", "--as", "execfn", NULL);
    reap(pid);
}

HELPER(execfn)
{
    say("%s", (char *)getauxval(AT_EXECFN));
    return 0;
}

HELPER(entry_state)
{
    char **p = environ;
    int n = 0;
    while (p[n])
        n++;
    SHOW(n);
    say("%s", getenv("B"));
    return 0;
}

CASE(environment)
{
    pid_t pid;
    CHILD(pid)
    execve(self, (char *[]){"x", "--as", "entry_state", NULL},
           (char *[]){"A=1", "B=two words", "CASE=environment", "", "novalue", NULL});
    reap(pid);
}
