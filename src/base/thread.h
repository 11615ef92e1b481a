/* Threads that the library starts inside another program. */
#ifndef PXP_THREAD_H
#define PXP_THREAD_H

#include <pthread.h>

/* Start a thread as pthread_create() does. All signals are blocked in the thread, except signals
 * that a fault raises in the thread itself: other signals are meant for the threads of the program.
 *
 * Returns 0, or an error number. */
int thread_start(pthread_t *ret_thread, void *(*run)(void *), void *data);

#endif
