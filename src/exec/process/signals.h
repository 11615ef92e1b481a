/* The signals of the zygote, the fork servers and their workers. */
#ifndef PXP_SIGNALS_H
#define PXP_SIGNALS_H

/* Reset every signal to its default action and unblock it, whatever this process or its parent had
 * set. (If SIGCHLD stayed ignored, there would be no wait status.) The n signals in ignored are the
 * exceptions: they are ignored, and child processes inherit this. This function is slow, because it
 * makes many system calls. */
void signals_reset(const int *ignored, unsigned n);

/* Block SIGCHLD, so that it only interrupts a ppoll() that unblocks it. */
void signals_listen_to_children(void);

#endif
