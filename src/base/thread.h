/* Threads of ours inside somebody else's program. */
#ifndef PXP_THREAD_H
#define PXP_THREAD_H

#include <pthread.h>

/* As pthread_create(). Signals are for the threads of the program: all are blocked in this
 * one, but those that it brings on itself by a fault, for which the program may have a
 * handler. 0, or an error number. */
int thread_start(pthread_t *ret_thread, void *(*run)(void *), void *data);

#endif
