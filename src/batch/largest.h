/*
 * The largest inputs of a plan, as many as LARGEST_INPUTS. The feeder feeds them first, the largest
 * one before all others. If a large picture came last, one worker would process it while all others
 * have nothing to do.
 *
 * Only one thread at a time may use a struct largest.
 */
#ifndef PXP_LARGEST_H
#define PXP_LARGEST_H

#include "walk/walk.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	/* The maximum number of inputs that are kept. */
	LARGEST_INPUTS = 1024,
	/* The maximum size of a path with its zero byte. An input with a longer path is not kept,
	 * so that the memory is bounded. */
	LARGEST_PATH_BYTES = 1024,
};

struct largest_input {
	struct walk_address address;
	uint64_t n_bytes;
	uint64_t number; /* the position of the input among those that were added */
	bool is_fed;     /* whether the feeder has fed the input */
};

/* The largest inputs that were added. A struct of zeros has no inputs. */
struct largest {
	struct largest_input *inputs;
	size_t n;
	uint64_t n_added;
};

void largest_fini(struct largest *largest);

/* Add a WALK_FILE. It is kept if it is one of the largest inputs so far. Among inputs of equal
 * size, the ones that were added first are kept. Standard input is never kept. If memory runs out,
 * the input is not kept. */
void largest_add(struct largest *largest, const struct walk_item *item, uint64_t n_bytes);

/* Sort the inputs, the largest one first, and equal ones in the order in which they were added.
 * Nothing may be added after this. */
void largest_sort(struct largest *largest);

/* Drop the inputs that the feeder has not fed, and prepare the others for largest_was_fed(). */
void largest_keep_fed(struct largest *largest);

/* Whether the feeder has fed an item of the walk already. Call largest_keep_fed() first. */
bool largest_was_fed(const struct largest *largest, const struct walk_item *item);

#endif
