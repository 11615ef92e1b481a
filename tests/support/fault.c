/*
 * Fault hooks: the functions with which the linker replaces those of libc (--wrap).
 */
#include "support/fault.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

void *__real_mmap(void *at, size_t n, int protection, int flags, int fd, off_t offset);

enum { N_ARMED = 1024 };

/* This memory is shared with every process that this one forks. A call may still read a fault when
 * the next one is armed, so each fault has a slot of its own; slots are reused after N_ARMED
 * faults. */
static struct shared {
	struct armed {
		struct fault fault;
		atomic_uint n_passed, n_hit;
	} armed[N_ARMED];
	pid_t main;
	unsigned n_armed;
	_Atomic(struct armed *) now; /* NULL: no fault is armed */
} * shared;

/* This constructor runs before that of pool.c, which forks the zygote. */
__attribute__((constructor(101))) static void map_shared(void)
{
	shared = __real_mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
	                     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		abort();
	shared->main = getpid();
}

void fault_arm(struct fault fault)
{
	struct armed *armed = &shared->armed[shared->n_armed++ % N_ARMED];

	armed->fault = fault;
	atomic_store(&armed->n_passed, 0);
	atomic_store(&armed->n_hit, 0);
	atomic_store(&shared->now, armed);
}

unsigned fault_disarm(void)
{
	atomic_store(&shared->now, NULL);
	return atomic_load(&shared->armed[(shared->n_armed - 1) % N_ARMED].n_hit);
}

static bool is_here(enum fault_place place)
{
	if (place == FAULT_ANYWHERE)
		return true;
	return (getpid() == shared->main) == (place == FAULT_IN_MAIN);
}

/* Apply the armed fault, if any, to a call. If the call must fail, sets errno and returns true.
 * Otherwise returns false. If the fault limits the call to fewer than *n_bytes bytes, *n_bytes
 * becomes this limit. */
static bool fails_or_falls_short(enum fault_point point, size_t *n_bytes)
{
	struct armed *armed = atomic_load(&shared->now);
	const struct fault *fault = armed ? &armed->fault : NULL;
	unsigned n;

	if (!fault || fault->point != point || !is_here(fault->place))
		return false;
	n = atomic_fetch_add(&armed->n_passed, 1) + 1;
	if (n < fault->nth || (fault->times > 0 && n - fault->nth >= fault->times))
		return false;
	atomic_fetch_add(&armed->n_hit, 1);
	if (fault->sys_errno == 0) {
		if (n_bytes && fault->at_most > 0 && fault->at_most < *n_bytes)
			*n_bytes = fault->at_most;
		else if (fault->meanwhile)
			fault->meanwhile(fault->data);
		else
			poll(NULL, 0, fault->delay_ms);
		return false;
	}
	errno = fault->sys_errno;
	return true;
}

static bool fails(enum fault_point point)
{
	return fails_or_falls_short(point, NULL);
}

#define WRAP(type, name, point, failed, parameters, arguments)                           \
	type __real_##name parameters;                                                   \
	type __wrap_##name parameters;                                                   \
	type __wrap_##name parameters                                                    \
	{                                                                                \
		return fails(point) ? (failed) : __real_##name arguments;                \
	}

WRAP(void *, malloc, FAULT_ALLOCATE, NULL, (size_t n), (n))
WRAP(void *, calloc, FAULT_ALLOCATE, NULL, (size_t n, size_t size), (n, size))
WRAP(void *, realloc, FAULT_ALLOCATE, NULL, (void *old, size_t n), (old, n))
WRAP(void *, reallocarray, FAULT_ALLOCATE, NULL, (void *old, size_t n, size_t size),
     (old, n, size))
WRAP(pid_t, fork, FAULT_FORK, -1, (void), ())
WRAP(int, pthread_create, FAULT_THREAD, EAGAIN,
     (pthread_t * thread, const pthread_attr_t *attr, void *(*run)(void *), void *data),
     (thread, attr, run, data))
WRAP(ssize_t, sendmsg, FAULT_SEND, -1, (int fd, const struct msghdr *message, int flags),
     (fd, message, flags))
WRAP(ssize_t, recvmsg, FAULT_RECEIVE, -1, (int fd, struct msghdr *message, int flags),
     (fd, message, flags))
WRAP(int, epoll_wait, FAULT_POLL, -1,
     (int fd, struct epoll_event *events, int n, int timeout), (fd, events, n, timeout))
WRAP(int, memfd_create, FAULT_MEMFD, -1, (const char *name, unsigned flags),
     (name, flags))
WRAP(int, socketpair, FAULT_PAIR, -1, (int domain, int type, int protocol, int ends[2]),
     (domain, type, protocol, ends))
WRAP(int, pipe2, FAULT_PIPE, -1, (int ends[2], int flags), (ends, flags))
WRAP(int, eventfd, FAULT_EVENT, -1, (unsigned count, int flags), (count, flags))
WRAP(int, epoll_create1, FAULT_EVENT, -1, (int flags), (flags))

WRAP(int, epoll_ctl, FAULT_WATCH, -1,
     (int epoll, int what, int fd, struct epoll_event *event), (epoll, what, fd, event))
WRAP(void *, mmap, FAULT_MAP, MAP_FAILED,
     (void *at, size_t n, int protection, int flags, int fd, off_t offset),
     (at, n, protection, flags, fd, offset))
WRAP(int, pidfd_open, FAULT_PIDFD, -1, (pid_t pid, unsigned flags), (pid, flags))

#define WRAP_BYTES(name, point, parameters, arguments)                                   \
	ssize_t __real_##name parameters;                                                \
	ssize_t __wrap_##name parameters;                                                \
	ssize_t __wrap_##name parameters                                                 \
	{                                                                                \
		return fails_or_falls_short(point, &n) ? -1 : __real_##name arguments;   \
	}

WRAP_BYTES(read, FAULT_READ, (int fd, void *bytes, size_t n), (fd, bytes, n))
WRAP_BYTES(pread, FAULT_READ_AT, (int fd, void *bytes, size_t n, off_t at),
           (fd, bytes, n, at))
WRAP_BYTES(write, FAULT_WRITE, (int fd, const void *bytes, size_t n), (fd, bytes, n))

static _Thread_local int n_locks;

int __real_pthread_mutex_lock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex)
{
	n_locks++;
	return __real_pthread_mutex_lock(mutex);
}

int __real_pthread_mutex_unlock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex)
{
	int status = __real_pthread_mutex_unlock(mutex);

	if (--n_locks == 0)
		(void)fails(FAULT_UNLOCK);
	return status;
}
