/*
 * The inside of a batch: one object, with a section for each thread that touches it. README.md has
 * the threads, the states and the way of a file.
 */
#ifndef PXP_BATCH_INTERNAL_H
#define PXP_BATCH_INTERNAL_H

#include "base/lock.h"
#include "batch/batch.h"
#include "batch/file_result.h"
#include "batch/history.h"
#include "batch/limits.h"
#include "batch/plan.h"
#include "batch/picture_workers.h"
#include "store/committer.h"

/* The state of a batch. It only moves down this list; batch_enter() has the legal steps. */
enum batch_state {
	/* The feeder makes the plan. */
	BATCH_PLANNING,
	/* The plan is made, or cannot be; the feeder waits for the main thread's decision. */
	BATCH_PLANNED,
	/* The feeder walks, opens and submits. */
	BATCH_FEEDING,
	/* The walk has ended; the files that were fed are being finished. */
	BATCH_FED,
	/* The batch ends early: running images may finish, no other image begins. */
	BATCH_DRAINING,
	/* The batch ends at once: running images are killed. */
	BATCH_KILLED,
	/* Every file that was fed is reported. */
	BATCH_ENDED,
	N_BATCH_STATES
};

/* The workers are started when the first picture needs one. */
enum batch_workers { WORKERS_NONE, WORKERS_WANTED, WORKERS_READY, WORKERS_REFUSED };

struct batch {
	/* ---- Fixed before the feeder starts. ---- */
	const struct batch_options *options;
	/* The rules of the outputs: options->variants, or the single rule below. */
	const struct variant_rule *rules;
	struct variant_rule only_rule;
	size_t n_rules;   /* at least 1 */
	size_t n_outputs; /* n_rules; 0 when nothing is written */
	struct limits limits;
	unsigned n_workers;
	unsigned max_inputs, max_finished, max_deferred, max_files;
	unsigned group_outputs; /* of the committer */
	int wakeup; /* eventfd: a file is complete, or the state has changed */

	/* ---- The main thread's. ---- */
	struct report *report;
	int signals;       /* signalfd */
	int ended_by;      /* the first signal that ended the batch; 0: none */
	int64_t stuck_ns;  /* when to give up waiting; -1: never */
	int64_t looked_ns; /* when the running images were last looked at */
	int64_t stop_ns;   /* when --stop-after ends the batch; -1: never */
	bool was_limited;  /* --max-failures or --stop-after has ended the batch */
	bool is_waiting;   /* the user was told that another run has the state */
	bool was_refused; /* the batch never began: wrong usage, a collision, no output folder */
	pthread_t feeder;
	bool has_feeder;

	/* ---- The feeder's; the main thread may touch them in BATCH_PLANNED. ---- */
	struct walk_options walk;
	struct plan *plan; /* n_images may be read by any thread */
	enum plan_result plan_result;
	/* Why drawings cannot be drawn; FAIL_NONE: they can, or nobody has tried. */
	struct failure no_renderer;

	/* ---- The main thread makes them in BATCH_PLANNED; fixed from then on. ---- */
	struct store *store;         /* NULL: nothing is written */
	struct state *database;      /* the same, or records are kept only as stamps */
	struct history *history;     /* the same */
	struct committer *committer; /* the same */

	/* ---- The main thread makes it when workers are wanted; fixed from WORKERS_READY on. ---- */
	struct pools *pools;

	/* ---- Shared by all threads. ---- */
	struct lock lock; /* guards all below */
	/* Signalled for the feeder: a count went down, or the state has changed. */
	struct cond has_room;
	enum batch_state state;
	enum batch_workers workers;
	bool has_walk_errors;      /* the feeder could not read a part of an INPUT */
	unsigned n_inputs;         /* open: with the feeder, the executor or a worker */
	unsigned awaited_inputs;   /* the feeder sleeps until n_inputs is down to this */
	unsigned n_finished;       /* outputs that the committer has */
	uint64_t n_finished_bytes; /* the same */
	/* The number of files that were fed and not yet reported, plus one for the feeder while
	 * it runs. */
	unsigned n_files;
	struct file *submitted; /* files whose tasks are not done, in no order */
	/* Files that wait for the workers that draw, oldest first. */
	struct file *deferred, **last_deferred;
	unsigned n_deferred;
	/* The futures of complete files, for the main thread: a ring with room for max_files. */
	struct pxp_future **complete;
	unsigned first_complete, n_complete;
	/* The error that stopped the batch early: the place cannot be written, no worker can be
	 * started, no memory. FAIL_NONE: no error stopped it. */
	struct failure stop_reason;
};

/* Make an empty batch in BATCH_PLANNING, without threads, pools or signals. False with errno when
 * memory or descriptors ran out; the caller must call batch_fini() in any case. */
bool batch_init(struct batch *batch, const struct batch_options *options,
                struct report *report);
void batch_fini(struct batch *batch);

/* Go to a state. False, and nothing changes, when that is no legal step: another thread has taken the
 * batch further. Any thread. */
bool batch_enter(struct batch *batch, enum batch_state state);

/* Whether the feeder may go on planning or feeding. Any thread. */
bool batch_goes_on(struct batch *batch);

/* Drain the batch because of an error that no single file has caused, and stop publishing. Only
 * the first reason is kept. Any thread. */
void batch_stop_early(struct batch *batch, const struct failure *reason);

/* Make the main thread look at the state and at the counts. Any thread. */
void batch_wake_main(struct batch *batch);

/*
 * Find the image that a worker has had for the longest time, at least min_ns. Returns its path, to be
 * freed, and fills *ret_ns; NULL: there is none. Call it from the main thread, often: an image counts from
 * the first call that finds it running.
 */
char *batch_slowest(struct batch *batch, int64_t min_ns, int64_t *ret_ns);

/* The feeder's thread (feeder.c). data is the batch. */
void *feeder_main(void *data);

/* The committer's callback (feeder.c): data is the batch. */
void file_on_committed(struct commit *commit, void *data);

#endif
