/* The signals of the zygote, the fork servers and their workers. */
#ifndef PXP_SIGNALS_H
#define PXP_SIGNALS_H

#include <stdbool.h>

/* Reset every signal to its default action and unblock it, whatever this process or its parent had
 * set. (If SIGCHLD stayed ignored, there would be no wait status.) Two kinds are ignored instead:
 * signals that ask a program to end, because only the main process reacts to them, and signals of a
 * failed write. Child processes inherit this. The function is slow, because it makes many system
 * calls. */
void signals_reset_of_server(void);

/* Called in a worker: either SIGTERM and SIGHUP end it again, or they get an empty handler, which
 * exec() resets. */
void signals_set_of_worker(bool survives);

/* Block SIGCHLD, so that it only interrupts a ppoll() that unblocks it. */
void signals_listen_to_children(void);

#endif
