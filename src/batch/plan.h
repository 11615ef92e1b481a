/*
 * The plan: which outputs this run will make, as one keyed 64-bit hash of each name, so that two
 * inputs that claim one output are found before anything is written. Equal hashes are confirmed by
 * name, with another walk.
 *
 * Threads: one at a time, but plan_n_images() from any.
 */
#ifndef PXP_PLAN_H
#define PXP_PLAN_H

#include "batch/naming.h"
#include "batch/variant.h"
#include "walk/walk.h"

struct plan;

struct plan *plan_create(void);       /* NULL when memory ran out */
void plan_destroy(struct plan *plan); /* NULL is fine */

enum plan_result {
	PLAN_MADE,
	PLAN_COLLISION, /* several inputs claim one output: plan_claim() lists them */
	PLAN_STOPPED,   /* may_go_on() said so */
	PLAN_NO_MEMORY,
};

/*
 * Walk, and note the outputs of every image: one by each rule; none with n_rules 0. Images of other shards are passed over. may_go_on is
 * asked before every item.
 */
enum plan_result plan_make(struct plan *plan, const struct walk_options *options,
                           const struct variant_rule *rules, size_t n_rules,
                           const struct shard *shard, bool (*may_go_on)(void *data),
                           void *data);

/* The number of images and unreadable folders so far. Each will be a record. */
uint64_t plan_n_images(const struct plan *plan);
/* The sum of the sizes of the inputs. */
uint64_t plan_n_bytes(const struct plan *plan);

/* The inputs that claim an output together with others, ordered by output. */
struct plan_claim {
	const char *input, *output;
};

size_t plan_n_claims(const struct plan *plan);
struct plan_claim plan_claim(const struct plan *plan, size_t index);

/* Take the name of an output for an input that is fed; the plan may not have seen it. False when an
 * earlier input has taken the name. */
bool plan_take(struct plan *plan, const char *output);

#endif
