/*
 * A picture as a task: the request that goes to a worker, and the answer that comes back. Any byte
 * that comes back may be forged, by a worker that a hostile picture has taken over.
 */
#ifndef PXP_PICTURE_TASK_H
#define PXP_PICTURE_TASK_H

#include "batch/lockdown.h"
#include "batch/variant.h"
#include "image/catalogue.h"

#include <pixpool/pixpool.h>

#include <sys/stat.h>

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

/* The guard of the workers that draw the pictures left by the others. */
struct picture_guard picture_guard_to_draw(const struct picture_guard *guard);

/* The options of a pool of picture workers. They borrow guard until the pool is created. */
struct pxp_executor_options picture_pool_options(unsigned n_workers, size_t max_pending,
                                                 const struct picture_limits *limits,
                                                 const struct picture_guard *guard);

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

/* As pxp_executor_submit(). */
enum pxp_status picture_submit(struct pxp_executor *pool,
                               const struct picture_request *request,
                               struct pxp_future **ret_task);

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

#endif
