/* The entry point of a worker process. */
#ifndef PXP_WORKER_H
#define PXP_WORKER_H

#include "exec/process/protocol.h"

#include <sys/types.h>

/* The descriptor that every worker has for its end of the channel. */
enum { WORKER_SOCKET = 3 };

struct worker_start {
	const struct fork_server_frame *pool;
	const void *init_bytes;
	/* The pid of the fork server. */
	pid_t parent;
	/* A descriptor of /dev/null, open for reading and writing, above the standard
	 * descriptors. */
	int null;
	/* The worker's ends of its channel and its log pipe, and the memfd of its shared
	 * slots. */
	int socket;
	int log;
	int shared;
};

/* Called in a new child of a fork server: initialise the worker in a fixed order, then run tasks
 * until the channel closes. */
_Noreturn void worker_main(const struct worker_start *start);

#endif
