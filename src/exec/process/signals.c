/* The signals of the zygote, the fork servers and their workers. */
#include "exec/process/signals.h"

#include <signal.h>
#include <stddef.h>

/* Signals that ask a program to end. A service manager may send them to all processes of a
 * program. */
static const int polite[] = {SIGTERM, SIGHUP};

enum { N_POLITE = sizeof(polite) / sizeof(polite[0]) };

void signals_reset_of_server(void)
{
	static const int ignored[] = {SIGINT, SIGPIPE, SIGXFSZ};
	sigset_t none;

	for (int number = 1; number < NSIG; number++)
		signal(number, SIG_DFL);
	/* Ignore these signals before all signals are unblocked, because one may be pending. */
	for (unsigned i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
	for (unsigned i = 0; i < N_POLITE; i++)
		signal(polite[i], SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static void do_nothing(int number)
{
	(void)number;
}

void signals_set_of_worker(bool survives)
{
	const struct sigaction action = {
		.sa_handler = survives ? do_nothing : SIG_DFL,
		.sa_flags = SA_RESTART,
	};

	for (unsigned i = 0; i < N_POLITE; i++)
		sigaction(polite[i], &action, NULL);
}

void signals_listen_to_children(void)
{
	const struct sigaction interrupt = {.sa_handler = do_nothing};
	sigset_t children;

	sigaction(SIGCHLD, &interrupt, NULL);
	sigemptyset(&children);
	sigaddset(&children, SIGCHLD);
	sigprocmask(SIG_BLOCK, &children, NULL);
}
