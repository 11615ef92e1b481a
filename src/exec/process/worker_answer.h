/* What a worker says to its pool. */
#ifndef PXP_WORKER_ANSWER_H
#define PXP_WORKER_ANSWER_H

#include "exec/executor/task.h"
#include "exec/process/worker.h"

struct worker {
	const struct fork_server_frame *pool;
	struct state_page *page;
	void *context;
	struct slot_frame at; /* of the task that runs */
	unsigned n_restarts;  /* of its deadline */
	unsigned n_needs;     /* that it asked for itself */
	uint64_t refused;     /* the least that it can never have; 0: not known */
	int64_t started_ns;   /* when it began */
	int64_t cpu_ns;       /* that was used before it */
	int64_t counted_ns;   /* when the kernel was asked for that the last time */
	uint64_t peak_bytes;  /* as it said then */
	uint64_t limit;       /* of its memory; 0: none */
	bool is_worn;         /* it keeps too much of that */
	unsigned n_unheard;   /* answers in the page since it rang the last time */
	int statm; /* /proc/self/statm, opened before the lock-down; -1: none */
	/* Tasks that came while this one waited for memory: taken back by the parent, and to be
	 * acknowledged in their turn. */
	unsigned n_put_aside;
	struct slot_frame put_aside[N_SLOTS];
};

/* False: it could not be sent. */
bool worker_say(enum frame_kind kind, struct slot_frame at, int64_t number);
/* What the pool waits for: who cannot say it ends, and that is seen at once. */
void worker_say_or_end(enum frame_kind kind, struct slot_frame at, int64_t number);

/* By errno: there is no room for an input or a result of n bytes, which is not the task's
 * fault. */
void worker_lacks(struct pxp_error *error, const char *what, size_t n);

/* The task has ended: in the page, or by a frame. */
void worker_answer(struct worker *worker, struct pxp_task *view);

/* There are answers in the page. */
void worker_ring(struct worker *worker);

#endif
