/*
 * A picture as a task: what goes to a worker, and what comes back. Everything that comes
 * back could have been made up by a worker that a picture took over.
 */
#ifndef PXP_PICTURE_TASK_H
#define PXP_PICTURE_TASK_H

#include "batch/lockdown.h"
#include "image/catalogue.h"
#include "image/picture.h"

#include <pixpool/pixpool.h>

/* What its workers may have, as in the executor's options. */
struct picture_limits {
	uint64_t memory_allowance, memory_budget, max_output; /* 0: no limit */
	unsigned recycle; /* pictures after which a worker is replaced; 0: never */
};

/* How much a pool's workers are trusted: told to them as it is. */
struct picture_guard {
	struct lockdown lockdown; /* first: it is what lockdown_prepare() reads */
	uint32_t
		is_untrusted; /* pictures come from strangers: each has a worker to itself */
	uint32_t drawing;     /* enum picture_drawing; where DRAWING_HERE the same */
};

/* That of the workers which do not draw: who else may, follows from what is in force. */
struct picture_guard picture_guard_of(const struct lockdown *lockdown, bool is_untrusted);

/* That of the workers which draw for those. */
struct picture_guard picture_guard_to_draw(const struct picture_guard *guard);

/* The pool of picture workers; n_workers and max_pending as in its options. */
enum pxp_status picture_pool_create(unsigned n_workers, size_t max_pending,
                                    const struct picture_limits *limits,
                                    const struct picture_guard *guard,
                                    struct pxp_executor **ret_pool,
                                    struct pxp_error *ret_error);

struct picture_request {
	struct recipe recipe;
	const void *profile; /* of SPACE_FILE, at most PROFILE_MAX_BYTES; else NULL */
	size_t n_profile;
	const char *name; /* the input's path */
	int input;        /* moved in on PXP_OK */
	uint64_t input_bytes;
	int64_t timeout_ms;  /* 0: by the number of pixels */
	uint64_t max_output; /* as that of its pool */
	unsigned retries;
	bool decodes_only; /* as in struct picture_job: there is no output */
};

/* As pxp_executor_submit(). */
enum pxp_status picture_submit(struct pxp_executor *pool,
                               const struct picture_request *request,
                               struct pxp_future **ret_task);

/*
 * What became of a task that is done. Fills *ret_answer, with a failure unless it succeeded:
 * then *ret_output is the sealed output, yours to close; else -1. format is that of the output,
 * FORMAT_NONE where none was asked for.
 */
void picture_collect(struct pxp_future *task, enum image_format format,
                     struct picture_answer *ret_answer, int *ret_output);

/* Whether a pool has any worker: its preload and its lock-down are behind it then. */
enum pxp_status picture_pool_try(struct pxp_executor *pool, struct pxp_error *ret_error);

/* What the engines can do, asked in a worker with this guard, and of what is drawn in one that draws. Errors as
 * of the executor. */
enum pxp_status picture_catalogue(const struct picture_guard *guard,
                                  struct catalogue *ret_catalogue,
                                  struct pxp_error *ret_error);

#endif
