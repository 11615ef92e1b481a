/*
 * The workers of pictures. A picture is a task: a request goes to a worker, and an answer comes
 * back. Any byte that comes back may be forged, by a worker that a hostile picture has taken over.
 *
 * How the sandbox comes to the workers: as functions of their pool, which knows nothing of it.
 * Which layers a worker can have here is found out once, in a pool that has nothing else to do,
 * before any picture is looked at. Every worker of a batch then has the same layers, or its pool
 * is broken. The question has a pool of its own because the answer is needed before the real pool
 * is created: its fork server is told at its start which layers every worker must have, and
 * whether drawings may be left to workers that read fonts. The pool of the question loads no
 * library.
 *
 * There are two pools. The workers of one decode; those of the other draw SVG and PDF, and may
 * read fonts. The pools take turns: only one exists at a time, so that the number of workers and
 * their memory never exceed what was asked for.
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
	SANDBOX_REQUIRE, /* all layers; if one is missing, the batch does not begin */
	SANDBOX_OFF,
};

/* The orders for the workers of a pool. Plain bytes, for its init_bytes. Zero: no sandbox. */
struct lockdown {
	uint32_t is_on;
	/* A bit (1 << layer) for each layer that a worker must have in force. */
	uint32_t layers;
};

/*
 * Try which layers a worker can have here. Nothing is tried for SANDBOX_OFF.
 *
 * true   they are in *ret_state, and *ret_lockdown asks for the same.
 * false  the failure says why: with SANDBOX_REQUIRE also which layers are missing.
 */
bool lockdown_try(enum sandbox_mode mode, struct lockdown *ret_lockdown,
                  struct sandbox_state *ret_state, struct failure *ret_failure);

/* ---- a picture as a task ---- */

/* The limits of the workers of a pool, as in the executor's options. */
struct picture_limits {
	uint64_t memory_allowance, memory_budget, max_output; /* 0: no limit */
	unsigned recycle; /* pictures after which a worker is replaced; 0: never */
};

/* How far the workers of a pool are trusted. Plain bytes: the pool's init_bytes. */
struct picture_guard {
	struct lockdown lockdown;
	/* Inputs may be hostile: each picture has a worker to itself. */
	uint32_t is_untrusted;
	/* enum picture_drawing; the workers that draw have DRAWING_HERE and may read fonts. */
	uint32_t drawing;
};

/* The guard of the workers that decode. Whether drawings may be left to others follows from the
 * layers in force. */
struct picture_guard picture_guard_of(const struct lockdown *lockdown, bool is_untrusted);

struct picture_request {
	/* The outputs, 1 to PICTURE_MAX_VARIANTS: their recipes, and their formats. */
	const struct variant *variants;
	size_t n_variants;
	const void *profile; /* for SPACE_FILE, at most PROFILE_MAX_BYTES; else NULL */
	size_t n_profile;
	const char *name; /* the input's path */
	int input;        /* moved in on PXP_OK */
	uint64_t input_bytes;
	int64_t timeout_ms;  /* 0: by the number of pixels */
	uint64_t max_output; /* as that of its pool */
	unsigned retries;
	bool hashes_input; /* as in struct picture_job */
	bool decodes_only; /* as in struct picture_job: there is no output */
};

/*
 * Take the answer of a task that is done. Fills *ret_answer: its failure has a class unless the
 * task succeeded.
 *
 * variants    those of the request; on success their sides are filled. n_variants is 0 for a
 *             request that decodes only.
 * ret_output  on success, with variants, the sealed memfd of the outputs, the caller's to close;
 *             else -1.
 */
void picture_collect(struct pxp_future *task, struct variant *variants, size_t n_variants,
                     struct picture_answer *ret_answer, int *ret_output);

/* The input that a worker handed back with an answer that says is_to_draw: the caller's to close;
 * -1 when it is not the regular file that stat describes. */
int picture_take_input(struct pxp_future *task, const struct stat *stat);

/* Ask a worker with this guard what its engines can do, and for drawings a worker that draws.
 * False with a failure when no worker answers. */
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
	struct picture_guard guard; /* of the workers that decode */
};

struct pools;

/* Create the pool that decodes. Its workers start when there is work. NULL with a failure. */
struct pools *pools_create(const struct pools_options *options,
                           struct failure *ret_failure);

/* Wait until no task is running, and free the pools. NULL is fine. */
void pools_destroy(struct pools *pools);

/* Whether drawings are left to the pool that draws. */
bool pools_leave_drawing(const struct pools *pools);

/* The pool whose turn it is. */
enum pool_kind pools_turn(const struct pools *pools);

/*
 * Give a pool its turn: the other one ends, and this one is created. For the pool that draws this
 * waits until one of its workers has started, which shows that drawings can be drawn. No task may be
 * running. False with a failure when the pool cannot be created; then no pool exists until the next
 * call.
 */
bool pools_change(struct pools *pools, enum pool_kind kind, struct failure *ret_failure);

/* As pxp_executor_submit(), to the pool whose turn it is. PXP_EBROKEN when no pool exists. */
enum pxp_status pools_submit(struct pools *pools, const struct picture_request *request,
                             struct pxp_future **ret_task);

/* As pxp_executor_shutdown() without PXP_SHUTDOWN_WAIT, for the pool that exists and for any that
 * comes later. */
void pools_stop(struct pools *pools, unsigned flags);

/* As pxp_executor_suspend() and pxp_executor_resume(), for the pool that exists. */
void pools_suspend(struct pools *pools);
void pools_resume(struct pools *pools);

#endif
