/* The entry point of a fork server: the process that is the parent of a pool's workers. */
#ifndef PXP_FORK_SERVER_H
#define PXP_FORK_SERVER_H

#include "exec/process/protocol.h"

/* In the zygote and its fork servers, this descriptor is the pidfd of the main process. */
enum { MAIN_PIDFD = 4 };

/* Called in a new child of the zygote: serve the pool until its control socket closes or the main
 * process has ended. */
_Noreturn void fork_server_main(const struct fork_server_frame *pool,
                                const void *init_bytes, int control);

#endif
