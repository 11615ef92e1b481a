/* The fork server of a process pool: the parent of its workers. */
#ifndef PXP_FORK_SERVER_H
#define PXP_FORK_SERVER_H

#include "exec/process/protocol.h"

enum { MAIN_PIDFD = 4 }; /* of the main process, in the zygote and its fork servers */

/* In a fresh child of the zygote: serve the pool at control until that closes or the main
 * process has ended. */
_Noreturn void fork_server_main(const struct fork_server_frame *pool,
                                const void *init_bytes, int control);

/* SIGCHLD is blocked, and interrupts a ppoll() that lets it in; in the zygote as well. */
void fork_server_listen_to_children(void);

#endif
