#include "case.h"
#include <grp.h>
#include <sys/fsuid.h>

/* All of these need root. */

static void tell_ids(const char *text)
{
    uid_t r, e, s;
    gid_t gr, ge, gs;
    getresuid(&r, &e, &s);
    getresgid(&gr, &ge, &gs);
    say("%s: uid %d %d %d fs %d gid %d %d %d fs %d", text, (int)r, (int)e, (int)s, setfsuid(-1), (int)gr, (int)ge,
        (int)gs, setfsgid(-1));
}

CASE(start)
{
    tell_ids("ids");
    SHOW(getuid());
    SHOW(geteuid());
    SHOW(getgid());
    SHOW(getegid());
}

CASE(setuid_of_root_sets_all)
{
    TRY(setuid(1000));
    tell_ids("ids");
    TRY(setuid(0));
    TRY(setuid(1000));
    TRY(setuid(1001));
}

CASE(setuid_of_user_sets_effective)
{
    TRY(setresuid(1000, 1000, 1001));
    TRY(setuid(1001));
    tell_ids("ids");
    TRY(setuid(1000));
    tell_ids("ids");
    TRY(setuid(1002));
}

CASE(seteuid_and_back)
{
    TRY(seteuid(1000));
    tell_ids("ids");
    TRY(seteuid(0));
    tell_ids("ids");
}

CASE(setreuid)
{
    TRY(setreuid(1000, 1001));
    tell_ids("ids");
    TRY(setreuid(1001, 1000));
    tell_ids("swapped");
    TRY(setreuid(1002, -1));
    TRY(setreuid(-1, 1001));
    tell_ids("saved");
    TRY(setreuid(-1, 1005));
}

CASE(setreuid_saved_rule)
{
    TRY(setreuid(-1, 1001));
    tell_ids("effective only");
    TRY(seteuid(0));
    TRY(setreuid(0, -1));
    tell_ids("real only");
    TRY(setreuid(1000, 0));
    tell_ids("real changed");
}

CASE(setresuid)
{
    TRY(setresuid(1000, 1001, 1002));
    tell_ids("ids");
    TRY(setresuid(1002, 1000, 1001));
    tell_ids("rotated");
    TRY(setresuid(-1, -1, -1));
    TRY(setresuid(1003, -1, -1));
    TRY(setresuid(-1, 0, -1));
    tell_ids("ids");
}

CASE(gids)
{
    TRY(setresgid(100, 101, 102));
    tell_ids("ids");
    TRY(setuid(1000));
    TRY(setgid(102));
    tell_ids("setgid of a user");
    TRY(setregid(101, 100));
    TRY(setregid(100, 102));
    tell_ids("ids");
    TRY(setresgid(0, 0, 0));
    TRY(setgid(0));
}

CASE(setregid_of_root)
{
    TRY(setregid(50, 51));
    tell_ids("ids");
    TRY(setregid(-1, 50));
    tell_ids("ids");
}

CASE(fsids)
{
    SHOW(setfsuid(1000));
    SHOW(setfsuid(1000));
    write_file("root_only", "x", 0600);
    TRY(open("root_only", O_RDONLY));
    SHOW(setfsgid(1000));
    SHOW(setfsuid(0));
    TRY(open("root_only", O_RDONLY));
    setresuid(1000, 1000, 1000);
    SHOW(setfsuid(1001));
    SHOW(setfsuid(-1));
}

CASE(fsuid_follows_effective)
{
    setfsuid(1003);
    TRY(seteuid(1000));
    tell_ids("ids");
}

CASE(groups)
{
    gid_t set[3] = {10, 20, 10}, out[10];
    TRY(setgroups(3, set));
    TRY(getgroups(0, NULL));
    TRY(getgroups(1, out));
    TRY(getgroups(10, out));
    say("%d %d %d", (int)out[0], (int)out[1], (int)out[2]);
    TRY(getgroups(-1, out));
    TRY(setgroups(65537, set));
    TRY(syscall(SYS_setgroups, 3, (void *)8));
    TRY(syscall(SYS_getgroups, 3, (void *)8));
    TRY(setgroups(0, NULL));
    TRY(getgroups(10, out));
    become(1000, 1000);
    TRY(setgroups(0, NULL));
}

CASE(groups_grant_access)
{
    gid_t set[] = {30};
    write_file("g", "x", 0640);
    chown("g", 0, 30);
    setgroups(1, set);
    setgid(1000);
    setuid(1000);
    TRY(access("g", R_OK));
    TRY(access("g", W_OK));
    TRY(open("g", O_RDONLY));
}

CASE(invalid_ids)
{
    TRY(setuid(-1));
    TRY(setgid(-1));
    TRY(setresuid(-1, -1, -1));
    TRY(setreuid(-1, -1));
    tell_ids("ids");
}

CASE(kill_permission)
{
    _Atomic int *v = SHARED_INTS(1);
    pid_t pid;
    CHILD(pid)
    {
        setresuid(1000, 1001, 1002);
        v[0] = 1;
        for (;;)
            pause();
    }
    wait_for(v, 1);
    pid_t by;
    int ids[][3] = {{1000, 1000, 1000}, {1001, 1001, 1001}, {1002, 1002, 1002}, {1003, 1003, 1003}};
    for (int i = 0; i < 4; i++) {
        CHILD(by)
        {
            setresuid(ids[i][0], ids[i][1], ids[i][2]);
            say("as %d", ids[i][0]);
            TRY(kill(pid, 0));
            TRY(kill(pid, SIGCONT));
        }
        reap(by);
    }
    kill(pid, SIGKILL);
    reap(pid);
}

CASE(kill_sigcont_in_session)
{
    pid_t pid, parent = getpid();
    CHILD(pid)
    {
        setuid(1000);
        TRY(kill(parent, 0));
        TRY(kill(parent, SIGCONT));
        setsid();
        TRY(kill(parent, SIGCONT));
        TRY(kill(-1 * parent, 0));
    }
    reap(pid);
}

CASE(dumpable_after_change)
{
    SHOW(prctl(PR_GET_DUMPABLE));
    seteuid(1000);
    SHOW(prctl(PR_GET_DUMPABLE));
    TRY(prctl(PR_SET_DUMPABLE, 1));
    SHOW(prctl(PR_GET_DUMPABLE));
    TRY(prctl(PR_SET_DUMPABLE, 2));
}

static void *as_thread(void *arg)
{
    (void)arg;
    syscall(SYS_setuid, 1000);
    SHOW(syscall(SYS_geteuid));
    return NULL;
}

CASE(creds_are_of_the_thread)
{
    pthread_join(thread(as_thread, NULL), NULL);
    SHOW(geteuid());
}
