/* Executors as tests want them, and tasks that do one thing each. */
#ifndef PXP_TEST_POOL_H
#define PXP_TEST_POOL_H

#include "support/gate.h"

#include <pixpool/pixpool.h>

/* An executor with n workers and defaults for all other options. A process pool has every
 * option that the program sets when PIXPOOL_POOL_OF_PROGRAM is in the environment. */
struct pxp_executor *pool_create(enum pxp_executor_kind kind, unsigned n_workers);

/* Submit, which must succeed. The gate may be NULL. */
struct pxp_future *pool_submit(struct pxp_executor *pool, pxp_task_fn *run,
                               const char *input, const struct gate *gate);
struct pxp_future *pool_submit_with(struct pxp_executor *pool, pxp_task_fn *run,
                                    const char *input, const struct gate *gate,
                                    struct pxp_task_options options);

/* Wait until as many run and lie prefetched (POOL_ANY: never mind); false after a minute.
 * What was withdrawn from a worker leaves no room there until it is acknowledged. */
#define POOL_ANY SIZE_MAX
bool pool_await(struct pxp_executor *pool, size_t n_running, size_t n_prefetched);

/* The result as text: static, until the next call. "" when there is none. */
const char *result_of(struct pxp_future *future);
/* How it ended, having waited; releases it. */
enum pxp_status end_of(struct pxp_future *future);

enum pxp_status task_echo(struct pxp_task *task); /* returns its input */
enum pxp_status task_wait(struct pxp_task *task); /* passes its gate, then echoes */
enum pxp_status task_fail(struct pxp_task *task); /* fails with code 7 and its input */
enum pxp_status task_signal(
	struct pxp_task *task); /* dies of signal number INPUT, at its gate if any */
enum pxp_status task_exit(struct pxp_task *task); /* exits with status INPUT */
enum pxp_status task_pid(struct pxp_task *task);  /* its process id, as text */

/* How many descriptors this process has open; how many children (zombies too). */
int count_descriptors(void);
int count_children(void);

#endif
