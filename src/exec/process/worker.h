/* A worker, from inside. */
#ifndef PXP_WORKER_H
#define PXP_WORKER_H

#include "exec/process/protocol.h"

#include <sys/types.h>

enum { WORKER_SOCKET = 3 };

struct worker_start {
	const struct fork_server_frame *pool;
	const void *init_bytes;
	pid_t parent; /* the fork server */
	int null; /* /dev/null, to read and to write, above the standard descriptors */
	int socket, log, shared;
};

/* In a fresh child of a fork server: get ready in the order that is fixed here, then run
 * tasks until the channel closes. */
_Noreturn void worker_main(const struct worker_start *start);

#endif
