/* The signals of the zygote, the fork servers and their workers. */
#ifndef PXP_SIGNALS_H
#define PXP_SIGNALS_H

#include <stdbool.h>

/* Reset every signal to its default action and unblock it, whatever this process or its parent had
 * set. (If SIGCHLD stayed ignored, there would be no wait status.) There are two exceptions.
 * SIGINT, SIGTERM and SIGHUP are ignored, because only the main process reacts to them. SIGPIPE and
 * SIGXFSZ, which a failed write raises, are ignored, too. Child processes inherit this. The
 * function is slow, because it makes many system calls. */
void signals_reset_of_server(void);

/* Called in a worker. If `survives` is false, SIGTERM and SIGHUP end the worker. If `survives` is
 * true, these signals get an empty handler, which exec() resets. */
void signals_set_of_worker(bool survives);

/* Block SIGCHLD, except during a ppoll() that unblocks it. So SIGCHLD interrupts no other system
 * call. */
void signals_listen_to_children(void);

#endif
