/*
 * Infallible locks: pthreads' mutex and condition, which fail only when we broke
 * their rules. Such a break ends the process at once, with a line that names it,
 * instead of going on with data that nothing guards.
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

struct cond {
	pthread_cond_t cond; /* its clock is CLOCK_MONOTONIC */
};

void lock_init(struct lock *lock);
void lock_fini(struct lock *lock);
void lock_acquire(struct lock *lock);
void lock_release(struct lock *lock);

void cond_init(struct cond *cond);
void cond_fini(struct cond *cond);
void cond_signal(struct cond *cond);
void cond_broadcast(struct cond *cond);

/* Wait with lock held; it is held again on return. Wakes without a reason at times:
 * call it in a loop around the condition. */
void cond_wait(struct cond *cond, struct lock *lock);

/* As cond_wait(), until deadline_ns (clock.h; -1 is never). Whether there is still
 * time: false once the deadline has passed. */
bool cond_wait_until(struct cond *cond, struct lock *lock, int64_t deadline_ns);

/*
 * Wait, without a lock, while *word is value. Who changes it calls word_wake_all() after
 * that; the word may be gone by then, as far as its address goes. Wakes without a reason
 * at times. Whether there is still time, as of cond_wait_until().
 */
bool word_wait_until(atomic_uint *word, unsigned value, int64_t deadline_ns);
void word_wake_all(atomic_uint *word);

#endif
