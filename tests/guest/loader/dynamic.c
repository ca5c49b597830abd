/* build: -fPIE -pie */
#include "case.h"
#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <sys/auxv.h>

/* This program itself is position independent and dynamically linked. */

CASE(interpreter_is_mapped)
{
    const Elf64_Ehdr *e = (void *)getauxval(AT_BASE);
    NEED(e);
    say("%.3s type %d", e->e_ident + 1, e->e_type);
    SHOW(getauxval(AT_ENTRY) != e->e_entry + (unsigned long)e);
}

static int count(struct dl_phdr_info *info, size_t size, void *data)
{
    (void)size;
    const char *base = strrchr(info->dlpi_name, '/');
    if (base && (strstr(base, "libc.so") || strstr(base, "ld-linux")))
        ++*(int *)data;
    return 0;
}

CASE(libraries)
{
    int n = 0;
    dl_iterate_phdr(count, &n);
    SHOW(n);
}

CASE(load_address_is_random)
{
    int p[2], differ = 0;
    unsigned long first = 0, at;
    NEED(pipe(p) == 0);
    dup2(p[1], 9);
    for (int i = 0; i < 5; i++) {
        reap(spawn_helper("address", NULL));
        NEED(read(p[0], &at, sizeof at) == sizeof at);
        differ |= i && at != first;
        first = at;
    }
    SHOW(differ);
}

HELPER(address)
{
    unsigned long at = (unsigned long)&count;
    return write(9, &at, sizeof at) == sizeof at ? 0 : 1;
}

CASE(symbols)
{
    double (*cosine)(double) = NULL;
    void *m = dlopen("libm.so.6", RTLD_NOW);
    SHOW(m != NULL);
    if (m)
        cosine = (double (*)(double))(unsigned long)dlsym(m, "cos");
    say("%.3f", cosine ? cosine(0) : -1);
    SHOW(dlopen("libnonexistent.so", RTLD_NOW) != NULL);
}

static __thread int local = 5;

static void *changes(void *arg)
{
    local++;
    return (void *)(long)(local + (arg != NULL));
}

CASE(thread_local_storage)
{
    void *r;
    local = 9;
    pthread_join(thread(changes, NULL), &r);
    SHOW(r);
    SHOW(local);
}

CASE(constructors_ran)
{
    extern char **environ;
    SHOW(environ != NULL && getenv("CASE") != NULL);
}

CASE(loader_run_by_hand)
{
    const Elf64_Ehdr *me = (void *)((unsigned long)getauxval(AT_PHDR) & ~4095ul);
    const Elf64_Phdr *ph = (void *)getauxval(AT_PHDR);
    const char *interp = NULL;
    for (unsigned long i = 0; i < getauxval(AT_PHNUM); i++)
        if (ph[i].p_type == PT_INTERP)
            interp = (const char *)me + ph[i].p_vaddr;
    NEED(interp);
    pid_t pid;
    CHILD(pid) execl(interp, interp, self, "--as", "hello", NULL);
    tell_wait("child", pid);
    CHILD(pid) execl(interp, interp, "/nonexistent", NULL);
    say("missing program: %d", reap(pid));
}

HELPER(hello)
{
    say("hello");
    return 6;
}

CASE(wrapped_calls)
{
    SHOW(system("exit 5") >> 8);
    FILE *f = popen("echo from a pipe", "r");
    char line[64] = "";
    NEED(f && fgets(line, sizeof line, f));
    say("%.11s %d", line, pclose(f));
    char *name = realpath("/usr/../usr/bin", NULL);
    say("%s", name);
    char tmp[] = "x-XXXXXX";
    OKAY(mkstemp(tmp));
    SHOW(sysconf(_SC_PAGESIZE));
}
