/*
 * A worker process, as its pool sees it: a state machine.
 *
 *   ABSENT -> STARTING   the fork server was asked to start the worker
 *   STARTING -> READY    the worker's initialiser and lock-down have succeeded
 *   STARTING, DYING -> ABSENT
 *                        the fork server could not start the worker
 *   READY -> STOPPING    the worker was told to end
 *   STARTING, READY, STOPPING -> HUNG_UP
 *                        the worker has closed its channel: it has died, or it will be killed
 *   any -> DYING         the worker was killed
 *   any -> REAPING       the worker has died; everything that it sent was read, and the fork
 *                        server is told to reap it
 *   REAPING -> ABSENT    the worker's status is known, and its tasks were completed or returned
 *   any -> ABSENT        the fork server has died, and the worker with it
 *
 * Every function here must be called with the pool's lock held. Functions with a parameter now_ns
 * get the pool's time.
 */
#ifndef PXP_POOL_WORKER_H
#define PXP_POOL_WORKER_H

#include "exec/executor/executor.h"
#include "exec/process/protocol.h"

enum pool_worker_state {
	WORKER_ABSENT,
	WORKER_STARTING,
	WORKER_READY,
	WORKER_STOPPING,
	WORKER_HUNG_UP,
	WORKER_DYING,
	WORKER_REAPING,
};

/* The reasons for which the pool kills a worker. */
enum kill_reason {
	/* The pool did not kill the worker: if it died, it died by itself. */
	KILLED_NOT,
	/* The worker was not ready in time, or could not be watched. */
	KILLED_START,
	KILLED_DEADLINE,
	/* The task made no progress for too long. */
	KILLED_STALL,
	/* The worker broke the protocol: the member `breach` describes how. */
	KILLED_BREACH,
	/* The task was cancelled by force. The cancel completes its future. */
	KILLED_CANCEL,
	/* The executor was shut down, or the worker was told to end and did not end in time. */
	KILLED_SHUTDOWN,
};

/* The states of a worker's memory limit: see pool_supervisor.c. */
enum limit_state {
	LIMIT_STEADY,
	LIMIT_WAITING,
	LIMIT_RAISING,
	LIMIT_TO_ANSWER,
	LIMIT_TO_LOWER,
	LIMIT_LOWERING,
};

enum { LOG_TAIL_BYTES = 4096 };

/* A slot for a task that was sent to a worker. */
struct slot {
	/* The task; NULL: the slot is free, or the task was withdrawn and the worker has not
	 * acknowledged the withdrawal yet. */
	struct task *task;
	uint64_t generation;
	int64_t handed_ns;
	/* The memfd for the output of this attempt, or -1. */
	int output;
};

struct pool_worker {
	enum pool_worker_state state;
	uint32_t index;
	pid_t pid;
	/* Descriptors; -1: not open. */
	int pidfd;
	int socket;
	int log;
	/* Memory that the worker shares with the main process, and can write anything to. */
	struct shared_slots *shared;
	/* Whether the pool polls the slots, because the worker may leave answers there without a
	 * notification. */
	bool polls_slots;

	/* A ring of the tasks that the worker has: slots[front] was sent first. */
	struct slot slots[N_SLOTS];
	unsigned front;
	unsigned n_held;
	/* How many tasks the worker was sent so far. A task counts as many times as its option
	 * counts_as says. */
	size_t n_tasks;
	/* The time at which the worker became idle. Valid only while it is idle. */
	int64_t idle_since_ns;

	/* The deadline of the front task, of the acknowledgement of its withdrawal, or of the
	 * worker's own start or end; -1: none. */
	int64_t deadline_ns;
	/* The time by which the front task must have made progress; -1: no limit. */
	int64_t stall_ns;
	/* How many times the front task had reported progress when stall_ns was set. */
	uint64_t n_beats;
	/* How many times the front task has restarted its deadline. */
	unsigned n_restarts;
	/* The time at which the front task became the front one. */
	int64_t front_since_ns;
	/* By how much the front task's deadline was deferred because the task had not started. */
	int64_t unbegun_ms;
	/* Whether the pool wanted to kill the worker for the front task, but the task has reported
	 * its end. If so, deadline_ns limits the time for its answer. */
	bool awaits_answer;

	/* Whether the worker has sent FRAME_READY. */
	bool is_ready;
	/* Whether the fork server was told to reap the worker. Valid only while the worker is
	 * REAPING. */
	bool reap_is_sent;

	enum limit_state limit_state;
	/* The memory limit in force; 0: none. */
	uint64_t limit;
	/* The worker's share of the memory budget. */
	uint64_t granted;
	/* The memory limit, in bytes, that the worker's task has requested and waits for. */
	uint64_t needed;
	/* The number of the worker's last memory request, in the order of requests. */
	uint64_t need_number;
	/* How many times the front task has requested memory. */
	unsigned n_needs;
	/* The answer to the worker's memory request, kept until it can be sent. */
	enum pxp_status answer;
	/* Whether the worker's last memory request was refused with PXP_EMEMORY. */
	bool was_refused;
	/* Whether the worker keeps too much memory, or its memory limit could not be lowered. If
	 * so, it is replaced once it is idle. */
	bool needs_recycle;
	/* The remaining time of the worker's deadlines while they are paused; -1: none. */
	int64_t deadline_left_ns;
	int64_t stall_left_ns;

	/* Whether the worker was STOPPING when it died. */
	bool ended_in_order;
	enum kill_reason reason;
	const char *breach;
	/* A signal that this process is not permitted to send to the worker. The fork server will
	 * send it. 0: none. */
	int owed_signal;

	/* A ring buffer with the last bytes of the worker's log. */
	char tail[LOG_TAIL_BYTES];
	/* How many bytes of the log were read so far. */
	uint64_t n_logged;
	/* Log bytes before this position belong to earlier tasks or to the initialiser. */
	uint64_t log_begins;
	/* Only the task with the generation log_generation, and older tasks, can have written the
	 * log bytes before log_mark. */
	uint64_t log_mark;
	uint64_t log_generation;
};

/* Initialise a worker as ABSENT, with nothing open. */
void pool_worker_init(struct pool_worker *worker, uint32_t index);

/* Create the channel, the log pipe and the shared slots for an ABSENT worker.
 *
 * ret_theirs  the worker's ends, in the order in which FRAME_SPAWN sends them. The caller closes
 *             them, also after a failure. An end that was not opened is -1.
 *
 * On failure returns false with errno, and the caller must call pool_worker_clear(). */
bool pool_worker_open(struct pool_worker *worker, int ret_theirs[3]);

/* Close all descriptors of a worker, and set it to ABSENT. */
void pool_worker_clear(struct pool_worker *worker);

/* ---- the tasks of a worker ---- */

/* The n-th slot that the worker holds; 0 is the front one. */
struct slot *pool_worker_slot(struct pool_worker *worker, unsigned n);

/* Whether the worker is awake and its front task has been quick so far. Such a worker probably
 * finishes its tasks before another worker could be woken. */
bool pool_worker_is_awake(const struct pool_worker *worker, int64_t now_ns);

/* Send a task to the worker. Returns false with errno: then the caller still owns the task. */
bool pool_worker_send_task(struct pool_worker *worker, struct task *task,
                           uint64_t generation, int64_t now_ns);

/* Take back the task in `slot`. On success the caller owns the task again. Returns false if the
 * worker has started the task. The worker has a few seconds to acknowledge the withdrawal. */
bool pool_worker_withdraw(struct pool_worker *worker, struct slot *slot, int64_t now_ns);

/* Free the front slot. The task in the next slot becomes the front task, and its deadline begins.
 * What the worker has logged so far does not belong to the log of the new front task, unless this
 * task may have written it. */
void pool_worker_pop_slot(struct pool_worker *worker, int64_t now_ns);

/* Defer all deadlines of the worker by `by_ns`: this time must not count for the worker's tasks. */
void pool_worker_move_deadlines(struct pool_worker *worker, int64_t by_ns);

/* Called when the pool wanted to kill the worker for the task in `slot`, but the worker reports
 * that the task has ended. Gives the worker half a second to send the answer. */
void pool_worker_await_answer(struct pool_worker *worker, const struct slot *slot,
                              int64_t now_ns);

/* ---- the shared slots, in which a worker can forge everything ---- */

/* Whether the worker has started the task in `slot`. */
bool pool_worker_has_begun(const struct pool_worker *worker, const struct slot *slot);

struct pxp_progress pool_worker_progress(const struct pool_worker *worker,
                                         const struct slot *slot);
enum pxp_phase pool_worker_phase(const struct pool_worker *worker,
                                 const struct slot *slot);

/* Ask the task in `slot` to end. */
void pool_worker_ask_to_end(struct pool_worker *worker, const struct slot *slot);

/* Mark the task in `slot` as killed, before its worker is killed. After that the worker cannot mark
 * the task as ended. Returns false, and marks nothing, if the task has ended or has not started. */
bool pool_worker_claim_kill(struct pool_worker *worker, const struct slot *slot);

/* Copy the answer that the worker has left in `slot`. Returns false if the slot has no answer. */
bool pool_worker_read_answer(const struct pool_worker *worker, const struct slot *slot,
                             struct slot_answer *ret_answer);

/* Set whether the worker may leave answers in its slots without a notification. After a change to
 * false the caller must poll the slots once more. */
void pool_worker_suppress_notify(struct pool_worker *worker, bool suppress);

/* Make a failed completion for the task in `slot`, with the worker's pid, the times and the
 * progress filled in. */
struct completion pool_worker_completion(struct pool_worker *worker,
                                         const struct slot *slot, int64_t now_ns);

/* ---- the end of a worker ---- */

/* Called when the channel of the worker has closed: wait a moment for the kernel to report the
 * worker's death. */
void pool_worker_hang_up(struct pool_worker *worker, int64_t now_ns);

/* Kill the worker for a reason. If the worker was killed before, the earlier reason counts, except
 * that a breach of the protocol replaces any other reason, even if the worker is already dead.
 * `breach` is a string constant, or NULL. */
void pool_worker_kill(struct pool_worker *worker, enum kill_reason reason,
                      const char *breach);

/* Send a signal to the worker and its process group. If this process may not do that, the fork
 * server sends it later (owed_signal). */
void pool_worker_signal(struct pool_worker *worker, int number);

/* ---- the log of a worker ---- */

/* Read the log pipe. Stops after max_bytes, so that a worker that writes without end does not block
 * the pool. */
void pool_worker_read_log(struct pool_worker *worker, size_t max_bytes);

/* Copy the end of the log, *ret_n bytes; the caller frees it. Returns NULL if the log is empty or
 * memory ran out. */
char *pool_worker_log(const struct pool_worker *worker, size_t *ret_n);

#endif
