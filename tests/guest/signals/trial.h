/* What a handler's signal does to a call that blocks: the call is made with and without SA_RESTART, the signal comes
 * after 60 ms, and 250 ms after the start the thing waited for happens. */
#include "case.h"

typedef long (*blocking)(void);
typedef void (*release)(void);

static int fds[2] __attribute__((unused));

static void trial(const char *text, blocking call, release let_go)
{
    for (int restart = 0; restart < 2; restart++) {
        got[SIGUSR1] = 0;
        handle(SIGUSR1, restart ? SA_RESTART : 0);
        pid_t sender = signal_later(getpid(), SIGUSR1, 60), helper = 0;
        if (let_go)
            CHILD(helper)
            {
                msleep(250);
                let_go();
            }
        errno = 0;
        long r = call();
        say("%s %s: %ld %s signals %d", text, restart ? "with SA_RESTART" : "without", r, r < 0 ? errname(errno) : "",
            (int)got[SIGUSR1]);
        reap(sender);
        if (helper) {
            kill(helper, SIGKILL);
            reap(helper);
        }
    }
}

