/*
 * The plan: the outputs that this run will make, as one keyed 64-bit hash of each name, so that two
 * inputs that claim the same output are found before anything is written. Equal hashes are
 * confirmed by name, in another walk.
 *
 * Only one thread at a time may use a plan, but any thread may read n_images.
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
	ino_t ino;        /* inode; 0: not known */
	uint64_t n_bytes; /* size of the input */
	uint64_t visit;   /* number of its item in the walk */
	bool is_first;    /* whether the output is made by the first rule */
};

/* An output that the same file claims several times: the file is named twice, perhaps through a
 * link. */
struct plan_repeat;

struct plan {
	/* ---- The findings. ---- */
	/* The number of images and unreadable folders so far. Each will be a record. */
	atomic_uint_least64_t n_images;
	uint64_t n_bytes;          /* the sum of the sizes of the inputs */
	size_t n_inputs;           /* the number of INPUTs that have an image */
	bool has_errors;           /* a part of an INPUT could not be read */
	uint64_t n_links;          /* links that the walk found and did not follow */
	uint64_t n_left_out;       /* files that --include and --exclude left out */
	uint64_t n_backups;        /* backups of runs in place */
	struct plan_claim *claims; /* collisions, ordered by output */
	size_t n_claims;

	/* ---- Private. ---- */
	struct hash_key key;
	size_t next_input;       /* one past the last INPUT that has an image */
	struct hash_set planned; /* hashes of all outputs that were planned */
	uint8_t *is_taken;       /* a bit for each hash in planned */
	/* Hashes of outputs that were claimed without being planned. */
	struct hash_set late;
	struct hash_set twice;       /* hashes that occur more than once in planned */
	struct plan_repeat *repeats; /* ordered */
	size_t n_repeats;
	uint64_t n_visits;
	/* outputs replace their inputs; then inputs are identified by device and inode */
	bool in_place;
};

struct plan *plan_create(void);       /* create a plan; NULL if memory ran out */
void plan_destroy(struct plan *plan); /* NULL is allowed */

enum plan_result {
	PLAN_MADE,
	PLAN_COLLISION, /* several inputs claim one output: see its claims */
	PLAN_STOPPED,   /* may_go_on() returned false */
	PLAN_NO_MEMORY,
};

/*
 * Walk, and record the outputs of every image: one for each rule; none if n_rules is 0. Images of
 * other shards are skipped. may_go_on is called before every item.
 */
enum plan_result plan_make(struct plan *plan, const struct walk_options *options,
                           const struct variant_rule *rules, size_t n_rules,
                           const struct shard *shard, bool (*may_go_on)(void *data),
                           void *data);

/*
 * Whether an input that is fed has been fed before, with the same first output: it is named twice,
 * as "a.jpg" and "./a.jpg" or through a link. For an input without outputs, output is its relative
 * name.
 */
bool plan_is_repeated(struct plan *plan, const char *output,
                      const struct walk_item *item);

/* Claim the name of an output for an input that is fed; the plan may not have seen it. Returns
 * false if an earlier input has claimed the name. */
bool plan_take(struct plan *plan, const char *output);

/* Whether an input of this run has this output. */
bool plan_has(const struct plan *plan, const char *output);

#endif
