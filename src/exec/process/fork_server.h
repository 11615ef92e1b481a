/* The nursery of a process pool: the parent of its workers. */
#ifndef PXP_NURSERY_H
#define PXP_NURSERY_H

#include "exec/process/protocol.h"

enum { MAIN_PIDFD = 4 }; /* of the main process, in the zygote and its nurseries */

/* In a fresh child of the zygote: serve the pool at control until that closes or the main
 * process has ended. */
_Noreturn void nursery_main(const struct nursery_frame *pool, const void *init_bytes,
                            int control);

/* SIGCHLD is blocked, and interrupts a ppoll() that lets it in; in the zygote as well. */
void nursery_listen_to_children(void);

#endif
