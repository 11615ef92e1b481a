/*
 * Fault hooks: a test makes the library's system calls and allocations fail, transfer less or be
 * delayed, at a chosen call. With --wrap the linker puts our functions in the place of those that
 * libpixpool calls, so the tests run the library as it is shipped.
 *
 * The armed fault is in memory that the zygote, the fork servers and the workers share. The fault
 * affects the process that makes the call first, unless the member `place` restricts it to some
 * processes.
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
	/* The pthread_mutex_unlock() after which a thread holds no lock. It never fails, but the
	 * thread can be delayed after it. */
	FAULT_UNLOCK,
	N_FAULT_POINTS
};

enum fault_place { FAULT_ANYWHERE, FAULT_IN_MAIN, FAULT_ELSEWHERE };

struct fault {
	enum fault_point point;
	enum fault_place place;
	unsigned nth;   /* the number of the first call that fails, from 1 */
	unsigned times; /* how many calls fail, starting with the nth; 0: all of them */
	/* The errno with which the call fails. If it is 0, the call does not fail, and the first of
	 * the members at_most, meanwhile and delay_ms that is set takes effect instead. */
	int sys_errno;
	size_t at_most; /* the maximum number of bytes that a read or write transfers */
	/* A function that runs before the call; for FAULT_UNLOCK, after the unlock. It runs in the
	 * process that makes the call. */
	void (*meanwhile)(void *data);
	void *data;
	int delay_ms; /* the delay before the call; for FAULT_UNLOCK, after the unlock */
};

/* Arm this fault, and disarm any earlier one. */
void fault_arm(struct fault fault);

/* Disarm the fault. Returns how many calls failed, transferred less or were delayed since it was
 * armed. */
unsigned fault_disarm(void);

#endif
