#include "case.h"
#include <linux/capability.h>
#include <linux/securebits.h>

/* Capability sets and their rules. Needs root. Sets are printed as relations: which ones root has is the host's. */

struct caps {
    uint64_t e, p, i;
};

static struct caps caps_of(pid_t pid)
{
    struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, pid};
    struct __user_cap_data_struct d[2] = {0};
    NEED(syscall(SYS_capget, &h, d) == 0);
    return (struct caps){d[0].effective | (uint64_t)d[1].effective << 32, d[0].permitted | (uint64_t)d[1].permitted << 32,
                         d[0].inheritable | (uint64_t)d[1].inheritable << 32};
}

static int set_caps(uint64_t e, uint64_t p, uint64_t i)
{
    struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct d[2] = {{(uint32_t)e, (uint32_t)p, (uint32_t)i},
                                          {(uint32_t)(e >> 32), (uint32_t)(p >> 32), (uint32_t)(i >> 32)}};
    return (int)syscall(SYS_capset, &h, d);
}

static void tell_caps(const char *text)
{
    struct caps c = caps_of(0);
    say("%s: effective %d permitted %d inheritable %d", text, c.e != 0, c.p != 0, c.i != 0);
}

#define BIT(c) (1ull << (c))
#define BASIC (BIT(CAP_CHOWN) | BIT(CAP_SETUID) | BIT(CAP_KILL))

static void tell_exact(const char *text)
{
    struct caps c = caps_of(0);
    say("%s: effective %#lx permitted %#lx inheritable %#lx", text, (long)c.e, (long)c.p, (long)c.i);
}

HELPER(caps)
{
    tell_exact(argc > 1 ? argv[1] : "after exec");
    return 0;
}

static void exec_caps(const char *text)
{
    pid_t pid;
    CHILD(pid) execl(self, self, "--as", "caps", text, NULL);
    reap(pid);
}

CASE(root_has_basic_ones)
{
    struct caps c = caps_of(0);
    SHOW((c.e & BASIC) == BASIC);
    SHOW(c.e == c.p);
    SHOW(c.i);
    for (int cap = 0; cap < 12; cap++)
        say("bounding %d: %d", cap, prctl(PR_CAPBSET_READ, cap));
    TRY(prctl(PR_CAPBSET_READ, 64));
}

CASE(versions)
{
    struct __user_cap_header_struct h = {0, 0};
    struct __user_cap_data_struct d[2];
    TRY(syscall(SYS_capget, &h, NULL));
    SHOWX(h.version);
    TRY(syscall(SYS_capget, &h, d));
    h.version = 7;
    TRY(syscall(SYS_capget, &h, d));
    SHOWX(h.version);
    h.pid = -1;
    TRY(syscall(SYS_capget, &h, d));
    h.pid = 0x3fffffff;
    TRY(syscall(SYS_capget, &h, d));
    h.pid = getppid();
    TRY(syscall(SYS_capset, &h, d));
    h.version = _LINUX_CAPABILITY_VERSION_1;
    h.pid = 0;
    TRY(syscall(SYS_capget, &h, d));
    TRY(syscall(SYS_capget, NULL, d));
    TRY(syscall(SYS_capset, &h, NULL));
}

CASE(lost_by_setuid)
{
    setuid(1000);
    tell_caps("caps");
}

CASE(effective_follows_seteuid)
{
    seteuid(1000);
    tell_caps("user");
    seteuid(0);
    tell_caps("root");
}

CASE(keepcaps)
{
    TRY(prctl(PR_SET_KEEPCAPS, 1));
    TRY(prctl(PR_SET_KEEPCAPS, 2));
    setuid(1000);
    tell_caps("kept");
    SHOW(prctl(PR_GET_KEEPCAPS));
    TRY(set_caps(BIT(CAP_CHOWN), BASIC, 0));
    tell_exact("raised");
    exec_caps("after exec of a user");
}

CASE(capset_rules)
{
    TRY(set_caps(BASIC, BASIC, 0));
    tell_exact("dropped");
    TRY(set_caps(BASIC, BASIC | BIT(CAP_NET_RAW), 0));
    TRY(set_caps(BASIC | BIT(CAP_NET_RAW), BASIC, 0));
    TRY(set_caps(0, BASIC, BASIC));
    tell_exact("inheritable");
    TRY(set_caps(0, BASIC, BASIC | BIT(CAP_NET_RAW)));
    TRY(set_caps(0, 0, BASIC));
    TRY(set_caps(0, BIT(CAP_CHOWN), 0));
}

CASE(root_exec_regains_from_bounding_set)
{
    uint64_t all = caps_of(0).p;
    set_caps(0, 0, 0);
    tell_exact("none");
    pid_t pid;
    CHILD(pid) execl(self, self, "--as", "regained", NULL);
    tell_wait("exec", pid);
    (void)all;
}

HELPER(regained)
{
    SHOW((caps_of(0).e & BASIC) == BASIC);
    return 0;
}

static void bound_to_basic(void)
{
    for (int cap = 0; cap < 64; cap++)
        if (!(BIT(cap) & (BASIC | BIT(CAP_SETPCAP) | BIT(CAP_SETGID))))
            prctl(PR_CAPBSET_DROP, cap);
}

CASE(bounding_set_limits_exec)
{
    bound_to_basic();
    SHOW(prctl(PR_CAPBSET_READ, CAP_NET_RAW));
    exec_caps("root");
    TRY(prctl(PR_CAPBSET_DROP, 64));
    set_caps(BASIC, BASIC, 0);
    TRY(prctl(PR_CAPBSET_DROP, CAP_CHOWN));
}

CASE(user_exec_loses_permitted)
{
    bound_to_basic();
    prctl(PR_SET_KEEPCAPS, 1);
    setuid(1000);
    set_caps(BASIC, BASIC, BASIC);
    tell_exact("before");
    exec_caps("after");
}

CASE(ambient)
{
    bound_to_basic();
    prctl(PR_SET_KEEPCAPS, 1);
    setuid(1000);
    TRY(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_CHOWN, 0, 0));
    set_caps(BASIC, BASIC, BASIC);
    TRY(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_CHOWN, 0, 0));
    TRY(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_RAW, 0, 0));
    SHOW(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_CHOWN, 0, 0));
    SHOW(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_KILL, 0, 0));
    exec_caps("with ambient");
    TRY(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_LOWER, CAP_CHOWN, 0, 0));
    TRY(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0));
    set_caps(BASIC, BASIC, 0);
    SHOW(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_KILL, 0, 0));
    TRY(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0));
    TRY(prctl(PR_CAP_AMBIENT, 9, 0, 0, 0));
    TRY(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, 64, 0, 0));
}

CASE(securebits)
{
    SHOWX(prctl(PR_GET_SECUREBITS));
    TRY(prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP));
    setresuid(1000, 1000, 1000);
    tell_caps("no fixup");
    TRY(prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED));
    TRY(prctl(PR_SET_SECUREBITS, 0));
    setresuid(0, 0, 0);
    exec_caps("no root");
}

CASE(effective_set_decides)
{
    write_file("f", "x", 0600);
    chown("f", 1000, 1000);
    uint64_t p = caps_of(0).p;
    set_caps(0, p, 0);
    TRY(open("f", O_RDONLY));
    TRY(chown("f", 5, 5));
    TRY(setuid(1000));
}

CASE(dac_override_only)
{
    write_file("f", "x", 0000);
    mkdir("d", 0000);
    chown("f", 1000, 1000);
    prctl(PR_SET_KEEPCAPS, 1);
    setuid(1001);
    set_caps(BIT(CAP_DAC_READ_SEARCH), BIT(CAP_DAC_READ_SEARCH) | BIT(CAP_DAC_OVERRIDE) | BIT(CAP_FOWNER), 0);
    TRY(open("f", O_RDONLY));
    TRY(open("f", O_WRONLY));
    TRY(access("d/x", F_OK));
    TRY(open("d/x", O_CREAT | O_WRONLY, 0600));
    set_caps(BIT(CAP_DAC_OVERRIDE), BIT(CAP_DAC_OVERRIDE) | BIT(CAP_FOWNER), 0);
    TRY(open("f", O_RDWR));
    TRY(open("d/x", O_CREAT | O_WRONLY, 0600));
    TRY(execl("./f", "f", NULL));
    TRY(chmod("f", 0644));
    set_caps(BIT(CAP_FOWNER), BIT(CAP_FOWNER), 0);
    TRY(chmod("f", 0644));
}
