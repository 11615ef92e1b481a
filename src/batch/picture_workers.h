/*
 * The workers that process pictures. A task has one picture, or several small ones: a request goes
 * to a worker, and an answer comes back. A worker that a hostile picture has taken over may forge
 * every byte of the answer.
 *
 * Workers get the sandbox through functions of their pool, which does not know about sandboxes.
 * Before any picture is processed, one worker in a separate pool finds out which layers of the
 * sandbox are available here. Every worker of the batch must then have exactly these layers;
 * otherwise its pool is broken. The separate pool, which loads no library, is needed because the
 * answer must be known before the real pool is created: the fork server of the real pool is told at
 * its start which layers every worker must have, and whether drawings may be left to workers that
 * read fonts.
 *
 * There are two pools. The workers of the first pool decode. The workers of the second pool draw
 * SVG and PDF, and may read fonts. The pools take turns: only one exists at a time, so the number
 * of workers and their memory never exceed the requested values.
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
	/* Use the layers of the sandbox that are available, and report the missing ones. */
	SANDBOX_AUTO,
	/* Use all layers of the sandbox. If one is missing, the batch does not start. */
	SANDBOX_REQUIRE,
	SANDBOX_OFF,
};

/* The sandbox settings for the workers of a pool. The struct has no pointers, because it is a part
 * of the pool's init_bytes. All zeros: no sandbox. */
struct lockdown {
	uint32_t is_on;
	/* A bit (1 << layer) for each layer that a worker must have in force. */
	uint32_t layers;
};

/*
 * Find out which layers of the sandbox are available to workers here. With SANDBOX_OFF nothing is
 * tried.
 *
 * true   *ret_state has the available layers, and *ret_lockdown requests these layers.
 * false  *ret_failure has the reason. With SANDBOX_REQUIRE it also names the missing layers.
 */
bool lockdown_try(enum sandbox_mode mode, struct lockdown *ret_lockdown,
                  struct sandbox_state *ret_state, struct failure *ret_failure);

/* ---- a picture as a task ---- */

/* The limits of the workers of a pool, as in the executor's options. */
struct picture_limits {
	/* Numbers of bytes; 0: no limit. */
	uint64_t memory_allowance, memory_budget, max_output;
	/* the number of pictures after which a worker is replaced; 0: never */
	unsigned recycle;
};

/* How much the workers of a pool are trusted. The struct has no pointers, because it is the pool's
 * init_bytes. */
struct picture_guard {
	struct lockdown lockdown;
	/* True if inputs may be hostile. Then each picture has a worker to itself. */
	uint32_t is_untrusted;
	/* an enum picture_drawing; drawing workers have DRAWING_HERE and may read fonts */
	uint32_t drawing;
};

/* Make the settings of the decoding workers. The layers in force determine whether drawings may be
 * left to other workers. */
struct picture_guard picture_guard_of(const struct lockdown *lockdown, bool is_untrusted);

/* The maximum number of files that may share a task. The worker processes them one after the
 * other. */
enum { PICTURE_MAX_FILES = PXP_MAX_DESCRIPTORS };

/* What a worker must do with one file. */
struct picture_request {
	/* The outputs, 1 to PICTURE_MAX_VARIANTS: their recipes, and their formats. */
	const struct variant *variants;
	size_t n_variants;
	/* The profile for SPACE_FILE, at most PROFILE_MAX_BYTES; otherwise NULL. */
	const void *profile;
	size_t n_profile;
	const char *name; /* the path of the input */
	/* the descriptor of the input, which must stay open until the task is done */
	int input;
	uint64_t input_bytes;
	/* the time limit in milliseconds; 0: computed from the number of pixels */
	int64_t timeout_ms;
	uint64_t max_output; /* the maximum output in bytes, as in the pool's limits */
	unsigned retries;
	bool hashes_input; /* whether to hash the input, as in struct picture_job */
	/* Whether the file is only decoded, as in struct picture_job. If so, the task has no
	 * output. */
	bool decodes_only;
};

/* One of the files of a task that is done. */
struct picture_taken {
	/* The variants of the file's request. On success the member `side` of each variant is
	 * filled in. If the request only decodes, n_variants is 0. */
	struct variant *variants;
	size_t n_variants;
	/* Whether the file was taken out of the task. If so, its answer is ignored, and is_left is
	 * set. */
	bool is_taken_out;
	/* The worker's answer for the file. If the outputs were not made, the answer has a failure
	 * with a class. */
	struct picture_answer answer;
	/*
	 * Whether the file has no answer and must be submitted again in a task of its own. This
	 * happens if the task ended before the file was done, or if the file needs a task of its
	 * own.
	 */
	bool is_left;
};

/*
 * Take the answers of a task that is done. If the task has failed, the file that the worker was
 * processing gets the failure, and the other files are left: they must be submitted again
 * (is_left).
 *
 * files       the files of the task, in the order of its requests.
 * ret_output  the sealed memfd with the outputs of all files that were made, which the caller
 *             closes; -1: no file has an output.
 */
void picture_collect(struct pxp_future *task, struct picture_taken *files, size_t n_files,
                     int *ret_output);

/* The index of the current file of a task: the file that its worker is processing. The worker
 * reports the index and may lie. */
size_t picture_at_work(struct pxp_future *task);

/* Ask a worker with these settings which formats its engines can read and write. A drawing worker
 * is asked about drawings. Returns false with a failure if no worker answers. */
bool picture_catalogue(const struct picture_guard *guard, struct catalogue *ret_catalogue,
                       struct failure *ret_failure);

/*
 * ---- the two pools ----
 *
 * One pool decodes and the other draws, and they take turns. Only the feeder submits pictures, and only
 * the feeder ends the turn of a pool. Any thread may call pools_stop(), pools_suspend() and
 * pools_resume().
 */

enum pool_kind { POOL_DECODES, POOL_DRAWS };

struct pools_options {
	unsigned n_workers;
	size_t max_pending;
	struct picture_limits limits;
	struct picture_guard guard; /* the settings of the decoding workers */
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
 * Give a pool its turn: end the other pool, and create the pool of this kind. For the drawing pool,
 * wait until one of its workers has started, which shows that drawings can be drawn. No task may be
 * running. Returns false with a failure if the pool cannot be created; then no pool exists until
 * the next call.
 */
bool pools_change(struct pools *pools, enum pool_kind kind, struct failure *ret_failure);

/* Submit n files, 1 to PICTURE_MAX_FILES, as one task to the pool whose turn it is. The statuses
 * are those of pxp_executor_submit(); PXP_EBROKEN also if no pool exists. */
enum pxp_status pools_submit(struct pools *pools, const struct picture_request *requests,
                             size_t n, struct pxp_future **ret_task);

/* Shut down the current pool and any pool that is created later, like pxp_executor_shutdown()
 * without PXP_SHUTDOWN_WAIT. */
void pools_stop(struct pools *pools, unsigned flags);

/* Suspend or resume the current pool, like pxp_executor_suspend() and pxp_executor_resume(). */
void pools_suspend(struct pools *pools);
void pools_resume(struct pools *pools);

#endif
