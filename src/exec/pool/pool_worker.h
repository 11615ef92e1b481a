/*
 * A worker process, as its pool sees it: an explicit state machine.
 *
 *   ABSENT -> STARTING   a fork server was asked for it
 *   STARTING -> READY    it has its initialiser and lock-down behind it
 *   STARTING -> ABSENT   the fork server could not start it
 *   READY -> STOPPING    it was told to end in order
 *   READY -> HUNG_UP     its channel is closed: it is dead, or will be made so
 *   any -> DYING         it was killed
 *   any -> REAPING       its pidfd says that it is dead; all that it said was read, and the
 *                        fork server is told to reap it
 *   REAPING -> ABSENT    its status is known, and what it held has been dealt with
 *
 * Everything here is called with the pool's lock held.
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

/* Why we killed it. */
enum kill_reason {
	KILLED_NOT,   /* if it is dead, it died of itself */
	KILLED_START, /* it was not ready in time */
	KILLED_DEADLINE,
	KILLED_STALL,  /* no word of progress for too long */
	KILLED_BREACH, /* it broke the protocol: breach says how */
	KILLED_CANCEL, /* for a task that was cancelled by force, and is completed */
	KILLED_SHUTDOWN,
};

/* What its memory limit is about: pool_memory.c. */
enum limit_state {
	LIMIT_STEADY,
	LIMIT_WAITING,
	LIMIT_RAISING,
	LIMIT_TO_ANSWER,
	LIMIT_TO_LOWER,
	LIMIT_LOWERING,
};

enum { LOG_TAIL_BYTES = 4096 };

/* A task with a worker, in one of the places it can lie. */
struct slot {
	struct task *task; /* NULL: withdrawn, and not acknowledged yet */
	uint64_t generation;
	int64_t handed_ns;
	int output; /* the memfd of this attempt, or -1 */
};

struct pool_worker {
	enum pool_worker_state state;
	uint32_t index;
	pid_t pid;
	int pidfd, socket, log; /* -1: none */
	struct shared_slots *shared;
	bool polls_slots; /* it may leave answers in its page: somebody looks */

	struct slot slots[N_SLOTS];
	unsigned front,
		n_held;      /* slots[front] came first, the others after it, in a ring */
	int64_t deadline_ns; /* of the front task, or of a stop; -1: none */
	unsigned n_restarts; /* of the deadline, by the front task */
	bool awaits_answer;  /* the front task's time is over but for its answer */
	bool is_ready;       /* it has said so */
	bool reap_is_sent;   /* REAPING: the fork server was told */
	int64_t stall_ns;    /* when the front task must have shown progress; -1 */
	uint64_t n_beats;    /* how often it had when that was set */
	size_t n_tasks;      /* that it was handed so far */
	int64_t idle_since_ns;  /* good while it is idle */
	int64_t front_since_ns; /* when the front task became the front one */
	int64_t unbegun_ms;     /* by which its deadline was put off until it was begun */

	enum limit_state limit_state;
	uint64_t limit;         /* of its memory, in force; 0: none */
	uint64_t granted;       /* of the budget */
	uint64_t needed;        /* the limit that its task waits for */
	uint64_t need_number;   /* in the row of those that wait */
	unsigned n_needs;       /* of the front task so far */
	enum pxp_status answer; /* to its need */
	bool was_refused;       /* the last of them */
	bool needs_recycle;     /* it keeps too much memory: to be replaced */
	int64_t deadline_left_ns,
		stall_left_ns; /* of its deadlines, while they stand still; -1 */

	bool ended_in_order; /* it was STOPPING when it died */
	enum kill_reason reason;
	const char *breach;
	int owed_signal; /* that we may not send ourselves: the fork server shall; 0: none */
	char tail[LOG_TAIL_BYTES]; /* the last of its log, as a ring */
	uint64_t n_logged;         /* bytes that came so far */
	uint64_t log_begins; /* of these, those before are of tasks that were answered */
	/* Those before log_mark are of no task after that of log_generation. */
	uint64_t log_mark, log_generation;
};

void pool_worker_init(struct pool_worker *worker, uint32_t index);

/* Make the channel, log pipe and page of a worker to come, which is still ABSENT. False with
 * errno. */
bool pool_worker_open(struct pool_worker *worker, int ret_theirs[3]);

/* Everything of it is closed; ABSENT again. */
void pool_worker_clear(struct pool_worker *worker);

/* ---- its tasks ---- */

/* The n-th of the slots that it holds, from the front one (0) on. */
struct slot *pool_worker_slot(struct pool_worker *worker, unsigned n);

/* Whether it runs a task that is quick so far: then it is done with its tasks sooner than another
 * worker is woken. */
bool pool_worker_is_awake(const struct pool_worker *worker, int64_t now_ns);

/* Hand it a task. False with errno: the task is still the caller's. */
bool pool_worker_send_task(struct pool_worker *worker, struct task *task,
                           uint64_t generation, int64_t now_ns);

/* Take the task in slot back before it is begun. False: too late. The worker has a while
 * to acknowledge it. */
bool pool_worker_withdraw(struct pool_worker *worker, struct slot *slot, int64_t now_ns);

/* The front slot is done with: the next one moves up, and its deadline begins. What was read
 * of the log is not the next one's, as far as can be told. */
void pool_worker_pop_slot(struct pool_worker *worker, int64_t now_ns);

/* Its tasks shall not pay for so much time. */
void pool_worker_move_deadlines(struct pool_worker *worker, int64_t by_ns);

/* It says that it has ended the task in slot, for which it was to be killed: then its answer
 * is there soon, or its time is over. */
void pool_worker_await_answer(struct pool_worker *worker, const struct slot *slot,
                              int64_t now_ns);

/* ---- what its page says of a slot, which it could forge ---- */

/* Whether it has begun what lies in slot. */
bool pool_worker_has_begun(const struct pool_worker *worker, const struct slot *slot);
struct pxp_progress pool_worker_progress(const struct pool_worker *worker,
                                         const struct slot *slot);
enum pxp_phase pool_worker_phase(const struct pool_worker *worker,
                                 const struct slot *slot);

/* Ask what lies in slot to end. */
void pool_worker_ask_to_end(struct pool_worker *worker, const struct slot *slot);

/* The worker is to be killed for the task in slot. False: it has ended it, as it says. */
bool pool_worker_claim_kill(struct pool_worker *worker, const struct slot *slot);

/* The answer that the worker has left there. False: it has left none. */
bool pool_worker_read_answer(const struct pool_worker *worker, const struct slot *slot,
                             struct slot_answer *ret_answer);

/* Whether the worker may leave answers there. Who takes it back looks once more. */
void pool_worker_suppress_notify(struct pool_worker *worker, bool suppress);

/* What every completion of a task with a worker says. */
struct completion pool_worker_completion(struct pool_worker *worker,
                                         const struct slot *slot, int64_t now_ns);

/* ---- its end ---- */

/* Its channel has closed: give the kernel a moment to say that it died. */
void pool_worker_hang_up(struct pool_worker *worker, int64_t now_ns);

/* Kill it. The first reason counts; one that broke the protocol is told so even if it is
 * dead already. */
void pool_worker_kill(struct pool_worker *worker, enum kill_reason reason,
                      const char *breach);

/* Where this process has no right to, the signal is owed: the supervisor has the
 * fork server send it. */
void pool_worker_signal(struct pool_worker *worker, int number);

/* ---- its log ---- */

/* Read what is in the log pipe: at most max_bytes, so that a worker that shouts does not
 * stop the pool. */
void pool_worker_read_log(struct pool_worker *worker, size_t max_bytes);

/* The tail so far as a fresh string of *ret_n bytes, or NULL (nothing, or no memory). */
char *pool_worker_log(const struct pool_worker *worker, size_t *ret_n);

#endif
