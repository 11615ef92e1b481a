/*
 * The plan: which outputs this run will make, as one keyed 64-bit hash of each name, so
 * that two inputs that claim one output are found before anything is written. A hit among
 * the hashes is confirmed by name, with another walk.
 *
 * Threads: one at a time, but for plan_n_images().
 */
#ifndef PXP_PLAN_H
#define PXP_PLAN_H

#include "recipe/format.h"
#include "walk/walk.h"

struct plan;

struct plan *plan_create(void);       /* NULL when memory ran out */
void plan_destroy(struct plan *plan); /* NULL is fine */

enum plan_result {
	PLAN_MADE,
	PLAN_COLLISION, /* two inputs or more claim one output: plan_next_claim() lists them */
	PLAN_STOPPED, /* should_stop said so */
	PLAN_NO_MEMORY,
};

/* Walk, and count what there is. may_go_on is asked for every item. */
enum plan_result plan_make(struct plan *plan, const struct walk_options *options,
                           enum image_format format, bool (*may_go_on)(void *data),
                           void *data);

/* Images and unreadable folders so far: what will come out as a record. Any thread. */
uint64_t plan_n_images(const struct plan *plan);
/* The sum of the sizes of the inputs. */
uint64_t plan_n_bytes(const struct plan *plan);

/* An input, and the output that it shares with another. In the order of the outputs. */
struct plan_claim {
	const char *input, *output;
};

size_t plan_n_claims(const struct plan *plan);
struct plan_claim plan_claim(const struct plan *plan, size_t index);

/* Take an output of the work pass, which may be one that was not there in the plan pass.
 * False when an input took it before: a twin that came after the plan. */
bool plan_take(struct plan *plan, const char *output);

#endif
