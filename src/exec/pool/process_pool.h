/*
 * The inside of a process pool. One supervisor thread owns every channel. It waits in one epoll,
 * and other threads wake it by one eventfd. The executor's lock guards all state. The supervisor
 * gives the lock up only to wait and to complete futures.
 *
 *   process_pool.c     creates a pool, and has the functions that other threads call
 *   pool_supervisor.c  the supervisor's loop, the start and end of workers, the data from workers,
 *                      and how much memory each worker may have
 *   pool_dispatch.c    which worker gets the next task, and which workers start or stop
 *   pool_worker.c      one worker
 *
 * Every function here must be called with the lock held, unless its comment says otherwise.
 */
#ifndef PXP_PROCESS_POOL_H
#define PXP_PROCESS_POOL_H

#include "exec/pool/pool_worker.h"
#include "exec/process/zygote.h"

/* How many times a late fork server is sent SIGCONT, once a second, before it is killed. */
enum { POOL_MAX_CONTINUES = 60 };

struct process_pool {
	struct pxp_executor executor;
	pthread_t supervisor;

	/* The current time as seen by the pool. The clock is read in each turn of the supervisor's
	 * loop, and when another thread calls a function that needs the time. */
	int64_t now_ns;
	int epoll;
	/* The eventfd by which other threads wake the supervisor. */
	int wakeup;

	/* The handle of the fork server. Its control socket is -1 once the fork server has died. */
	struct fork_server_handle fork_server;
	/* How many answers of the fork server are outstanding. */
	unsigned n_answers_due;
	/* How many times the fork server was sent SIGCONT since its last answer. */
	unsigned n_continues;
	/* When to send SIGCONT to the fork server because its answer is late; -1: no answer is
	 * outstanding. */
	int64_t continue_ns;
	/* During a shutdown: when to send SIGCONT to all workers, because some may be stopped;
	 * -1: at once. */
	int64_t continue_workers_ns;

	/* Whether the supervisor is sleeping until wake_ns or an event. */
	bool is_asleep;
	int64_t wake_ns;
	/* Whether another thread changed something since the last pool_schedule(). */
	bool must_schedule;
	/* The time by which pool_schedule() must be called again even if nothing happens; -1:
	 * never. */
	int64_t next_schedule_ns;
	/* The queue length at which a sleeping supervisor is woken. */
	size_t n_to_wake;

	/* The number of the last task that was sent to a worker. */
	uint64_t generation;
	/* The run time of a task as estimated from the last tasks (pool_dispatch.c); 0: unknown. */
	int64_t task_ns;
	/* Detached tasks with their completions, which the supervisor's loop will complete. */
	struct task_list completed;
	/* The end of a pause in sending tasks, after descriptors or socket space ran out; -1: no
	 * pause. */
	int64_t retry_ns;
	/* The end of a pause in starting workers; -1: no pause. */
	int64_t spawn_ns;
	/* How many attempts in a row to start a worker process have failed. */
	unsigned n_failed_spawns;
	/* How many workers in a row died before they were ready. */
	unsigned n_failed_starts;
	/* How many crashes happened in a row, without a completed task between them. */
	unsigned n_crashes_in_a_row;
	/* The time at which the workers were suspended; -1: they are not suspended. */
	int64_t suspended_ns;
	/* How many times the pool was suspended or resumed. */
	unsigned n_suspends;
	/* Whether the pool was shut down by a kill. If so, no more tasks are started. */
	bool is_killed;

	uint64_t n_spawned;
	uint64_t n_crashed;
	uint64_t n_killed;
	/* How many memory requests there were so far. */
	uint64_t n_needs;
	/* The kernel's count of OOM kills in our cgroup, as last read. */
	uint64_t n_oom_kills;

	unsigned n_workers;
	struct pool_worker workers[];
};

extern const struct executor_table process_pool_executor;

/* ---- pool_supervisor.c ---- */

/* Start the fork server and the supervisor thread. Errors are those of pxp_executor_create().
 * Called without the lock. */
enum pxp_status pool_start_supervisor(struct process_pool *pool,
                                      struct pxp_error *ret_error);

/* Detach a task and queue it for completion. Everything that `completion` owns is moved into the
 * task's future. */
void pool_complete(struct process_pool *pool, struct task *task,
                   struct completion *completion);

/* Start one of the ABSENT workers. Returns false if that failed. */
bool pool_spawn(struct process_pool *pool);

/* The supervisor calls these functions when the pidfd of a worker reports its death, when the
 * socket of a worker is readable, and when the fork server has sent a frame. The fuzz tests call
 * them too. */
void pool_on_death(struct process_pool *pool, struct pool_worker *worker);
void pool_on_socket(struct process_pool *pool, struct pool_worker *worker);
void pool_on_control(struct process_pool *pool);

/* Poll the slots of workers that do not notify the supervisor, and check all deadlines. Called once
 * in each turn of the supervisor's loop, and by the fuzz tests. */
void pool_check_workers(struct process_pool *pool);

/* Called when the task of a worker got a cancel request. If the task waits for memory, refuses the
 * request for memory and returns true. Then the task's deadlines run again, and the supervisor must
 * be woken for them. */
bool pool_refuse_need(struct process_pool *pool, struct pool_worker *worker);

/* Grant free memory to the workers that wait for it, and lower limits that were raised. */
void pool_grant_memory(struct process_pool *pool);

/* ---- pool_dispatch.c ---- */

/* Give queued tasks to workers, start missing workers, and recycle workers. When the pool stops
 * and nothing is left to do, tell the workers to end. */
void pool_schedule(struct process_pool *pool);

/* How many tasks must be queued before a sleeping supervisor is woken for them. */
size_t pool_n_to_wake(const struct process_pool *pool);

/* Called when a resource ran out: tasks are sent again after a pause. */
void pool_try_again(struct process_pool *pool);

/* Update the estimate: a task took run_ns. If run_ns is -1, forget the estimate, so that each
 * worker prefetches at most one task. */
void pool_note_time(struct process_pool *pool, int64_t run_ns);

/* How many tasks a worker may prefetch behind the task that runs. */
unsigned pool_depth(const struct process_pool *pool);

#endif
