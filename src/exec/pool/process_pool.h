/*
 * A process pool, from inside. One supervisor thread owns every channel: non-blocking,
 * one epoll, one eventfd. All state is guarded by the executor's lock; the supervisor
 * gives it up only to wait and to complete futures.
 *
 *   process_pool.c    create, and what other threads ask of it
 *   pool_supervisor.c the supervisor's loop; how workers start and end
 *   pool_dispatch.c   what goes to workers: who gets the next task, who is started or stopped
 *   pool_receive.c    what comes from workers, and their deadlines
 *   pool_memory.c     who may have how much memory
 *   pool_worker.c     one worker
 */
#ifndef PXP_PROCESS_POOL_H
#define PXP_PROCESS_POOL_H

#include "exec/pool/pool_worker.h"
#include "exec/process/zygote.h"

struct process_pool {
	struct pxp_executor executor;
	pthread_t supervisor;
	/* Read whenever the lock was taken and time counts: once per turn of the supervisor, and
	 * at the entry of calls from other threads. */
	int64_t now_ns;
	int epoll, wakeup; /* the eventfd by which other threads call the supervisor */
	struct fork_server_handle fork_server; /* its control is -1: it is gone */
	unsigned n_answers_due; /* answers that the fork server still has to give */
	unsigned n_continues;   /* how often it was continued since it gave one */
	int64_t continue_ns; /* when to continue it for want of one; -1: none is owed */
	bool is_asleep;      /* the supervisor waits, until wake_ns or an event */
	bool must_schedule;  /* something came since the last schedule */
	int64_t next_schedule_ns; /* when to schedule again although nothing happens; -1 */
	size_t n_to_wake; /* asleep: with so many in the queue it shall be woken */
	int64_t wake_ns;

	uint64_t generation; /* of the task handed out last */
	int64_t task_ns; /* how long one takes, as the last ones did; see pool_dispatch.c */
	struct task_list
		completed; /* detached, with their completion: the loop completes them */
	int64_t retry_ns;  /* when to try again what had no room; -1: not waiting */
	int64_t spawn_ns;  /* when to start workers again; -1: now */
	unsigned n_failed_spawns, n_failed_starts; /* in a row */
	unsigned n_crashes_in_a_row;               /* with no task answered between */
	int64_t suspended_ns; /* since when workers are stopped; -1: they are not */
	unsigned n_suspends;  /* how often it changed */
	bool is_killed;       /* no task is begun any more */

	uint64_t n_spawned, n_crashed, n_killed;
	uint64_t n_needs;     /* that tasks had of memory so far */
	uint64_t n_oom_kills; /* by the kernel in our group, when it was asked last */
	unsigned n_workers;
	struct pool_worker workers[];
};

/* Create a process pool. options are valid and have their defaults filled in. Errors as of
 * pxp_executor_create(). */
enum pxp_status process_pool_create(const struct pxp_executor_options *options,
                                    struct pxp_executor **ret_executor,
                                    struct pxp_error *ret_error);

/* pool_supervisor.c */

/* Set now_ns. */
void pool_read_clock(struct process_pool *pool);

/* Start the fork server and the supervisor's thread. Errors as of pxp_executor_create(). */
enum pxp_status pool_start_supervisor(struct process_pool *pool,
                                      struct pxp_error *ret_error);

/* Detach a task and put it where the loop completes it. What completion owns is moved. */
void pool_complete(struct process_pool *pool, struct task *task,
                   struct completion *completion);

/* No task will run any more: fail what is queued, and refuse what comes. */
void pool_break(struct process_pool *pool, const char *text);

/* Ask something of the fork server that it answers. False with errno: EAGAIN when it has much
 * to read. */
bool pool_ask_fork_server(struct process_pool *pool, const struct process_frame *request,
                          const int *descriptors, unsigned n_descriptors);
enum {
	POOL_MAX_CONTINUES = 60
}; /* times that it is continued before, a second between */

/* Start one of the workers that are ABSENT. False when that fails. */
bool pool_spawn(struct process_pool *pool);

/* The pidfd of a worker says that it is dead; or something came from the fork server. Of the
 * supervisor, and of the fuzz tests. */
void pool_on_death(struct process_pool *pool, struct pool_worker *worker);
void pool_on_control(struct process_pool *pool);

/* pool_dispatch.c */

/* Hand out what is queued, start workers that are missing, and, when the
 * pool is stopping and has nothing left, tell the workers to end. */
void pool_schedule(struct process_pool *pool);

/* How many are to be in the queue before a sleeping supervisor is woken for them. */
size_t pool_n_to_wake(const struct process_pool *pool);

/* What had no room is to be tried again in a moment. */
void pool_try_again(struct process_pool *pool);

/* A task has taken so long. -1: nobody knows; then no more than one lies ahead of a worker. */
void pool_note_time(struct process_pool *pool, int64_t run_ns);

/* How many tasks may lie behind the one that runs. */
unsigned pool_depth(const struct process_pool *pool);

/* pool_receive.c */

/* Read the answers in its page, then at most max_frames. False when the channel has
 * ended or must not be read on: who broke the protocol once is not listened to again. */
bool pool_read_frames(struct process_pool *pool, struct pool_worker *worker,
                      int max_frames);
void pool_on_socket(struct process_pool *pool, struct pool_worker *worker);

/* Once a turn: look at what workers have left in their pages that need not ring for it, and at
 * the deadlines of all. */
void pool_check_workers(struct process_pool *pool);

/* pool_memory.c */

/* A worker asks for memory for the task that it runs. NULL, or how it breaks the protocol. */
const char *pool_on_need(struct process_pool *pool, struct pool_worker *worker,
                         const struct slot_frame *at);

/* Its task was asked to end: if it waits for memory, it is told so. Whether it waited: then
 * there are times to watch that there were not. */
bool pool_refuse_need(struct process_pool *pool, struct pool_worker *worker);

/* The fork server has set a limit, or could not. */
void pool_on_limited(struct process_pool *pool, struct pool_worker *worker,
                     const struct process_frame *answer);

/* Grant what is free, and lower what is to be lowered. */
void pool_grant_memory(struct process_pool *pool);

/* A task is done, after which its worker keeps so many bytes. */
void pool_reclaim_memory(struct process_pool *pool, struct pool_worker *worker,
                         uint64_t data_bytes);

/* Whether a task for which there was not enough memory is begun once more, with all of it. */
bool pool_retries_with_all_memory(struct process_pool *pool,
                                  const struct pool_worker *worker, struct task *task);

#endif
