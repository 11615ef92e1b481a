/* The signals of the zygote, the fork servers and their workers. */
#include "exec/process/signals.h"

#include <signal.h>
#include <stddef.h>

void signals_reset(const int *ignored, unsigned n)
{
	sigset_t none;

	for (int number = 1; number < NSIG; number++)
		signal(number, SIG_DFL);
	/* The actions are set before signals are unblocked, because one may be pending. */
	for (unsigned i = 0; i < n; i++)
		signal(ignored[i], SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static void on_child(int number)
{
	(void)number;
}

void signals_listen_to_children(void)
{
	const struct sigaction interrupt = {.sa_handler = on_child};
	sigset_t children;

	sigaction(SIGCHLD, &interrupt, NULL);
	sigemptyset(&children);
	sigaddset(&children, SIGCHLD);
	sigprocmask(SIG_BLOCK, &children, NULL);
}
