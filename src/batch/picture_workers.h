/*
 * The workers that process pictures. A task has one picture, or several small ones: a request goes
 * to a worker, and an answer comes back. A worker that a hostile picture has taken over may forge
 * every byte of the answer.
 */
#ifndef PXP_PICTURE_WORKERS_H
#define PXP_PICTURE_WORKERS_H

#include "batch/lockdown.h"
#include "batch/variant.h"
#include "common/failure.h"
#include "image/catalogue.h"

#include <pixpool/pixpool.h>

#include <sys/stat.h>

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

/* The settings of the drawing workers, which draw the pictures that decoding workers do not
 * draw. */
struct picture_guard picture_guard_to_draw(const struct picture_guard *guard);

/* The options of a pool of picture workers. The options point to *guard, which must exist until the
 * pool is created. */
struct pxp_executor_options picture_pool_options(unsigned n_workers, size_t max_pending,
                                                 const struct picture_limits *limits,
                                                 const struct picture_guard *guard);

/* The maximum number of files that may share a task. The worker processes them one after the
 * other. */
enum { PICTURE_MAX_FILES = PXP_MAX_DESCRIPTORS };

/* What a worker must do with one file. */
struct picture_request {
	/* The outputs, 1 to PICTURE_MAX_VARIANTS: their recipes, and their formats. */
	const struct variant *variants;
	size_t n_variants;
	/* The profile of outputs with SPACE_FILE, at most PROFILE_MAX_BYTES. NULL: no output has
	 * SPACE_FILE. */
	const void *profile;
	size_t n_profile;
	const char *name; /* the path of the input */
	/* the descriptor of the input, which must stay open until the task is done */
	int input;
	uint64_t input_bytes;
	/* the time limit in milliseconds; 0: computed from the number of pixels */
	int64_t timeout_ms;
	/* the maximum length in bytes of the memfd with the outputs of the task */
	uint64_t max_output;
	unsigned retries;
	bool hashes_input; /* whether to hash the input, as in struct picture_job */
	/* Whether the file is only decoded, as in struct picture_job. If so, the task has no
	 * output. */
	bool decodes_only;
};

/* Submit n files to a pool as one task. The statuses are those of pxp_executor_submit(). A task of
 * several files is not retried as a whole: the caller submits each of its files again in a task of
 * its own. */
enum pxp_status picture_submit(struct pxp_executor *pool,
                               const struct picture_request *requests, size_t n,
                               uint64_t memory_allowance, struct pxp_future **ret_task);

/* One file of a finished task, and the answer for this file. */
struct picture_taken {
	/* The variants of the file's request. On success the member `side` of each variant is
	 * filled in. If the request only decodes, n_variants is 0. */
	struct variant *variants;
	size_t n_variants;
	/* Whether the file was taken out of the task. If so, its answer is ignored. */
	bool is_taken_out;
	/* The worker's answer for the file. If the file failed, answer.failure gives the class and
	 * the reason. */
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
 * ret_output  the sealed memfd with all outputs of the task. The caller closes it. -1: the task has
 *             no output.
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

#endif
