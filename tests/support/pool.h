/* Executors for tests, and tasks that do one thing each. */
#ifndef PXP_TEST_POOL_H
#define PXP_TEST_POOL_H

#include "support/gate.h"

#include <pixpool/pixpool.h>
#include <sys/types.h>

/* Create an executor with n workers and defaults for all other options. If PIXPOOL_POOL_OF_PROGRAM
 * is in the environment, a process pool also gets those options of the program's pools that no task
 * notices. */
struct pxp_executor *pool_create(enum pxp_executor_kind kind, unsigned n_workers);

/* Submit a task. If it cannot be submitted, the test fails. The task gets a descriptor of `gate`,
 * or none if `gate` is NULL. */
struct pxp_future *pool_submit(struct pxp_executor *pool, pxp_task_fn *run,
                               const char *input, const struct gate *gate);
struct pxp_future *pool_submit_with(struct pxp_executor *pool, pxp_task_fn *run,
                                    const char *input, const struct gate *gate,
                                    struct pxp_task_options options);

/* Wait until n_running tasks are running and n_prefetched tasks are prefetched. n_prefetched may be
 * POOL_ANY: any number of tasks. Returns false after a minute. A task that is being withdrawn from
 * a worker counts as prefetched until the worker has acknowledged the withdrawal. */
#define POOL_ANY SIZE_MAX
bool pool_await(struct pxp_executor *pool, size_t n_running, size_t n_prefetched);

/* Wait until n workers are starting, idle or busy. Returns false after a minute. */
bool pool_await_workers(struct pxp_executor *pool, unsigned n_workers);

/* Whether a process has ended. A zombie counts as ended. */
bool is_gone(pid_t pid);
/* Wait until a process has ended. Returns false after a minute. */
bool await_gone(pid_t pid);

/* Wait for a future and return its result, a text of up to 255 bytes, in a static buffer. Returns
 * "" if the task failed or has no result. */
const char *result_of(struct pxp_future *future);
/* Wait for a future, release it, and return how it ended. */
enum pxp_status end_of(struct pxp_future *future);

/* An initialiser that fails. Its init_bytes are a string, which becomes the text of the error. */
enum pxp_status initialise_fails(const void *bytes, size_t n, void **ret_context,
                                 struct pxp_error *ret_error);

/* A task that returns its input. */
enum pxp_status task_echo(struct pxp_task *task);
/* A task that waits at its gate, then returns its input. */
enum pxp_status task_wait(struct pxp_task *task);
/* A task that fails with code 7 and its input as the message. */
enum pxp_status task_fail(struct pxp_task *task);
/* A task that waits at its gate, if it has one, then dies of the signal whose number is its
 * input. */
enum pxp_status task_signal(struct pxp_task *task);
/* A task that exits with its input as the status. */
enum pxp_status task_exit(struct pxp_task *task);
/* A task that returns its process id as text. */
enum pxp_status task_pid(struct pxp_task *task);

/* The number of open descriptors of this process. */
int count_descriptors(void);
/* The number of child processes that the main thread has forked, zombies included; -1 if the kernel
 * does not list them. */
int count_children(void);

#endif
