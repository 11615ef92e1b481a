/*
 * Executors: one interface and three ways to run a task: at once in the thread that submits it (for
 * debugging), in threads (for work that waits), and in worker processes (for work that computes, or
 * that may crash).
 *
 * A task that crashes, hangs or violates the protocol does not break a process pool: only that task
 * fails, and its worker is replaced. But a task can send signals to other processes of its user. If
 * it kills the process that workers are forked from, the pool is lost (PXP_EBROKEN). pxp_prepare_fn
 * and pxp_lock_down_fn can prevent that.
 *
 * Terms: the zygote is a small helper process that is forked when the program starts. For each
 * process pool the zygote forks a fork server, and the fork server forks the pool's workers.
 *
 * Threads: any thread may call any function of this header, except where noted.
 */
#ifndef PXP_EXECUTOR_H
#define PXP_EXECUTOR_H

#include <pixpool/future.h>
#include <pixpool/task.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Start the zygote, from which every process pool gets its workers. Call this first in main(),
 * while the process has one thread: a copy of a process with threads may contain locks that no
 * thread will release. If the zygote runs, this call does nothing; if the zygote was killed, this
 * call starts a new one.
 *
 * Workers have the user, limits, working directory, environment and memory that this process has at
 * the time of this call. Later changes do not reach the workers. Workers have no terminal and none
 * of the descriptors of this process. They are forked, and execute no program file.
 *
 * A process that this process forks later, without exec, has neither this zygote nor the executors,
 * and must not use them. If the process had one thread when it was forked, the child may start a
 * zygote of its own. The end of a pool or of the zygote does not wait for such a child.
 *
 * ret_error  filled on all but PXP_OK; may be NULL.
 *
 * PXP_OK      the zygote runs.
 * PXP_EINVAL  this process is a worker of a pool that a worker created. Pools cannot be nested
 *             deeper.
 * PXP_ESTATE  the zygote does not run, and the process has more than one thread, or still has a
 *             process pool.
 * PXP_ESYS    a process, a socket or another descriptor cannot be created.
 *
 * Threads: make the first call in the only thread of the process. Any thread may make later calls.
 */
enum pxp_status pxp_zygote_start(struct pxp_error *ret_error);

/**
 * End the zygote and wait for it. After this, getrusage() with RUSAGE_CHILDREN includes the
 * resource usage of all workers.
 *
 * PXP_OK      the zygote has ended, or did not run.
 * PXP_ESTATE  a process pool exists. Nothing was done.
 */
enum pxp_status pxp_zygote_stop(void);

struct pxp_executor;

/* Later versions may append values. */
enum pxp_executor_kind {
	PXP_THREADS = 1,
	PXP_PROCESSES = 2,
	/* Runs each task in the thread that submits it, before the submission returns. The function
	 * `initialise` runs when the executor is created. All threads that submit tasks share the
	 * context that it makes. */
	PXP_INLINE = 3
};

/* Means "no limit" in an option in which 0 means a default limit, such as max_pending. */
#define PXP_UNLIMITED SIZE_MAX

/**
 * Called once in the fork server of a process pool, before the preload, while the fork server has
 * one thread. Gives up rights that neither the fork server nor the workers need, for example by
 * changing the user.
 *
 * bytes, n   a copy of init_bytes, borrowed for the call.
 * ret_error  fill it with the reason if the function does not return PXP_OK. Then the pool is
 *            broken.
 */
typedef enum pxp_status pxp_prepare_fn(const void *bytes, size_t n,
                                       struct pxp_error *ret_error);

/**
 * Called once in the fork server of a process pool, before workers are forked from it. Loads
 * libraries and data that are slow to load. Must leave no thread and no process running. Text that
 * it writes to standard error is discarded.
 *
 * ret_error  fill it with the reason if the function does not return PXP_OK. Then the pool is
 *            broken.
 */
typedef enum pxp_status pxp_preload_fn(struct pxp_error *ret_error);

/**
 * Called once in each worker, before its first task.
 *
 * bytes, n     a copy of init_bytes, borrowed for the call.
 * ret_context  the context, which pxp_task_context() returns to the worker's tasks. The worker owns
 *              the context until it passes the context to pxp_finalise_fn.
 * ret_error    fill it with the reason if the function does not return PXP_OK. Then the pool is
 *              broken.
 */
typedef enum pxp_status pxp_initialise_fn(const void *bytes, size_t n, void **ret_context,
                                          struct pxp_error *ret_error);

/** Called when a worker ends without having crashed or been killed. Frees the context. */
typedef void pxp_finalise_fn(void *context);

/**
 * The last step before a worker process is ready. Gives up rights for good, for example by changing
 * the user or by a filter for system calls.
 *
 * A filter may refuse prctl() and getppid(), but must not kill the worker for these calls: after
 * this step the worker calls both, so that it ends when the fork server ends.
 *
 * ret_error  fill it with the reason if the function does not return PXP_OK. Then the pool is
 *            broken.
 */
typedef enum pxp_status pxp_lock_down_fn(struct pxp_error *ret_error);

/* A field that is zero has its default. Later versions may append fields. If size is smaller than
 * this struct, the fields beyond size count as zero. If size is larger, all bytes beyond this
 * struct must be zero. */
struct pxp_executor_options {
	/* Set this field to sizeof(struct pxp_executor_options); 0 is refused. */
	size_t size;
	/* The kind of the executor. There is no default: 0 is refused. */
	enum pxp_executor_kind kind;
	/* The maximum number of workers, up to 1024. Default: pxp_default_workers(). */
	unsigned n_workers;
	/* The maximum number of tasks that no worker has yet. Default: 1024. With PXP_PROCESSES, at
	 * most 128 of these tasks may have an input over 63 KiB, because each such input holds a
	 * descriptor. Results that the caller has not taken yet do not count. */
	size_t max_pending;
	/* The maximum total size in bytes of the inputs of tasks that no worker has yet. An empty
	 * queue accepts a task of any size. Default: 64 MiB. */
	size_t max_pending_bytes;
	/* The name of the executor. It is copied. The threads of a PXP_THREADS executor are called
	 * NAME_0, NAME_1, ..., where NAME is cut to 11 bytes, or to fewer if the number has more
	 * than 3 digits. Default: "pxp-N". */
	const char *name;
	pxp_initialise_fn *initialise;
	/* The bytes that the functions `prepare` and `initialise` get. They are copied.
	 * n_init_bytes is their number: at most 32 KiB with PXP_PROCESSES. */
	const void *init_bytes;
	size_t n_init_bytes;
	pxp_finalise_fn *finalise;
	/* A thread or worker process that has been idle for this number of milliseconds ends. A new
	 * one is started when it is needed. The finaliser of the old one may still run while the
	 * new one begins. Not for PXP_INLINE. Default: workers stay. */
	int64_t idle_timeout_ms;

	/* ---- PXP_PROCESSES only ---- */

	pxp_prepare_fn *prepare;
	pxp_preload_fn *preload;
	pxp_lock_down_fn *lock_down;
	/* A worker is replaced after this number of tasks. Default: unlimited. */
	size_t max_tasks_per_worker;
	/* The maximum size of a task's result in bytes; a task with a longer result fails with
	 * PXP_EPROTO. Outputs do not count: see max_output. Default: 256 MiB. */
	size_t max_result;
	/* The maximum time from the fork of a worker until it is ready, in milliseconds.
	 * PXP_FOREVER: no limit. Default: one minute. */
	int64_t start_timeout_ms;
	/* The pool is broken after this number of workers have died by themselves, one after the
	 * other, with no task answered in between. From the third death on, the start of a
	 * replacement is delayed. Each delay is twice as long as the one before, up to one second.
	 * UINT_MAX: unlimited. Default: 100. */
	unsigned max_crashes;
	/* How much private memory a worker may have, in bytes: heap, stacks and private mappings
	 * (RLIMIT_DATA), including the memory that a worker has before its first task. If a worker
	 * still has most of this memory when a task has ended, the worker is replaced. Builds with
	 * sanitizers count the memory but do not limit it: see pxp_memory_is_limited(). Default:
	 * unlimited. */
	uint64_t memory_allowance;
	/* The memory that pxp_task_need() may grant to all workers together, in bytes, beyond their
	 * allowances. Default: none. */
	uint64_t memory_budget;
	/* The maximum size of each file that a task writes (RLIMIT_FSIZE), in bytes. This limit
	 * also applies to the task's output and to a result over 63 KiB. A longer write fails with
	 * EFBIG. Default: unlimited. */
	uint64_t max_output;
	/* If true, SIGTERM and SIGHUP do not end workers: workers have an empty handler for both,
	 * which exec() resets. This is for a program that handles these signals itself, and whose
	 * processes may all get them together (systemd, killall). The zygote and fork servers
	 * always ignore both. Default: SIGTERM and SIGHUP end workers. */
	bool survive_signals;
};

/** Whether this build can limit the memory of workers. */
bool pxp_memory_is_limited(void);

/** The default of n_workers: how many processors this process may use. That is the smaller of its
 *  CPU affinity and the CPU quota of its control groups, rounded up, and at least 1. */
unsigned pxp_default_workers(void);

/**
 * Create an executor. Workers are started when tasks need them.
 *
 * With PXP_PROCESSES, this call waits until the zygote has forked the pool's fork server. If
 * several threads create pools, they do so one after the other. The functions `prepare`,
 * `preload` and `initialise` run after this call.
 *
 * With PXP_INLINE, `initialise` runs in this call. If it fails, this call returns PXP_OK all the
 * same. As in a pool with a failed initialiser, the first task fails with PXP_EBROKEN and later
 * submissions are refused with PXP_EBROKEN.
 *
 * options       borrowed for the call; name and init_bytes are copied.
 * ret_executor  on PXP_OK the executor, which the caller must give back with
 *               pxp_executor_destroy(). Otherwise NULL.
 * ret_error     filled on all but PXP_OK; may be NULL.
 *
 * PXP_OK      created.
 * PXP_EINVAL  size, kind or another option is invalid, or an option is set that this kind of
 *             executor does not support, or a function is in a module that was loaded after
 *             pxp_zygote_start().
 * PXP_ESTATE  the kind is PXP_PROCESSES, and pxp_zygote_start() was not called in this process.
 * PXP_ENOMEM  no memory.
 * PXP_ESYS    a thread, process or descriptor cannot be created.
 */
enum pxp_status pxp_executor_create(const struct pxp_executor_options *options,
                                    struct pxp_executor **ret_executor,
                                    struct pxp_error *ret_error);

/* A field that is zero has its default. Later versions may append fields, as in
 * pxp_executor_options. */
struct pxp_task_options {
	/* Set this field to sizeof(struct pxp_task_options); 0 is refused. */
	size_t size;
	/* The descriptors that go to the worker with the task: n_descriptors of them, at most
	 * PXP_MAX_DESCRIPTORS. Each must be open, and none may be given twice. If the submission
	 * succeeds, they belong to the task, which closes them, unless keep_descriptors is set. If
	 * one of them is not open, a task of a process pool fails with PXP_ESYS. */
	const int *descriptors;
	unsigned n_descriptors;
	/* If the task has not begun after this number of milliseconds, it fails with PXP_EQUEUED.
	 * Default: no limit. */
	int64_t queue_timeout_ms;

	/* ---- PXP_PROCESSES only ---- */

	/* Whether the task writes an output: see pxp_task_output() and pxp_future_take_output(). */
	bool output;
	/* How many times the task is run again after crashes. A task whose worker was killed by
	 * SIGSYS, the signal of a filter for system calls, is not run again. Default: 0. */
	unsigned retries;
	/* After this number of workers have crashed while they ran the task, it fails with
	 * PXP_EPOISON. Default: unlimited. */
	unsigned max_kills;
	/* The maximum time from the beginning of the task to its end, in milliseconds. After that
	 * its worker is killed, and the task fails with PXP_EDEADLINE. Default: no limit. */
	int64_t deadline_ms;
	/* The maximum deadline that pxp_task_restart_deadline() can set. Default and minimum:
	 * deadline_ms. */
	int64_t max_deadline_ms;
	/* The maximum time between two calls of pxp_task_progress(), in milliseconds. After that
	 * the worker is killed, and the task fails with PXP_EDEADLINE. The pool may notice this up
	 * to stall_ms late. Default: no limit. */
	int64_t stall_ms;
	/* How much private memory the worker may have while this task runs, in bytes, instead of
	 * memory_allowance. The part beyond memory_allowance counts against the budget, so the task
	 * may have to wait before its function is called. If memory runs out, the task fails with
	 * PXP_EMEMORY, or crashes. Default: memory_allowance. */
	uint64_t max_memory;
	/* Whether to run the task once more, with all of the pool's budget, if it failed because
	 * memory ran out, or if a lack of memory may have caused its failure. */
	bool retry_memory;

	/* ---- all kinds ---- */

	/* The tag of the future: see pxp_future_tag(). Default: NULL. */
	void *tag;
	/* Filled with the status and a text if the submission fails, unchanged if it succeeds.
	 * Default: NULL, nothing is filled. */
	struct pxp_error *ret_error;
	/* Whether the descriptors still belong to the caller after the submission. If so, the
	 * caller must keep them open until the future is done. Default: they belong to the task. */
	bool keep_descriptors;

	/* ---- PXP_PROCESSES only ---- */

	/* How many calls of pxp_task_restart_deadline() have an effect in each attempt. Default:
	 * PXP_MAX_RESTARTS. */
	unsigned max_restarts;
	/* This task counts as this number of tasks towards max_tasks_per_worker. Default: 1. */
	unsigned counts_as;
};

/**
 * Submit a task. If the queue is full (max_pending, max_pending_bytes), wait without a time limit
 * until an eighth of the queue is free. With PXP_INLINE, return when the task is done.
 *
 * run         the function that a worker calls with the task. With PXP_PROCESSES it must be in the
 *             program or in a module that was loaded before pxp_zygote_start(): the functions of a
 *             module that was loaded later (dlopen) do not exist in workers.
 * input       n_input bytes, copied. May be NULL if n_input is 0.
 * options     NULL: all defaults.
 * ret_future  on PXP_OK the task's future, with one reference that the caller must release.
 *             Otherwise NULL. Pass NULL if the outcome does not matter.
 *
 * PXP_OK         submitted: the future will be completed, whatever happens.
 * PXP_ESHUTDOWN  pxp_executor_shutdown() was called.
 * PXP_EBROKEN    the executor cannot run tasks any more: for example, no worker can be started, or
 *                `prepare`, `preload`, `initialise` or `lock_down` failed.
 * PXP_EDEADLK    the caller is a callback or a task of this executor, and would have to wait.
 * PXP_EINVAL     an option is invalid, or run is NULL, or run is known to be in a module that
 *                workers do not have.
 * PXP_ENOMEM     no memory.
 * PXP_ESYS       with threads: no thread can be started. With processes: the input is over 63 KiB,
 *                and either no descriptor is free for it or it is over RLIMIT_FSIZE.
 * On all but PXP_OK the descriptors in options are still the caller's, and options->ret_error says
 * more. (If options->size is invalid, or is too small to include the field ret_error, ret_error is
 * not filled.)
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
 * PXP_EAGAIN  the queue had no room within timeout_ms.
 * All other statuses are those of pxp_executor_submit().
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
 * PXP_EAGAIN  the queue has no room.
 * All other statuses are those of pxp_executor_submit(), except PXP_EDEADLK.
 */
enum pxp_status pxp_executor_try_submit(struct pxp_executor *executor, pxp_task_fn *run,
                                        const void *input, size_t n_input,
                                        const struct pxp_task_options *options,
                                        struct pxp_future **ret_future);

/* Flags. Later versions may append flags. */
enum pxp_shutdown {
	/* Return only when all futures are done and all workers have ended. */
	PXP_SHUTDOWN_WAIT = 1,
	/* Cancel the tasks that have not begun, or that wait to be run again after a crash. */
	PXP_SHUTDOWN_CANCEL_PENDING = 2,
	/* Kill the workers. All tasks that are not done are cancelled. Threads cannot be killed:
	 * for them this flag acts like PXP_SHUTDOWN_CANCEL_PENDING. */
	PXP_SHUTDOWN_KILL = 4
};

/**
 * Stop accepting tasks. Without flags, this call returns at once, and all tasks that were submitted
 * still run. It may be called again with more flags.
 *
 * flags  any of enum pxp_shutdown, combined with |.
 *
 * PXP_OK       done.
 * PXP_EDEADLK  the flags contain PXP_SHUTDOWN_WAIT, and the caller is a callback or a task of this
 *              executor. Everything except the wait was done.
 * PXP_EINVAL   flags contains an unknown flag. Nothing was done.
 */
enum pxp_status pxp_executor_shutdown(struct pxp_executor *executor, unsigned flags);

/** Shut down with PXP_SHUTDOWN_WAIT and free the executor. Its futures stay valid. NULL is allowed.
 *  Must not be called in a callback or a task of this executor, because the executor cannot wait
 *  for itself. If it is called there, it shuts the executor down without waiting, and the executor
 *  is never freed. */
void pxp_executor_destroy(struct pxp_executor *executor);

/**
 * Stop the workers of a process pool (SIGSTOP), or continue them: for a program that is about to be
 * stopped itself, for example with Ctrl-Z. Deadlines are suspended until the workers continue. On
 * the other kinds of executor these calls do nothing.
 *
 * Neither call waits. The calls are not counted: one resume ends any number of suspensions. Tasks
 * that are submitted during a suspension are accepted and wait. A shutdown of any kind resumes the
 * workers. A suspension after the shutdown began delays the shutdown.
 */
void pxp_executor_suspend(struct pxp_executor *executor);
void pxp_executor_resume(struct pxp_executor *executor);

struct pxp_executor_stats {
	/* Tasks in the queue. No worker has them yet. */
	size_t n_pending;
	/* Tasks that were given to a worker and have not begun. */
	size_t n_prefetched;
	/* Tasks that have begun and not ended. */
	size_t n_running;
	/* Workers that exist: starting, idle or busy. */
	unsigned n_workers;
	/* Tasks that are done, however they ended. */
	uint64_t n_done;
	/* Workers that were started so far. */
	uint64_t n_spawned;
	/* Workers that died by themselves so far. */
	uint64_t n_crashed;
	/* Workers that were killed so far, for a deadline, a violation of the protocol, a cancel,
	 * or because they were not ready in time. Workers that a shutdown kills do not count. */
	uint64_t n_killed;
	/* How many of the n_running tasks wait for memory. */
	size_t n_waiting;
	/* How much of the memory budget is granted now, in bytes. */
	uint64_t granted_bytes;
};

/** Fill *ret_stats with the present numbers. */
void pxp_executor_stats(struct pxp_executor *executor,
                        struct pxp_executor_stats *ret_stats);

/**
 * Get a descriptor that becomes readable when tasks are done, for a program with a poll loop of its
 * own.
 *
 * Returns the descriptor, which belongs to the executor and is valid until the executor is
 * destroyed. Returns -1 if it cannot be created.
 */
int pxp_executor_descriptor(struct pxp_executor *executor);

/** Returns how many tasks have been completed since the last call of this function, or since the
 *  executor was created. Makes the descriptor of pxp_executor_descriptor() unreadable until the
 *  next task is done. */
uint64_t pxp_executor_acknowledge(struct pxp_executor *executor);

#ifdef __cplusplus
}
#endif

#endif
