/* Starts threads with signals blocked. */
#include "base/thread.h"

#include <signal.h>

/* The minimum size of a thread's stack. A thread keeps messages of up to 64 KiB in local variables,
 * and the default stack size of the system (ulimit -s) may be too small for two such messages. */
enum { MIN_STACK_BYTES = 512 * 1024 };

static int create(pthread_t *ret_thread, void *(*run)(void *), void *data)
{
	pthread_attr_t attributes;
	size_t n;
	int error = pthread_attr_init(&attributes);

	if (error != 0)
		return error;
	if (pthread_attr_getstacksize(&attributes, &n) == 0 && n < MIN_STACK_BYTES)
		error = pthread_attr_setstacksize(&attributes, MIN_STACK_BYTES);
	if (error == 0)
		error = pthread_create(ret_thread, &attributes, run, data);
	pthread_attr_destroy(&attributes);
	return error;
}

int thread_start(pthread_t *ret_thread, void *(*run)(void *), void *data)
{
	static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL,
	                             SIGTRAP, SIGSYS, SIGABRT};
	sigset_t blocked, before;
	int error;

	sigfillset(&blocked);
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		sigdelset(&blocked, faults[i]);
	pthread_sigmask(SIG_SETMASK, &blocked, &before);
	error = create(ret_thread, run, data);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return error;
}
