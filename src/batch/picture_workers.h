/*
 * The workers that process pictures. A picture is a task: a request goes to a worker, and an answer
 * comes back. A worker that a hostile picture has taken over may forge every byte of the answer.
 *
 * Workers get the sandbox through functions of their pool, which does not know about sandboxes. The
 * layers that a worker can have here are found out once, in a separate pool, before any picture is
 * processed. Every worker of a batch then has the same layers, or its pool is broken. The question
 * has a pool of its own because the answer is needed before the real pool is created: its fork
 * server is told at its start which layers every worker must have, and whether drawings may be left
 * to workers that read fonts. The pool for the question loads no library.
 *
 * There are two pools. The workers of one decode; those of the other draw SVG and PDF, and may read
 * fonts. The pools take turns: only one exists at a time, so the number of workers and their memory
 * never exceed the requested values.
 */
#ifndef PXP_PICTURE_WORKERS_H
#define PXP_PICTURE_WORKERS_H

#include "batch/variant.h"
#include "common/failure.h"
#include "image/catalogue.h"
#include "sandbox/sandbox.h"

#include <pixpool/pixpool.h>

#include <sys/stat.h>

/* ---- the sandbox ---- */

enum sandbox_mode {
	SANDBOX_AUTO, /* the layers that are available; the missing ones are reported */
	SANDBOX_REQUIRE, /* all layers; if one is missing, the batch does not start */
	SANDBOX_OFF,
};

/* The sandbox settings for the workers of a pool. A struct without pointers, for the pool's
 * init_bytes. Zero: no sandbox. */
struct lockdown {
	uint32_t is_on;
	/* A bit (1 << layer) for each layer that a worker must have in force. */
	uint32_t layers;
};

/*
 * Find out which layers a worker can have here. Nothing is tried for SANDBOX_OFF.
 *
 * true   they are in *ret_state, and *ret_lockdown asks for the same.
 * false  the failure says why: with SANDBOX_REQUIRE also which layers are missing.
 */
bool lockdown_try(enum sandbox_mode mode, struct lockdown *ret_lockdown,
                  struct sandbox_state *ret_state, struct failure *ret_failure);

/* ---- a picture as a task ---- */

/* The limits of the workers of a pool, as in the executor's options. */
struct picture_limits {
	/* Maximum output in bytes; 0: no limit. */
	uint64_t memory_allowance, memory_budget, max_output;
	unsigned recycle; /* pictures after which a worker is replaced; 0: never */
};

/* How much the workers of a pool are trusted. A struct without pointers: the pool's init_bytes. */
struct picture_guard {
	struct lockdown lockdown;
	/* Inputs may be hostile: each picture has a worker to itself. */
	uint32_t is_untrusted;
	/* an enum picture_drawing; drawing workers have DRAWING_HERE and may read fonts */
	uint32_t drawing;
};

/* Make the settings of the decoding workers. The layers in force determine whether drawings may be
 * left to other workers. */
struct picture_guard picture_guard_of(const struct lockdown *lockdown, bool is_untrusted);

struct picture_request {
	/* The outputs, 1 to PICTURE_MAX_VARIANTS: their recipes, and their formats. */
	const struct variant *variants;
	size_t n_variants;
	/* Profile for SPACE_FILE, at most PROFILE_MAX_BYTES; otherwise NULL. */
	const void *profile;
	size_t n_profile;
	const char *name; /* path of the input */
	int input;        /* descriptor of the input, moved in on PXP_OK */
	uint64_t input_bytes;
	int64_t timeout_ms;  /* time limit; 0: computed from the number of pixels */
	uint64_t max_output; /* maximum output, as in the pool's limits */
	unsigned retries;
	bool hashes_input; /* as in struct picture_job */
	bool decodes_only; /* as in struct picture_job: there is no output */
};

/*
 * Take the answer of a task that is done, and fill in *ret_answer: its failure has a class unless
 * the task succeeded.
 *
 * variants    those of the request; on success their sides are filled. n_variants is 0 for a
 *             request that decodes only.
 * ret_output  on success, with variants, the sealed memfd of the outputs, the caller's to close;
 *             else -1.
 */
void picture_collect(struct pxp_future *task, struct variant *variants, size_t n_variants,
                     struct picture_answer *ret_answer, int *ret_output);

/* Get the input that a worker returned with an answer that has is_to_draw set. The caller closes
 * it; -1 if it is not the regular file that stat describes. */
int picture_take_input(struct pxp_future *task, const struct stat *stat);

/* Ask a worker with these settings what its engines can do, and a drawing worker for drawings.
 * Returns false with a failure if no worker answers. */
bool picture_catalogue(const struct picture_guard *guard, struct catalogue *ret_catalogue,
                       struct failure *ret_failure);

/*
 * ---- the two pools ----
 *
 * The feeder alone submits and changes the turn. Any thread may call pools_stop(), pools_suspend()
 * and pools_resume().
 */

enum pool_kind { POOL_DECODES, POOL_DRAWS };

struct pools_options {
	unsigned n_workers;
	size_t max_pending;
	struct picture_limits limits;
	struct picture_guard guard; /* settings of the decoding workers */
};

struct pools;

/* Create the pool of decoding workers, which start when there is work. Returns NULL with a
 * failure. */
struct pools *pools_create(const struct pools_options *options,
                           struct failure *ret_failure);

/* Wait until no task is running, and free the pools. NULL is allowed. */
void pools_destroy(struct pools *pools);

/* Whether drawings are left to the pool that draws. */
bool pools_leave_drawing(const struct pools *pools);

/* The pool whose turn it is. */
enum pool_kind pools_turn(const struct pools *pools);

/*
 * Give a pool its turn: the other one ends, and this one is created. For the drawing pool this
 * waits until one of its workers has started, which shows that drawings can be drawn. No task may
 * be running. Returns false with a failure if the pool cannot be created; then there is no pool
 * until the next call.
 */
bool pools_change(struct pools *pools, enum pool_kind kind, struct failure *ret_failure);

/* Submit to the pool whose turn it is, like pxp_executor_submit(). PXP_EBROKEN if no pool
 * exists. */
enum pxp_status pools_submit(struct pools *pools, const struct picture_request *request,
                             struct pxp_future **ret_task);

/* Shut down the current pool and any later one, like pxp_executor_shutdown() without
 * PXP_SHUTDOWN_WAIT. */
void pools_stop(struct pools *pools, unsigned flags);

/* Suspend or resume the current pool, like pxp_executor_suspend() and pxp_executor_resume(). */
void pools_suspend(struct pools *pools);
void pools_resume(struct pools *pools);

#endif
