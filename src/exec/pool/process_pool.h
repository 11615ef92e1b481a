/*
 * A process pool, from inside. One supervisor thread owns every channel: non-blocking,
 * one epoll, one eventfd. All state is guarded by the executor's lock; the supervisor
 * gives it up only to wait and to complete futures.
 *
 *   process_pool.c   the supervisor's loop
 *   pool_table.c     what other threads ask of it
 *   pool_schedule.c  who gets the next task, and when a worker is started
 *   pool_prefetch.c  what lies ready in the channel of a worker that is busy
 *   pool_answers.c   what tasks have answered
 *   pool_frames.c    what else workers say, and their deadlines
 *   pool_deaths.c    deaths, and what the fork server says
 *   pool_memory.c    who may have how much memory
 *   pool_worker.c    one worker's state
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
	unsigned n_owed;  /* answers that the fork server still has to give */
	unsigned n_late;  /* how often it was continued since it gave one */
	int64_t late_ns;  /* when to continue it for want of one; -1: none is owed */
	bool is_asleep;   /* the supervisor waits, until wake_ns or an event */
	bool has_news;    /* something came since the last schedule */
	size_t n_to_wake; /* asleep: with so many in the queue it shall be woken */
	int64_t wake_ns;

	uint64_t generation; /* of the task handed out last */
	int64_t task_ns; /* how long one takes, as the last ones did; see pool_prefetch.c */
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

/* epoll's data: whose descriptor it is. */
enum pool_source {
	SOURCE_SOCKET,
	SOURCE_PIDFD,
	SOURCE_LOG,
	SOURCE_WAKEUP,
	SOURCE_CONTROL,
	SOURCE_FORK_SERVER
};

static inline uint64_t pool_source(enum pool_source source, uint32_t worker)
{
	return (uint64_t)worker << 8 | (uint64_t)source;
}

/* Set now_ns. */
void pool_read_clock(struct process_pool *pool);

bool pool_watch(struct process_pool *pool, int fd, enum pool_source source,
                uint32_t worker);

/* Nothing of a worker is watched any more. Closing it is not enough: a process that was forked
 * from this one may hold a copy, which would be told of for ever. */
void pool_unwatch(struct process_pool *pool, const struct pool_worker *worker);

/* The same, and it is ABSENT: pool_worker_clear(). */
void pool_clear(struct process_pool *pool, struct pool_worker *worker);

/* pool_table.c */
extern const struct executor_table process_pool_table;

/* The tasks shall not pay for so much time. */
void pool_move_deadlines(struct process_pool *pool, int64_t by_ns);

/* pool_schedule.c: hand out what is queued, start workers that are missing, and, when the
 * pool is stopping and has nothing left, tell the workers to end. */
void pool_schedule(struct process_pool *pool);

/* What had no room is to be tried again in a moment. */
void pool_try_again(struct process_pool *pool);

/* False when there is no use in going on for now. */
bool pool_hand(struct process_pool *pool, struct pool_worker *worker, struct task *task);

/* Whether the worker has run as many tasks as it may, or has grown too much. */
bool pool_is_used_up(const struct process_pool *pool, const struct pool_worker *worker);

/* pool_prefetch.c */
/* A task has taken so long. */
void pool_note_time(struct process_pool *pool, int64_t run_ns);
/* How many tasks may lie behind the one that runs. */
unsigned pool_depth(const struct process_pool *pool);
/* No more than one lies there, until it is known anew. */
void pool_forget_time(struct process_pool *pool);
/* Whether somebody who is awake will be done with its tasks sooner than another is woken. */
bool pool_is_fast(const struct process_pool *pool);
/* Lay behind the tasks of a worker what it will have done sooner than another is woken. */
void pool_fill(struct process_pool *pool, struct pool_worker *worker);
/* A worker is about to be handed the first of several such tasks. */
void pool_expect_more(struct process_pool *pool, struct pool_worker *worker);
/* Tasks that lie behind others in workers' channels. */
size_t pool_count_prefetched(struct process_pool *pool);
/* The next task for a worker that can begin it at once, or NULL. */
struct task *pool_take_next(struct process_pool *pool);
/* Look at what the workers have left in their pages that need not ring for it. */
void pool_listen(struct process_pool *pool);
/* When to do so next, or to look at the queue though nobody has called; -1: there is no need. */
int64_t pool_listen_ns(const struct process_pool *pool);
/* Lay tasks behind those that run, where no worker is coming to begin them at once. */
void pool_prefetch(struct process_pool *pool, size_t n_coming);

/* How many are to be in the queue before a sleeping supervisor is woken for them. */
size_t pool_n_to_wake(const struct process_pool *pool);

/* When the next worker has been idle for too long; -1: none will. */
int64_t pool_retire_ns(const struct process_pool *pool);

/* The n-th worker in a row has failed: wait before the next one is started, longer each
 * time, but for the first two. */
void pool_back_off(struct process_pool *pool, unsigned n_in_a_row);

/* Whether a worker is ready: then starting others is not beyond hope. */
bool pool_has_ready(const struct process_pool *pool);

/* Have the fork server send the signals that this process may not: it has their user. */
void pool_send_owed_signals(struct process_pool *pool);

/* Ask something of the fork server that it answers. False with errno: EAGAIN when it has much to
 * read. */
bool pool_ask_fork_server(struct process_pool *pool, const struct process_frame *request,
                          const int *descriptors, unsigned n_descriptors);

/* Tell it to reap a worker. */
void pool_send_reap(struct process_pool *pool, struct pool_worker *worker);

/* No worker could be started: try again later; when there is none at all and it failed
 * time after time, the pool is broken. */
void pool_spawn_failed(struct process_pool *pool, int sys_errno);

/* pool_answers.c */
enum { POOL_LOG_AT_ONCE = 64 * 1024 }; /* bytes of a log, before an answer is taken */
/* An answer of the front task. NULL, or how it breaks the protocol. */
const char *pool_on_answer(struct process_pool *pool, struct pool_worker *worker,
                           const char *buffer, struct frame *frame);
/* The same for those in its page, which come before what it sends. */
const char *pool_take_page_answers(struct process_pool *pool, struct pool_worker *worker);

/* pool_frames.c */
/* What every completion of a task with a worker says. */
struct completion pool_completion(struct pool_worker *worker, const struct slot *slot,
                                  int64_t now_ns);
/* Read the answers in its page, or at most max_frames beside. False when the channel has
 * ended or must not be read on: who broke the protocol once is not listened to again. */
bool pool_read_page(struct process_pool *pool, struct pool_worker *worker);
bool pool_read_frames(struct process_pool *pool, struct pool_worker *worker,
                      int max_frames);
void pool_on_socket(struct process_pool *pool, struct pool_worker *worker);
void pool_on_death(struct process_pool *pool, struct pool_worker *worker);
/* Something came from the fork server; false when it has said all for now. */
bool pool_on_control(struct process_pool *pool);
/* It has ended. */
void pool_on_fork_server_end(struct process_pool *pool);
/* It owes an answer for too long: it was stopped, say by a task, which may signal it. It is
 * continued; and killed where that does not help, so that no future hangs. */
void pool_on_late_fork_server(struct process_pool *pool);
enum { POOL_MAX_LATE = 60 }; /* times that it is continued before, a second between */
void pool_on_deadline(struct process_pool *pool, struct pool_worker *worker);
void pool_on_stall(struct process_pool *pool, struct pool_worker *worker);

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
void pool_share_memory(struct process_pool *pool);
/* A task is done, after which its worker keeps so many bytes. */
void pool_take_memory_back(struct process_pool *pool, struct pool_worker *worker,
                           uint64_t data_bytes);
/* What of the budget is granted. */
uint64_t pool_granted(const struct process_pool *pool);
/* Whether a task for which there was not enough memory is begun once more, with all of it. */
bool pool_tries_with_all(struct process_pool *pool, const struct pool_worker *worker,
                         struct task *task);

/* What a death has to do with memory. */
enum memory_death {
	DIED_OTHERWISE,
	DIED_NEAR_LIMIT, /* it had used much of what it might: in doubt */
	DIED_AT_LIMIT,
	DIED_OF_OOM_KILLER, /* the kernel's; its counter moved */
};
enum memory_death pool_memory_death(struct process_pool *pool,
                                    const struct pool_worker *worker,
                                    const struct process_frame *reaped);

/* Detach a task and put it where the loop completes it. What completion owns is moved. */
void pool_complete(struct process_pool *pool, struct task *task,
                   struct completion *completion);

/* No task will run any more: fail what is queued, and refuse what comes. */
void pool_break(struct process_pool *pool, const char *text);

#endif
