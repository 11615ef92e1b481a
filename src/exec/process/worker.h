/* A worker, from inside. */
#ifndef PXP_WORKER_H
#define PXP_WORKER_H

#include "exec/process/protocol.h"

#include <sys/types.h>

enum { WORKER_SOCKET = 3 };

struct worker_start {
	const struct nursery_frame *pool;
	const void *init_bytes;
	pid_t parent; /* the nursery */
	int null; /* /dev/null, to read and to write, above the standard descriptors */
	int socket, log, page;
};

/* In a nursery, after its preload, which may have changed them: signals as its workers shall
 * inherit them. Once, because these are many system calls. */
void worker_reset_signals(void);

/* In a fresh child of a nursery: get ready in the order that is fixed here, then run
 * tasks until the channel closes. */
_Noreturn void worker_main(const struct worker_start *start);

#endif
