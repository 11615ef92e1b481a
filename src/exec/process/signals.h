/* The signals of the zygote, the fork servers and their workers. */
#ifndef PXP_SIGNALS_H
#define PXP_SIGNALS_H

/* Undo what this process, or its parent, has ignored, handled or blocked. (If SIGCHLD were ignored
 * there would be no wait status.) The n signals in ignored are ignored, which their children
 * inherit. It takes many system calls. */
void signals_reset(const int *ignored, unsigned n);

/* Block SIGCHLD, and let it interrupt a ppoll() that unblocks it. */
void signals_listen_to_children(void);

#endif
