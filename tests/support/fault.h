/*
 * Fault hooks: a test makes the library's system calls and allocations fail, fall short or come
 * late, at a named point. The linker puts our functions in place of those that libpixpool calls
 * (--wrap), so the tests run the library as it is shipped.
 *
 * The armed fault lies in memory that the zygote, the fork servers and the workers share. It acts
 * in whichever process calls first, unless it is restricted to a place.
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
	/* pthread_mutex_unlock of a thread's last lock. It never fails, but may come late. */
	FAULT_UNLOCK,
	N_FAULT_POINTS
};

enum fault_place { FAULT_ANYWHERE, FAULT_IN_MAIN, FAULT_ELSEWHERE };

struct fault {
	enum fault_point point;
	enum fault_place place;
	unsigned nth;   /* the first call that fails, from 1 */
	unsigned times; /* how many calls fail from there on; 0: all */
	/* The error of the call. 0: the call succeeds, but is short or late, by the first of the
	 * following three that is set. */
	int sys_errno;
	size_t at_most; /* bytes that a read or write transfers at most */
	void (*meanwhile)(
		void *data); /* called first, in the process that armed the fault */
	void *data;
	int delay_ms; /* time that passes first */
};

/* Arm a fault in place of the one that is armed. */
void fault_arm(struct fault fault);

/* Disarm it. Returns how many calls failed, fell short or came late since it was armed. */
unsigned fault_disarm(void);

#endif
