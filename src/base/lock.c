/* Locks and conditions on pthreads, and the futex on which a thread waits for one future. */
#include "base/lock.h"

#include "base/clock.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static void must(int error, const char *call)
{
	if (error == 0)
		return;
	fprintf(stderr, "pixpool: %s: %s\n", call, strerrordesc_np(error));
	abort();
}

void lock_init(struct lock *lock)
{
	must(pthread_mutex_init(&lock->mutex, NULL), "pthread_mutex_init");
}

void lock_fini(struct lock *lock)
{
	must(pthread_mutex_destroy(&lock->mutex), "pthread_mutex_destroy");
}

void lock_acquire(struct lock *lock)
{
	must(pthread_mutex_lock(&lock->mutex), "pthread_mutex_lock");
}

void lock_release(struct lock *lock)
{
	must(pthread_mutex_unlock(&lock->mutex), "pthread_mutex_unlock");
}

void cond_init(struct cond *cond)
{
	pthread_condattr_t attr;

	must(pthread_condattr_init(&attr), "pthread_condattr_init");
	must(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC),
	     "pthread_condattr_setclock");
	must(pthread_cond_init(&cond->cond, &attr), "pthread_cond_init");
	must(pthread_condattr_destroy(&attr), "pthread_condattr_destroy");
}

void cond_fini(struct cond *cond)
{
	must(pthread_cond_destroy(&cond->cond), "pthread_cond_destroy");
}

void cond_signal(struct cond *cond)
{
	must(pthread_cond_signal(&cond->cond), "pthread_cond_signal");
}

void cond_broadcast(struct cond *cond)
{
	must(pthread_cond_broadcast(&cond->cond), "pthread_cond_broadcast");
}

void cond_wait(struct cond *cond, struct lock *lock)
{
	must(pthread_cond_wait(&cond->cond, &lock->mutex), "pthread_cond_wait");
}

bool cond_wait_until(struct cond *cond, struct lock *lock, int64_t deadline_ns)
{
	if (deadline_ns < 0) {
		cond_wait(cond, lock);
		return true;
	}

	struct timespec until = clock_timespec(deadline_ns);
	int error = pthread_cond_timedwait(&cond->cond, &lock->mutex, &until);

	if (error == ETIMEDOUT)
		return false;
	must(error, "pthread_cond_timedwait");
	return true;
}

_Static_assert(sizeof(atomic_uint) == sizeof(uint32_t), "a futex is 32 bits long");

bool word_wait_until(atomic_uint *word, unsigned value, int64_t deadline_ns)
{
	struct timespec until = {0};

	if (deadline_ns >= 0)
		until = clock_timespec(deadline_ns);
	/* FUTEX_WAIT_BITSET is the futex operation whose timeout is an absolute time of
	 * CLOCK_MONOTONIC. */
	if (syscall(SYS_futex, word, FUTEX_WAIT_BITSET_PRIVATE, value,
	            deadline_ns >= 0 ? &until : NULL, NULL,
	            FUTEX_BITSET_MATCH_ANY) == 0 ||
	    errno == EAGAIN || errno == EINTR)
		return true;
	if (errno == ETIMEDOUT)
		return false;
	must(errno, "futex");
	return true;
}

void word_wake_all(atomic_uint *word)
{
	/* This call fails only if the memory of the word was freed. Then no thread waits for the
	 * word. */
	(void)syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}
