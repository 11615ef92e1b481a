/* One run of a batch: what its threads share. */
#ifndef PXP_RUN_H
#define PXP_RUN_H

#include "common/hash.h"
#include "base/lock.h"
#include "batch/file.h"
#include "batch/limits.h"
#include "batch/plan.h"

/* How far a run has been told to end; it only grows. */
enum run_stop {
	RUN_GOES_ON,
	RUN_DRAINS, /* what runs may finish, nothing else begins */
	RUN_KILLED, /* nothing may finish */
};

/* What the feeder found before it began to feed. */
enum run_phase {
	RUN_PLANNING,
	RUN_PLANNED, /* plan_result says how it went */
	RUN_FEEDING, /* the main thread has let it */
	RUN_FED,     /* the walk is at its end, or was stopped */
};

/* Inputs by the hash of their path. */
struct run_paths {
	struct hash_key key;
	uint64_t *at;
	size_t n, capacity;
};

struct run {
	const struct batch_options *options;
	struct walk_options walk;
	struct plan *plan;
	struct store *store;           /* made when the plan is */
	struct pxp_executor *pictures; /* the workers */
	struct pxp_executor *feeder;   /* a thread */
	struct committer *committer;   /* made with the store; NULL: nothing is written */
	int wakeup;                    /* eventfd: settled files, or a new phase */
	struct limits limits;
	unsigned n_workers, max_inputs, max_finished;
	struct picture_limits picture_limits;
	struct picture_guard guard;

	/* What is drawn has a pass of its own, once all else is done and those workers have
	 * ended: so there are never more of them, nor do they have more memory, than was asked
	 * for. These are the feeder's. */
	bool draws, has_drawings;
	struct failure no_drawers; /* why there is nobody to draw; FAIL_NONE: there is */

	struct lock lock;             /* guards all below */
	struct cond changed;          /* of what the feeder waits for */
	struct pxp_executor *drawers; /* NULL until the second pass */
	struct run_paths
		misnamed; /* to be drawn, as a worker found who was to decode them */
	enum run_stop stop;
	enum run_phase phase;
	enum plan_result plan_result;
	unsigned n_inputs;          /* open: with the feeder, the executor or a worker */
	uint64_t n_finished_bytes;  /* with the committer */
	unsigned n_finished;        /* outputs, the same */
	unsigned n_under_way;       /* files that are not settled */
	struct file *first, **last; /* settled, for the main thread */
	unsigned n_settled;
	struct failure
		stop_reason; /* of a run that ends by itself before its end: the place
	                              * can't be written, no worker can be had, no memory */
};

/* False with errno when memory or descriptors ran out; run_fini() is due all the same. */
bool run_init(struct run *run, const struct batch_options *options);
void run_fini(struct run *run);

/* The feeder (feed.c): the one task of its executor, which is given the address of the run. */
enum pxp_status run_feed(struct pxp_task *task);

/* The plan is made and the main thread is content with it: go on. */
void run_let_feed(struct run *run);

/* The pool whose workers are at work, or will be next. */
struct pxp_executor *run_pool_at_work(struct run *run);

/* Tell it to end; less than before changes nothing. From any thread. */
void run_stop(struct run *run, enum run_stop stop);

/* The files that were settled since the last call, oldest first. */
struct file *run_take_settled(struct run *run);

#endif
