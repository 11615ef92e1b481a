/* Functions for tests of process pools in which something fails: access to the internals of a pool,
 * a way to make its supervisor wait, and a new process for tests that need a clean start. */
#ifndef PXP_TEST_PROBE_H
#define PXP_TEST_PROBE_H

#include "support/pool.h"

#include "exec/pool/process_pool.h"

#include <stdbool.h>
#include <sys/types.h>

/* Create a process pool with these options. A failure fails the test. */
struct pxp_executor *probe_create(struct pxp_executor_options options);

/* The internals of a pool. Use them only while you hold the pool's lock, or while the pool's
 * supervisor is held. */
struct process_pool *probe_inside(struct pxp_executor *pool);

/* Wait for a future and return its outcome. */
struct pxp_outcome probe_outcome(struct pxp_future *future);

/* Return the pid of a pool's fork server. Runs a task to find it. The worker of this task stays
 * alive. */
pid_t probe_fork_server(struct pxp_executor *pool);

/* Make the supervisor of the pool wait at the gate in a callback, when it completes this future. */
void probe_hold(struct pxp_future *future, struct gate *gate);

enum { PROBE_SPARE = 40 };
/* The descriptors that probe_take_all() has opened. */
struct probe_hoard {
	int taken[4 * PROBE_SPARE], n;
};
/* Lower the limit of descriptors to PROBE_SPARE more than are open, until the test ends. */
void probe_lower_limit(void);
/* Open every descriptor that this process may still open, and close them again. */
void probe_take_all(struct probe_hoard *hoard);
void probe_give_back(struct probe_hoard *hoard);

/* Run this program again in a new process, with `name` as argv[0]. If `prepare` is not NULL, it is
 * called between fork() and exec(). Returns whether the program exited with 0. */
bool probe_copy(const char *name, void (*prepare)(void));

#endif
