/*
 * Fault hooks: named points at which a test makes the library's system calls and
 * allocations fail, fall short, or come late. The linker puts our functions in place of those that
 * libpixpool calls (--wrap), so that what is tested is the library as it is shipped.
 *
 * What is armed lies in memory shared with the zygote, fork servers and workers: a point is
 * hit in whichever process comes by, unless it is narrowed to one.
 */
#ifndef PXP_FAULT_H
#define PXP_FAULT_H

#include <stdbool.h>
#include <stddef.h>

enum fault_point {
	FAULT_ALLOCATE, /* malloc, calloc, realloc, reallocarray */
	FAULT_FORK,
	FAULT_THREAD,  /* pthread_create */
	FAULT_SEND,    /* sendmsg */
	FAULT_RECEIVE, /* recvmsg */
	FAULT_POLL,    /* epoll_wait */
	FAULT_MEMFD,   /* memfd_create */
	FAULT_PAIR,    /* socketpair */
	FAULT_PIPE,    /* pipe2 */
	FAULT_EVENT,   /* eventfd, epoll_create1 */
	FAULT_WATCH,   /* epoll_ctl */
	FAULT_READ,    /* read */
	FAULT_READ_AT, /* pread */
	FAULT_WRITE,   /* write */
	FAULT_MAP,     /* mmap */
	FAULT_PIDFD,   /* pidfd_open */
	FAULT_UNLOCK,  /* pthread_mutex_unlock, which never fails: late, by a thread that
	                  holds no lock any more */
	N_FAULT_POINTS
};

enum fault_place { FAULT_ANYWHERE, FAULT_IN_MAIN, FAULT_ELSEWHERE };

struct fault {
	enum fault_point point;
	enum fault_place place;
	unsigned nth;   /* the first that fails, from 1 */
	unsigned times; /* how many fail from there on; 0: all */
	int sys_errno;  /* what it fails with; 0: it does less, or comes late */
	size_t at_most; /* bytes that a read or write does; 0: comes late, */
	int delay_ms;   /* by so much, */
	void (*meanwhile)(void *data); /* or by this, in the process that armed it */
	void *data;
};

void fault_arm(struct fault fault);

/* End it; how often the point was hit (failed, short or late) since it was armed. */
unsigned fault_disarm(void);

#endif
