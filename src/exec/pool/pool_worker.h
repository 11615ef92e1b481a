/*
 * A worker process, as its pool sees it: a state machine.
 *
 *   ABSENT -> STARTING   the fork server was asked for it
 *   STARTING -> READY    its initialiser and lock-down have succeeded
 *   STARTING -> ABSENT   the fork server could not start it
 *   READY -> STOPPING    it was told to end
 *   READY -> HUNG_UP     its channel is closed: it has died, or it will be killed
 *   any -> DYING         it was killed
 *   any -> REAPING       its pidfd says that it has died; everything that it sent was read, and the
 *                        fork server is told to reap it
 *   REAPING -> ABSENT    its status is known, and its tasks were completed or returned
 *
 * Every function here needs the pool's lock. Those that take now_ns get the pool's time.
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

/* Why the pool killed a worker. */
enum kill_reason {
	/* It did not: if the worker died, it died by itself. */
	KILLED_NOT,
	/* The worker was not ready in time. */
	KILLED_START,
	KILLED_DEADLINE,
	/* The task made no progress for too long. */
	KILLED_STALL,
	/* The worker broke the protocol: breach says how. */
	KILLED_BREACH,
	/* The task was cancelled by force. Its future is completed already. */
	KILLED_CANCEL,
	KILLED_SHUTDOWN,
};

/* What happens to a worker's memory limit: see pool_supervisor.c. */
enum limit_state {
	LIMIT_STEADY,
	LIMIT_WAITING,
	LIMIT_RAISING,
	LIMIT_TO_ANSWER,
	LIMIT_TO_LOWER,
	LIMIT_LOWERING,
};

enum { LOG_TAIL_BYTES = 4096 };

/* A place for a task that was sent to a worker. */
struct slot {
	/* NULL: free, or withdrawn and not acknowledged yet. */
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
	/* Descriptors; -1: none. */
	int pidfd;
	int socket;
	int log;
	/* Memory that the worker shares with us, and may write anything to. */
	struct shared_slots *shared;
	/* The worker may leave answers in its slots without a notification: the pool polls
	 * them. */
	bool polls_slots;

	/* A ring of the tasks that the worker has: slots[front] came first. */
	struct slot slots[N_SLOTS];
	unsigned front;
	unsigned n_held;
	/* Tasks that it was sent so far. */
	size_t n_tasks;
	/* Since when it has no task. Valid only while it is idle. */
	int64_t idle_since_ns;

	/* The deadline of the front task, or of its own start or end; -1: none. */
	int64_t deadline_ns;
	/* When the front task must have made progress; -1: never. */
	int64_t stall_ns;
	/* The progress count of the front task when stall_ns was set. */
	uint64_t n_beats;
	/* How often the front task has restarted its deadline. */
	unsigned n_restarts;
	/* When the front task became the front one. */
	int64_t front_since_ns;
	/* By how much the deadline of the front task was deferred because it had not started. */
	int64_t unbegun_ms;
	/* The front task says that it has ended, and deadline_ns is the time for its answer. */
	bool awaits_answer;

	/* It has sent FRAME_READY. */
	bool is_ready;
	/* It is REAPING, and the fork server was told to reap it. */
	bool reap_is_sent;

	enum limit_state limit_state;
	/* The memory limit in force; 0: none. */
	uint64_t limit;
	/* Its share of the budget. */
	uint64_t granted;
	/* The memory limit, in bytes, that its task has requested and waits for. */
	uint64_t needed;
	/* Its position in the queue of waiting workers. */
	uint64_t need_number;
	/* How often the front task has asked for memory. */
	unsigned n_needs;
	/* The answer to its request, while it cannot be sent. */
	enum pxp_status answer;
	/* Its last request was refused. */
	bool was_refused;
	/* It keeps too much memory, and is replaced once it is idle. */
	bool needs_recycle;
	/* What is left of its deadlines while they stand still; -1: none. */
	int64_t deadline_left_ns;
	int64_t stall_left_ns;

	/* It was STOPPING when it died. */
	bool ended_in_order;
	enum kill_reason reason;
	const char *breach;
	/* A signal that we have no right to send, and that the fork server will send; 0: none. */
	int owed_signal;

	/* A ring of the last bytes of its log. */
	char tail[LOG_TAIL_BYTES];
	/* Bytes that were read so far. */
	uint64_t n_logged;
	/* Bytes before this position belong to tasks that have been answered. */
	uint64_t log_begins;
	/* Bytes before log_mark belong to no task after log_generation. */
	uint64_t log_mark;
	uint64_t log_generation;
};

/* Set a worker to ABSENT, with nothing open. */
void pool_worker_init(struct pool_worker *worker, uint32_t index);

/* Create channel, log pipe and shared slots for an ABSENT worker.
 *
 * ret_theirs  the worker's ends, in the order in which FRAME_SPAWN sends them. The caller closes
 *             them, on failure as well; -1: not open.
 *
 * Returns false with errno. Then the caller calls pool_worker_clear(). */
bool pool_worker_open(struct pool_worker *worker, int ret_theirs[3]);

/* Close everything of a worker, and set it to ABSENT. */
void pool_worker_clear(struct pool_worker *worker);

/* ---- its tasks ---- */

/* The n-th slot that the worker holds; 0 is the front one. */
struct slot *pool_worker_slot(struct pool_worker *worker, unsigned n);

/* Whether the worker runs tasks that have been quick so far. Then it is done with them before
 * another worker could be woken. */
bool pool_worker_is_awake(const struct pool_worker *worker, int64_t now_ns);

/* Send a task to the worker. Returns false with errno: then the task is still the caller's. */
bool pool_worker_send_task(struct pool_worker *worker, struct task *task,
                           uint64_t generation, int64_t now_ns);

/* Take the task in slot back if the worker has not started it. Returns false if it has. The
 * worker has a few seconds to acknowledge the withdrawal. The task is the caller's again. */
bool pool_worker_withdraw(struct pool_worker *worker, struct slot *slot, int64_t now_ns);

/* Free the front slot. The next one becomes the front, and its deadline begins. Log bytes that
 * were read so far do not count for the next task, as far as that can be known. */
void pool_worker_pop_slot(struct pool_worker *worker, int64_t now_ns);

/* Move all deadlines of the worker by a time that its tasks must not pay for. */
void pool_worker_move_deadlines(struct pool_worker *worker, int64_t by_ns);

/* The worker was about to be killed for the task in slot, but says that the task has ended. Give
 * it half a second to send the answer. */
void pool_worker_await_answer(struct pool_worker *worker, const struct slot *slot,
                              int64_t now_ns);

/* ---- the shared slots; the worker could forge everything that they say ---- */

/* Whether the worker has started the task in slot. */
bool pool_worker_has_begun(const struct pool_worker *worker, const struct slot *slot);

struct pxp_progress pool_worker_progress(const struct pool_worker *worker,
                                         const struct slot *slot);
enum pxp_phase pool_worker_phase(const struct pool_worker *worker,
                                 const struct slot *slot);

/* Ask the task in slot to end. */
void pool_worker_ask_to_end(struct pool_worker *worker, const struct slot *slot);

/* Claim the right to kill the worker for the task in slot. Returns false if the task has ended,
 * or has not started. */
bool pool_worker_claim_kill(struct pool_worker *worker, const struct slot *slot);

/* Copy the answer that the worker has left in slot. Returns false if there is none. */
bool pool_worker_read_answer(const struct pool_worker *worker, const struct slot *slot,
                             struct slot_answer *ret_answer);

/* Say whether the worker may leave answers in its slots without a notification. After a change to
 * false the caller must poll the slots once more. */
void pool_worker_suppress_notify(struct pool_worker *worker, bool suppress);

/* A failed completion for the task in slot, with worker, times and progress filled in. */
struct completion pool_worker_completion(struct pool_worker *worker,
                                         const struct slot *slot, int64_t now_ns);

/* ---- its end ---- */

/* The channel of the worker has closed: give the kernel a moment to report its death. */
void pool_worker_hang_up(struct pool_worker *worker, int64_t now_ns);

/* Kill the worker. The first reason counts, but a breach of the protocol replaces any other, even
 * if the worker is already dead. breach is a string constant, or NULL. */
void pool_worker_kill(struct pool_worker *worker, enum kill_reason reason,
                      const char *breach);

/* Send a signal to the worker and its process group. If this process has no right to, the fork
 * server sends it later (owed_signal). */
void pool_worker_signal(struct pool_worker *worker, int number);

/* ---- its log ---- */

/* Read the log pipe. It stops after max_bytes, so that a worker that writes without end does not
 * hold up the pool. */
void pool_worker_read_log(struct pool_worker *worker, size_t max_bytes);

/* A copy of the log's tail, *ret_n bytes, to be freed by the caller. NULL if it is empty, or
 * memory ran out. */
char *pool_worker_log(const struct pool_worker *worker, size_t *ret_n);

#endif
