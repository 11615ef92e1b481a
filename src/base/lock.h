/*
 * Locks and condition variables that cannot fail. A pthread call on a lock fails only if the
 * program breaks a rule of pthreads. In that case the data is not protected any more, so the
 * functions here print one line and abort the process.
 */
#ifndef PXP_LOCK_H
#define PXP_LOCK_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct lock {
	pthread_mutex_t mutex;
};

/* A condition variable whose deadlines use CLOCK_MONOTONIC. */
struct cond {
	pthread_cond_t cond;
};

void lock_init(struct lock *lock);
void lock_fini(struct lock *lock);
void lock_acquire(struct lock *lock);
void lock_release(struct lock *lock);

void cond_init(struct cond *cond);
void cond_fini(struct cond *cond);
void cond_signal(struct cond *cond);
void cond_broadcast(struct cond *cond);

/* Release the lock, wait for a signal, and take the lock again. May return without a signal, so
 * call it in a loop. */
void cond_wait(struct cond *cond, struct lock *lock);

/* Wait as cond_wait() does, but at most until deadline_ns, a time of clock.h. -1: without limit.
 * Returns false if the deadline has passed. */
bool cond_wait_until(struct cond *cond, struct lock *lock, int64_t deadline_ns);

/* Wait without a lock while *word equals value, at most until deadline_ns (-1: without limit). May
 * return early, so call it in a loop. Returns false if the deadline has passed. */
bool word_wait_until(atomic_uint *word, unsigned value, int64_t deadline_ns);

/* Wake all threads that wait for the word. Call this after changing the word. The memory of the
 * word may already be freed: only its address is used. */
void word_wake_all(atomic_uint *word);

#endif
