/*
 * Executors: one interface, three ways to run a task: at once in the thread that submits
 * it (for debugging), on threads (for work that waits) and in processes (for work that
 * computes, or that may crash).
 *
 * A process pool is not broken by a task that dies, hangs or breaks the protocol: it fails, no
 * other does, and its worker is replaced. What a task may do to other processes of its user is
 * another matter: one that kills the process that workers are forked from costs the pool
 * (PXP_EBROKEN). pxp_lock_down_fn and pxp_prepare_fn can prevent that.
 *
 * Threads: any function here from any thread, except where noted.
 */
#ifndef PXP_EXECUTOR_H
#define PXP_EXECUTOR_H

#include <pixpool/future.h>
#include <pixpool/task.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Start the zygote, from which every process pool gets its workers. Call it in the first
 * line of main, while the process has one thread: a copy of a process with threads could
 * hold locks that nobody releases. It needs no exec and has no terminal. Workers have the user,
 * limits, folder, environment and memory of this moment, whatever the process changes later,
 * but none of its descriptors.
 *
 * What the process forks afterwards, without exec, has neither this zygote nor its executors:
 * it must not touch these. If there was one thread when it was forked, it may start a zygote
 * of its own. Neither the end of a pool nor that of the zygote waits for it.
 *
 * PXP_OK      started, also when it was before. One that was killed is started anew.
 * PXP_EINVAL  in a worker of a pool in a worker: pools are nested no deeper.
 * PXP_ESTATE  it does not run, and the process has more than one thread already.
 * PXP_ESYS    no process or socket to be had, or the zygote has no room for its descriptors.
 */
enum pxp_status pxp_zygote_start(struct pxp_error *ret_error);

/**
 * End the zygote and wait for it, so that its whole tree is counted as this process's
 * children.
 *
 * PXP_OK      it is gone, or was never there.
 * PXP_ESTATE  a process pool is not destroyed yet: nothing was done.
 */
enum pxp_status pxp_zygote_stop(void);

struct pxp_executor;

/* Values are only ever appended. */
enum pxp_executor_kind {
	PXP_THREADS = 1,
	PXP_PROCESSES = 2,
	PXP_INLINE =
		3 /* its future is done when the submission returns. It is initialised
	                * when it is created; all threads that submit share its context */
};

/* In place of a number whose zero stands for a limit: no limit at all. */
#define PXP_UNLIMITED SIZE_MAX

/** Once in each process pool, in the process that its workers are forked from, before the
 *  preload and with one thread: give up rights that neither it nor they shall have, the user
 *  among them. bytes are a copy of init_bytes. Not PXP_OK: the pool is broken. */
typedef enum pxp_status pxp_prepare_fn(const void *bytes, size_t n,
                                       struct pxp_error *ret_error);

/** Once in each process pool, before its workers are forked from there: what is slow to
 *  load. It must leave no thread or process running; what it writes to standard error is lost. Not
 *  PXP_OK: the pool is broken, with error as the reason. */
typedef enum pxp_status pxp_preload_fn(struct pxp_error *ret_error);

/** Once in each worker, before its first task. bytes are a copy of init_bytes. What is
 *  left in *ret_context is what tasks see. Not PXP_OK: the pool is broken. */
typedef enum pxp_status pxp_initialise_fn(const void *bytes, size_t n, void **ret_context,
                                          struct pxp_error *ret_error);

/** When a worker ends in order; frees the context. */
typedef void pxp_finalise_fn(void *context);

/** The last step before a worker process is ready: give up rights for good, the user among
 *  them. A filter of system calls may refuse the worker prctl() and getppid(), but must not kill
 *  it for them: it then ties its life to the fork server's again. Not PXP_OK: the pool is broken. */
typedef enum pxp_status pxp_lock_down_fn(struct pxp_error *ret_error);

/* Zero is the default that stands beside each field. Fields are only ever appended: those that a
 * smaller size leaves out are zero, and those beyond what the library knows must be. */
struct pxp_executor_options {
	size_t size;                 /* sizeof(struct pxp_executor_options); no default */
	enum pxp_executor_kind kind; /* no default */
	unsigned n_workers; /* at most, and no more than 1024; 0: the processors this
	                              * process may use */
	size_t max_pending; /* tasks that no worker has yet; 0: 1024. Of inputs longer than
	                     * 63 KiB, for processes, at most 128: each holds a descriptor.
	                     * Results that nobody takes are bounded by nothing */
	size_t max_pending_bytes; /* their inputs; 0: 64 MiB. One task alone always fits */
	const char *name; /* threads are called NAME_0, ...; NULL: "pxp-N". Copied,
	                               * and cut to what the kernel takes (15 bytes) */
	pxp_initialise_fn *initialise;
	const void *init_bytes; /* copied; for processes at most 32 KiB */
	size_t n_init_bytes;
	pxp_finalise_fn *finalise;
	int64_t idle_timeout_ms; /* then an idle thread or worker process ends, until it is
	                          * needed again; 0: never. Not for inline. Its finaliser may
	                          * still run while another thread begins */
	/* Processes only. */
	pxp_prepare_fn *prepare;
	pxp_preload_fn *preload;
	pxp_lock_down_fn *lock_down;
	size_t max_tasks_per_worker; /* then it is replaced; 0: unlimited */
	size_t max_result; /* bytes of one task's result; 0: 256 MiB. More breaks the
	                          * protocol; an output may be as long as it likes */
	int64_t start_timeout_ms; /* for a worker to be ready, once forked; 0: a minute;
	                           * PXP_FOREVER: none */
	unsigned max_crashes;     /* workers in a row that die of themselves, with no task
	                               * answered between: then the pool is broken. From the
	                               * third on each replacement waits twice as long, up to a
	                               * second. 0: 100; UINT_MAX: unlimited */
	/*
	 * How much private memory (RLIMIT_DATA: heap, stacks and private mappings, the worker's
	 * own included) a worker may have, and what all tasks together may be granted beyond
	 * it, by pxp_task_need(). A worker that keeps most of its allowance between tasks is
	 * replaced. 0: no limit, and no budget. A build with sanitizers cannot run under such a
	 * limit, and keeps the accounts alone (pxp_memory_is_limited()).
	 */
	uint64_t memory_allowance;
	uint64_t memory_budget; /* 0: nothing beyond the allowance */
	uint64_t max_output; /* bytes of any file that a task writes (RLIMIT_FSIZE), be it
	                      * its output or a long result: then EFBIG. 0: unlimited */
};

/** Whether memory limits act in this build. */
bool pxp_memory_is_limited(void);

/** How many workers n_workers 0 stands for: the processors this process may use. */
unsigned pxp_default_workers(void);

/**
 * Create an executor. Workers start when the first task needs them.
 *
 * Of a process pool this waits until the zygote has forked where its workers will come
 * from, one such call at a time; prepare, preload and initialise run later. Inline,
 * initialise runs here and now; when it fails this is PXP_OK all the same. As of a pool
 * whose initialiser fails, the first task then fails with PXP_EBROKEN, and later
 * submissions are refused with it.
 *
 * ret_executor  on PXP_OK yours, to be given back with pxp_executor_destroy(); else NULL.
 *
 * PXP_EINVAL  size, kind or a count is wrong; a field that the kind does not know is set.
 * PXP_ESTATE  processes, but pxp_zygote_start() was not called in this process.
 * PXP_ENOMEM, PXP_ESYS  no memory, thread, process or descriptor to be had.
 */
enum pxp_status pxp_executor_create(const struct pxp_executor_options *options,
                                    struct pxp_executor **ret_executor,
                                    struct pxp_error *ret_error);

/* As above: zero is the default, and fields are only ever appended. */
struct pxp_task_options {
	size_t size; /* sizeof(struct pxp_task_options); no default */
	/* Go with the task; moved in when the submission succeeds. Each of them once, and open: a
	 * process is not handed one that is not, and the task fails with PXP_ESYS. */
	const int *descriptors;
	unsigned n_descriptors; /* at most PXP_MAX_DESCRIPTORS */
	int64_t queue_timeout_ms; /* not begun by then, it fails with PXP_EQUEUED; 0: none */
	/* Processes only. */
	bool output;         /* the task writes its output to a memfd */
	unsigned retries;    /* how often to begin again after a crash, but for a death of
	                      * SIGSYS, by which a filter of system calls kills; 0: never */
	unsigned max_kills;  /* workers it may kill, retries or not: then PXP_EPOISON;
	                            * 0: unlimited */
	int64_t deadline_ms; /* from the beginning; then its worker is killed; 0: none */
	int64_t max_deadline_ms; /* how much pxp_task_restart_deadline() may ask; 0: as above */
	int64_t stall_ms;    /* without a word of pxp_task_progress(): then its worker is
	                            * killed, with PXP_EDEADLINE; 0: none */
	uint64_t max_memory; /* what its worker may have while it runs, in place of the
	                      * pool's allowance (beyond which it counts against the budget,
	                      * so that it may wait to begin); then it fails with
	                      * PXP_EMEMORY, if not by a crash for want of it. 0: as the pool */
	bool retry_memory; /* when memory ran out, or may have, begin it once more with all
	                      * that the pool's budget has */
};

/**
 * Submit a task. Waits for room, without a limit, while max_pending or max_pending_bytes
 * are waiting, and once it waits until an eighth of them has gone, or has gone to a worker;
 * inline, until the task is done.
 *
 * run         called with the task, in a worker.
 * input       n_input bytes, copied; may be NULL when n_input is 0.
 * options     NULL: all defaults.
 * ret_future  one reference, yours, and NULL on all but PXP_OK. May be NULL: the outcome is
 *             of no interest.
 *
 * PXP_OK         its future will be completed, whatever happens.
 * PXP_EAGAIN     pxp_executor_try_submit(): there is no room (max_pending and what stands
 *                beside it).
 * PXP_ESHUTDOWN  after pxp_executor_shutdown().
 * PXP_EBROKEN    no worker can be had, or a preload or initialiser failed.
 * PXP_EDEADLK    would have to wait, in a callback or task of this executor.
 * PXP_EINVAL     a wrong option.
 * PXP_ENOMEM     no memory.
 * PXP_ESYS       no thread to be had (threads); no descriptor for an input over 63 KiB, or
 *                it is over RLIMIT_FSIZE (processes).
 * On all but PXP_OK the descriptors are still the caller's.
 */
enum pxp_status pxp_executor_submit(struct pxp_executor *executor, pxp_task_fn *run,
                                    const void *input, size_t n_input,
                                    const struct pxp_task_options *options,
                                    struct pxp_future **ret_future);

/** As pxp_executor_submit(), but waits for room no longer than timeout_ms (0: not at all,
 *  PXP_FOREVER): PXP_EAGAIN when there was none. */
enum pxp_status pxp_executor_submit_within(struct pxp_executor *executor,
                                           pxp_task_fn *run, const void *input,
                                           size_t n_input,
                                           const struct pxp_task_options *options,
                                           int64_t timeout_ms,
                                           struct pxp_future **ret_future);

/** As pxp_executor_submit(), but never waits for room. */
enum pxp_status pxp_executor_try_submit(struct pxp_executor *executor, pxp_task_fn *run,
                                        const void *input, size_t n_input,
                                        const struct pxp_task_options *options,
                                        struct pxp_future **ret_future);

/* Flags. Values are only ever appended. */
enum pxp_shutdown {
	PXP_SHUTDOWN_WAIT = 1, /* return when nothing runs any more */
	/* Cancel what has not begun, or waits to be begun again after a crash. */
	PXP_SHUTDOWN_CANCEL_PENDING = 2,
	PXP_SHUTDOWN_KILL = 4 /* kill the workers; what they had is cancelled */
};

/**
 * Take no more tasks. Without flags, what was submitted still runs. May be called again
 * with more flags. Threads cannot be killed: for them KILL is CANCEL_PENDING.
 *
 * PXP_OK       done, and with WAIT every future is completed and every worker gone.
 * PXP_EDEADLK  WAIT in a callback or task of this executor; the rest was done.
 * PXP_EINVAL   a flag that there is not: nothing was done.
 */
enum pxp_status pxp_executor_shutdown(struct pxp_executor *executor, unsigned flags);

/** Shut down with WAIT and free. NULL is fine. Futures stay good. Not from a callback or task
 *  of its own, which it cannot wait for: there it shuts down without WAIT, and what it has
 *  is never freed. */
void pxp_executor_destroy(struct pxp_executor *executor);

/**
 * Stop (SIGSTOP) and continue the workers of a process pool, for a program that is being
 * stopped itself (Ctrl-Z). Their deadlines stand still meanwhile. For threads: nothing.
 *
 * Neither waits for anything. They are not counted: one resume ends any number of
 * suspensions. What is submitted meanwhile is taken, and waits. A shutdown, of any kind,
 * resumes; a suspension after that holds it up.
 */
void pxp_executor_suspend(struct pxp_executor *executor);
void pxp_executor_resume(struct pxp_executor *executor);

struct pxp_executor_stats {
	size_t n_pending;    /* in the queue: no worker has them */
	size_t n_prefetched; /* handed to a worker that has not begun them */
	size_t n_running;
	unsigned n_workers; /* alive: starting, idle or busy */
	uint64_t n_done;    /* tasks completed so far, however they ended */
	uint64_t n_spawned; /* workers started so far */
	uint64_t n_crashed; /* workers that died of themselves */
	uint64_t
		n_killed; /* workers that were killed: for a deadline, a breach, a cancel */
	size_t n_waiting;       /* of n_running: tasks that wait for memory */
	uint64_t granted_bytes; /* of the memory budget */
};

void pxp_executor_stats(struct pxp_executor *executor,
                        struct pxp_executor_stats *ret_stats);

/**
 * A descriptor that is readable while tasks are done that nobody was told of: for a program
 * with a poll loop of its own. pxp_executor_acknowledge() says how many were done since the
 * last time, and makes it unreadable until the next. Borrowed: good until the executor is
 * destroyed. -1: no descriptor to be had.
 */
int pxp_executor_descriptor(struct pxp_executor *executor);
uint64_t pxp_executor_acknowledge(struct pxp_executor *executor);

#ifdef __cplusplus
}
#endif

#endif
