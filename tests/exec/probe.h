/*
 * What the tests of a pool in trouble share: a look at its parts, a hold on them, and
 * a fresh process for what has to be so from the beginning.
 */
#ifndef PXP_TEST_PROBE_H
#define PXP_TEST_PROBE_H

#include "support/pool.h"

#include "exec/pool/process_pool.h"

#include <stdbool.h>
#include <sys/types.h>

/* A process pool of these options. */
struct pxp_executor *probe_create(struct pxp_executor_options options);

/* Its insides: only while its supervisor is held, or with its lock. */
struct process_pool *probe_inside(struct pxp_executor *pool);

/* How a future ended, having waited. */
struct pxp_outcome probe_outcome(struct pxp_future *future);

/* The fork server of a pool, as one of its workers sees it: that worker lives afterwards. */
pid_t probe_fork_server(struct pxp_executor *pool);

/* A zombie counts as gone: its channel is closed. */
bool probe_is_gone(pid_t pid);
bool probe_await_gone(pid_t pid);

/* Wait until so many workers start, are idle or busy; false after a minute. */
bool probe_await_workers(struct pxp_executor *pool, unsigned n_workers);

/* Who completes the future (its pool's supervisor) stands still behind that, at the gate. */
void probe_hold(struct pxp_future *future, struct gate *gate);

/* Take every descriptor that is left to this process, and give them back. */
enum { PROBE_SPARE = 40 };
struct probe_hoard {
	int taken[4 * PROBE_SPARE], n;
};
void probe_lower_limit(
	void); /* to PROBE_SPARE more than are open, until the test's end */
void probe_take_all(struct probe_hoard *hoard);
void probe_give_back(struct probe_hoard *hoard);

/* Run this program again, in a process of its own, as argv[0] NAME says; prepare (may be
 * NULL) is called between fork and exec. Whether it exited with 0. */
bool probe_copy(const char *name, void (*prepare)(void));

#endif
