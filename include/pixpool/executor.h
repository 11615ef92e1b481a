/*
 * Executors: one interface and three ways to run a task: at once in the thread that submits it (for
 * debugging), in threads (for work that waits), and in worker processes (for work that computes, or
 * that may crash).
 *
 * A task that crashes, hangs or violates the protocol does not break a process pool: that task fails,
 * no other does, and its worker is replaced. But a task can send signals to other processes of its
 * user. If it kills the process that workers are forked from, the pool is lost (PXP_EBROKEN).
 * pxp_prepare_fn and pxp_lock_down_fn can prevent that.
 *
 * Terms: the zygote is a small helper process that is forked when the program starts. For each process
 * pool it forks a fork server, and that forks the pool's workers.
 *
 * Threads: any function here, from any thread, except where noted.
 */
#ifndef PXP_EXECUTOR_H
#define PXP_EXECUTOR_H

#include <pixpool/future.h>
#include <pixpool/task.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Start the zygote, from which every process pool gets its workers. Call this first in main(), while
 * the process has one thread: a copy of a process with threads may contain locks that no thread will
 * release. If the zygote runs, this does nothing; if it was killed, this starts a new one.
 *
 * Workers have the user, limits, working directory, environment and memory of this moment, whatever
 * the process changes later, but none of its descriptors. They have no terminal. No program file is
 * executed.
 *
 * A process that is forked later, without exec, has neither this zygote nor the executors, and must
 * not use them. If it was forked from a process with one thread, it may start a zygote of its own.
 * The end of a pool or of the zygote does not wait for it.
 *
 * ret_error  filled on all but PXP_OK; may be NULL.
 *
 * PXP_OK      the zygote runs.
 * PXP_EINVAL  this is a worker of a pool in a worker. Pools cannot be nested deeper.
 * PXP_ESTATE  the zygote does not run, and the process has more than one thread.
 * PXP_ESYS    a process or a socket cannot be created, or the zygote cannot open its descriptors.
 *
 * Threads: the first call, from the only thread. Later calls, from any thread.
 */
enum pxp_status pxp_zygote_start(struct pxp_error *ret_error);

/**
 * End the zygote and wait for it. After this, resource usage of all workers is included in that of the
 * children of this process (RUSAGE_CHILDREN).
 *
 * PXP_OK      it has ended, or did not run.
 * PXP_ESTATE  a process pool exists. Nothing was done.
 */
enum pxp_status pxp_zygote_stop(void);

struct pxp_executor;

/* New values are only appended. */
enum pxp_executor_kind {
	PXP_THREADS = 1,
	PXP_PROCESSES = 2,
	/* A submission returns when its task is done. The executor is initialised when it is
	 * created, and all threads that submit share its context. */
	PXP_INLINE = 3
};

/* For numbers whose zero is a default limit: no limit. */
#define PXP_UNLIMITED SIZE_MAX

/**
 * Called once in the fork server of a process pool, before the preload, while it has one thread. Gives
 * up rights that neither the fork server nor the workers need, for example by changing the user.
 *
 * bytes, n   a copy of init_bytes, borrowed for the call.
 * ret_error  for the reason, if the result is not PXP_OK: then the pool is broken.
 */
typedef enum pxp_status pxp_prepare_fn(const void *bytes, size_t n,
                                       struct pxp_error *ret_error);

/**
 * Called once in the fork server of a process pool, before workers are forked from it. Loads what is
 * slow to load. Must leave no thread and no process running. What it writes to standard error is
 * discarded.
 *
 * ret_error  for the reason, if the result is not PXP_OK: then the pool is broken.
 */
typedef enum pxp_status pxp_preload_fn(struct pxp_error *ret_error);

/**
 * Called once in each worker, before its first task.
 *
 * bytes, n     a copy of init_bytes, borrowed for the call.
 * ret_context  what the worker's tasks get from pxp_task_context(). Owned by the worker, until
 *              pxp_finalise_fn.
 * ret_error    for the reason, if the result is not PXP_OK: then the pool is broken.
 */
typedef enum pxp_status pxp_initialise_fn(const void *bytes, size_t n, void **ret_context,
                                          struct pxp_error *ret_error);

/** Called when a worker ends regularly. Frees the context. */
typedef void pxp_finalise_fn(void *context);

/**
 * The last step before a worker process is ready. Gives up rights for good, for example by changing
 * the user or by a filter for system calls.
 *
 * A filter may refuse prctl() and getppid(), but must not kill the worker for them: after this step
 * the worker calls both, to end when the fork server ends.
 *
 * ret_error  for the reason, if the result is not PXP_OK: then the pool is broken.
 */
typedef enum pxp_status pxp_lock_down_fn(struct pxp_error *ret_error);

/* Zero in a field is its default. New fields are only appended: those that a smaller size leaves out
 * are zero, and those that this library does not know must be zero. */
struct pxp_executor_options {
	/* sizeof(struct pxp_executor_options). No default. */
	size_t size;
	/* No default. */
	enum pxp_executor_kind kind;
	/* The maximum number of workers, up to 1024. Default: pxp_default_workers(). */
	unsigned n_workers;
	/* The maximum number of tasks that no worker has yet. Default: 1024. With processes, at most
	 * 128 of them may have an input over 63 KiB, because each of those holds a descriptor. The
	 * number of results that are not taken is not limited. */
	size_t max_pending;
	/* The maximum total size of their inputs in bytes. A single task always fits. Default:
	 * 64 MiB. */
	size_t max_pending_bytes;
	/* Threads are called NAME_0, NAME_1, ... Copied, and cut to fit into 15 bytes. Default:
	 * "pxp-N". */
	const char *name;
	pxp_initialise_fn *initialise;
	/* n_init_bytes bytes, copied. At most 32 KiB for processes. */
	const void *init_bytes;
	size_t n_init_bytes;
	pxp_finalise_fn *finalise;
	/* A thread or worker process that is idle for so many milliseconds ends, and is started again
	 * when it is needed. Its finaliser may still run while another worker begins. Not for
	 * PXP_INLINE. Default: workers stay. */
	int64_t idle_timeout_ms;

	/* ---- PXP_PROCESSES only ---- */

	pxp_prepare_fn *prepare;
	pxp_preload_fn *preload;
	pxp_lock_down_fn *lock_down;
	/* A worker is replaced after so many tasks. Default: unlimited. */
	size_t max_tasks_per_worker;
	/* The maximum size of a task's result in bytes; a longer one fails with PXP_EPROTO. Outputs
	 * are not limited by it. Default: 256 MiB. */
	size_t max_result;
	/* Milliseconds from the fork of a worker until it must be ready. PXP_FOREVER: no limit.
	 * Default: one minute. */
	int64_t start_timeout_ms;
	/* The pool is broken after so many workers in a row have died by themselves, with no task
	 * answered in between. From the third on, the start of each replacement is delayed twice as
	 * long as the one before, up to one second. UINT_MAX: unlimited. Default: 100. */
	unsigned max_crashes;
	/* How much private memory a worker may have, in bytes: heap, stacks and private mappings
	 * (RLIMIT_DATA), including the worker's own. A worker that still has most of it after a task is
	 * replaced. Builds with sanitizers keep the accounts but do not limit memory; see
	 * pxp_memory_is_limited(). Default: unlimited. */
	uint64_t memory_allowance;
	/* How many bytes beyond their allowance all workers together may be granted by pxp_task_need().
	 * Default: none. */
	uint64_t memory_budget;
	/* The maximum size of each file that a task writes (RLIMIT_FSIZE), in bytes, including its
	 * output and a long result. A longer write fails with EFBIG. Default: unlimited. */
	uint64_t max_output;
	/* SIGTERM and SIGHUP do not end workers: they get an empty handler for both, which exec() resets.
	 * For a program that handles these signals itself, and may get them together with all of its
	 * processes (systemd, killall). The zygote and fork servers always ignore both. Default: they
	 * end workers. */
	bool survive_signals;
};

/** Whether this build can limit the memory of workers. */
bool pxp_memory_is_limited(void);

/** The default of n_workers: the processors that this process may use, by its affinity and by the CPU
 *  quota of its control groups, rounded up. At least 1. */
unsigned pxp_default_workers(void);

/**
 * Create an executor. Workers are started when tasks need them.
 *
 * With PXP_PROCESSES, this waits until the zygote has forked the pool's fork server. Several threads
 * that create pools do so one after the other. prepare, preload and initialise run later.
 *
 * With PXP_INLINE, initialise runs in this call. If it fails, this call returns PXP_OK all the same.
 * As in a pool with a failed initialiser, the first task fails with PXP_EBROKEN and later submissions
 * are refused with PXP_EBROKEN.
 *
 * options       copied, with name and init_bytes.
 * ret_executor  on PXP_OK the executor, which the caller must give back with pxp_executor_destroy().
 *               Otherwise NULL.
 * ret_error     filled on all but PXP_OK; may be NULL.
 *
 * PXP_OK      created.
 * PXP_EINVAL  size, kind or another option is invalid, or the kind does not take an option, or a
 *             function is in a module that was loaded after pxp_zygote_start().
 * PXP_ESTATE  PXP_PROCESSES, and pxp_zygote_start() was not called in this process.
 * PXP_ENOMEM  no memory.
 * PXP_ESYS    a thread, process or descriptor cannot be created.
 */
enum pxp_status pxp_executor_create(const struct pxp_executor_options *options,
                                    struct pxp_executor **ret_executor,
                                    struct pxp_error *ret_error);

/* Zero in a field is its default. New fields are only appended, as in pxp_executor_options. */
struct pxp_task_options {
	/* sizeof(struct pxp_task_options). No default. */
	size_t size;
	/* n_descriptors descriptors that go with the task, at most PXP_MAX_DESCRIPTORS, each of them
	 * open and different. If the submission succeeds, they belong to the task, which closes them.
	 * With a descriptor that is not open, a task fails with PXP_ESYS in a process pool. */
	const int *descriptors;
	unsigned n_descriptors;
	/* If the task has not begun after so many milliseconds, it fails with PXP_EQUEUED. Default:
	 * none. */
	int64_t queue_timeout_ms;

	/* ---- PXP_PROCESSES only ---- */

	/* Whether the task writes an output: pxp_task_output(), pxp_future_take_output(). */
	bool output;
	/* How often the task is run again after a crash. A death of SIGSYS, with which a filter for
	 * system calls kills, is never retried. Default: never. */
	unsigned retries;
	/* After the task has killed so many workers, by crashes or deadlines, it fails with
	 * PXP_EPOISON. Default: unlimited. */
	unsigned max_kills;
	/* Milliseconds from the task's beginning until its worker is killed. Default: none. */
	int64_t deadline_ms;
	/* The maximum that pxp_task_restart_deadline() may ask for. Default: deadline_ms. */
	int64_t max_deadline_ms;
	/* Milliseconds without a call of pxp_task_progress() until its worker is killed; then the task
	 * fails with PXP_EDEADLINE. Default: none. */
	int64_t stall_ms;
	/* How many bytes its worker may have while the task runs, instead of memory_allowance. More
	 * than that allowance counts against the budget, so the task may have to wait before it
	 * begins. If memory runs out, the task fails with PXP_EMEMORY, or crashes. Default:
	 * memory_allowance. */
	uint64_t max_memory;
	/* If memory runs out, or may have, run the task once more with all of the pool's budget. */
	bool retry_memory;

	/* ---- all kinds ---- */

	/* The tag of the future: see pxp_future_tag(). Default: NULL. */
	void *tag;
	/* Filled if the submission fails, with a text for each status; left alone if it succeeds.
	 * Default: NULL, nothing is filled. */
	struct pxp_error *ret_error;
};

/**
 * Submit a task. While the queue is full (max_pending, max_pending_bytes), waits without limit for
 * room. A wait ends when an eighth of the queue is free. With PXP_INLINE, returns when the task is
 * done.
 *
 * run         called with the task, in a worker. With PXP_PROCESSES it must be in the program or in a
 *             module that was loaded before pxp_zygote_start(): the functions of a module that was
 *             loaded later (dlopen) do not exist in workers.
 * input       n_input bytes, copied. May be NULL if n_input is 0.
 * options     NULL: all defaults.
 * ret_future  on PXP_OK the task's future, with one reference that the caller must release.
 *             Otherwise NULL. The argument may be NULL, if the outcome does not matter.
 *
 * PXP_OK         submitted: the future will be completed, whatever happens.
 * PXP_ESHUTDOWN  pxp_executor_shutdown() was called.
 * PXP_EBROKEN    no worker can be started, or prepare, preload or initialise failed.
 * PXP_EDEADLK    this is a callback or a task of this executor, and the call would have to wait.
 * PXP_EINVAL     run is NULL or, where that can be known, in a module that workers do not have; or
 *                an option is invalid.
 * PXP_ENOMEM     no memory.
 * PXP_ESYS       threads: no thread can be started. Processes: the input is over 63 KiB, and there is
 *                no descriptor for it, or it is over RLIMIT_FSIZE.
 * On all but PXP_OK the descriptors in options are still the caller's, and options->ret_error says
 * more. (It is not filled if options->size is less than the size of all fields up to ret_error, or
 * is impossible.)
 */
enum pxp_status pxp_executor_submit(struct pxp_executor *executor, pxp_task_fn *run,
                                    const void *input, size_t n_input,
                                    const struct pxp_task_options *options,
                                    struct pxp_future **ret_future);

/**
 * Submit a task as pxp_executor_submit() does, but wait for room for a limited time.
 *
 * timeout_ms  milliseconds; 0 does not wait, PXP_FOREVER waits without limit.
 *
 * PXP_EAGAIN  there was no room in that time.
 * All others as for pxp_executor_submit().
 */
enum pxp_status pxp_executor_submit_within(struct pxp_executor *executor,
                                           pxp_task_fn *run, const void *input,
                                           size_t n_input,
                                           const struct pxp_task_options *options,
                                           int64_t timeout_ms,
                                           struct pxp_future **ret_future);

/**
 * Submit a task as pxp_executor_submit() does, but never wait for room.
 *
 * PXP_EAGAIN  there is no room.
 * All others as for pxp_executor_submit(), except PXP_EDEADLK.
 */
enum pxp_status pxp_executor_try_submit(struct pxp_executor *executor, pxp_task_fn *run,
                                        const void *input, size_t n_input,
                                        const struct pxp_task_options *options,
                                        struct pxp_future **ret_future);

/* Flags. New values are only appended. */
enum pxp_shutdown {
	/* Return when all futures are done and all workers have ended. */
	PXP_SHUTDOWN_WAIT = 1,
	/* Cancel the tasks that have not begun, or that wait to be run again after a crash. */
	PXP_SHUTDOWN_CANCEL_PENDING = 2,
	/* Kill the workers. All tasks that are not done are cancelled. Threads cannot be killed: for
	 * them this is PXP_SHUTDOWN_CANCEL_PENDING. */
	PXP_SHUTDOWN_KILL = 4
};

/**
 * Take no more tasks. Without flags, all tasks that were submitted still run. May be called again with
 * more flags.
 *
 * flags  any of enum pxp_shutdown, combined with |.
 *
 * PXP_OK       done.
 * PXP_EDEADLK  PXP_SHUTDOWN_WAIT in a callback or a task of this executor. Everything but the wait was
 *              done.
 * PXP_EINVAL   an unknown flag. Nothing was done.
 */
enum pxp_status pxp_executor_shutdown(struct pxp_executor *executor, unsigned flags);

/** Shut down with PXP_SHUTDOWN_WAIT and free the executor. Its futures stay valid. NULL is allowed.
 *  Must not be called in a callback or a task of this executor, because it could not wait for itself:
 *  there it shuts down without waiting, and the executor is never freed. */
void pxp_executor_destroy(struct pxp_executor *executor);

/**
 * Stop the workers of a process pool (SIGSTOP), or continue them: for a program that is about to be
 * stopped itself, for example with Ctrl-Z. Deadlines are suspended meanwhile. With threads and inline,
 * these calls do nothing.
 *
 * Neither call waits. They are not counted: one resume ends any number of suspensions. Tasks that are
 * submitted meanwhile are accepted and wait. A shutdown of any kind resumes. A suspension after that
 * delays the shutdown.
 */
void pxp_executor_suspend(struct pxp_executor *executor);
void pxp_executor_resume(struct pxp_executor *executor);

struct pxp_executor_stats {
	/* Tasks in the queue, which no worker has. */
	size_t n_pending;
	/* Tasks that a worker has and has not begun. */
	size_t n_prefetched;
	/* Tasks that a worker has begun. */
	size_t n_running;
	/* Workers that exist: starting, idle or busy. */
	unsigned n_workers;
	/* Tasks that are done, however they ended. */
	uint64_t n_done;
	/* Workers that were started so far. */
	uint64_t n_spawned;
	/* Workers that died by themselves so far. */
	uint64_t n_crashed;
	/* Workers that were killed so far, for a deadline, a violation of the protocol or a cancel. */
	uint64_t n_killed;
	/* Of n_running: tasks that wait for memory. */
	size_t n_waiting;
	/* How much of the memory budget is granted. */
	uint64_t granted_bytes;
};

/** Fill *ret_stats with the figures of this moment. */
void pxp_executor_stats(struct pxp_executor *executor,
                        struct pxp_executor_stats *ret_stats);

/**
 * A descriptor that becomes readable when tasks are done: for a program with a poll loop of its own.
 *
 * Returns the descriptor, which is borrowed and valid until the executor is destroyed; -1: it cannot
 * be created.
 */
int pxp_executor_descriptor(struct pxp_executor *executor);

/** How many tasks were done since the last call, or since the executor was created. Makes the
 *  descriptor unreadable until the next task is done. */
uint64_t pxp_executor_acknowledge(struct pxp_executor *executor);

#ifdef __cplusplus
}
#endif

#endif
