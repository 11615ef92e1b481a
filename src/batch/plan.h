/*
 * The plan: which outputs this run will make, as one keyed 64-bit hash of each name, so that two
 * inputs that claim one output are found before anything is written. Equal hashes are confirmed by
 * name, with another walk.
 *
 * Threads: one at a time; but any thread may read n_images.
 */
#ifndef PXP_PLAN_H
#define PXP_PLAN_H

#include "batch/naming.h"
#include "batch/variant.h"
#include "common/hash.h"
#include "common/hash_set.h"
#include "walk/walk.h"

#include <stdatomic.h>

/* An input that claims an output together with others. */
struct plan_claim {
	char *input, *output;
	/* ---- Private. ---- */
	dev_t dev;
	ino_t ino;        /* 0: not known */
	uint64_t n_bytes; /* its size */
	uint64_t visit;   /* the number of its item in the walk */
	bool is_first;    /* the output is by the first rule */
};

/* An output that one file claims several times: it is named twice, perhaps through a link. */
struct plan_repeat;

struct plan {
	/* ---- The findings. ---- */
	/* The number of images and unreadable folders so far. Each will be a record. */
	atomic_uint_least64_t n_images;
	uint64_t n_bytes;          /* the sum of the sizes of the inputs */
	size_t n_inputs;           /* the number of INPUTs that have an image */
	bool has_errors;           /* a part of an INPUT could not be read */
	struct plan_claim *claims; /* ordered by output */
	size_t n_claims;

	/* ---- Private. ---- */
	struct hash_key key;
	size_t next_input;       /* one past the last INPUT that has an image */
	struct hash_set planned; /* of all outputs that were planned */
	uint8_t *is_taken;       /* a bit for each hash in planned */
	struct hash_set late;    /* of outputs that were taken without being planned */
	struct hash_set twice;   /* those that occur more than once in planned */
	struct plan_repeat *repeats; /* ordered */
	size_t n_repeats;
	uint64_t n_visits;
};

struct plan *plan_create(void);       /* NULL when memory ran out */
void plan_destroy(struct plan *plan); /* NULL is fine */

enum plan_result {
	PLAN_MADE,
	PLAN_COLLISION, /* several inputs claim one output: see its claims */
	PLAN_STOPPED,   /* may_go_on() said so */
	PLAN_NO_MEMORY,
};

/*
 * Walk, and note the outputs of every image: one by each rule; none with n_rules 0. Images of other
 * shards are passed over. may_go_on is asked before every item.
 */
enum plan_result plan_make(struct plan *plan, const struct walk_options *options,
                           const struct variant_rule *rules, size_t n_rules,
                           const struct shard *shard, bool (*may_go_on)(void *data),
                           void *data);

/*
 * Whether an input that is fed has been fed before, with the same first output: it is named twice, as
 * "a.jpg" and "./a.jpg" or through a link. Of an input without outputs, output is its relative name.
 */
bool plan_is_repeated(struct plan *plan, const char *output,
                      const struct walk_item *item);

/* Take the name of an output for an input that is fed; the plan may not have seen it. False when an
 * earlier input has taken the name. */
bool plan_take(struct plan *plan, const char *output);

/* Whether an input of this run has this output. */
bool plan_has(const struct plan *plan, const char *output);

#endif
