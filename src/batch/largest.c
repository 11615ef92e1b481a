/* Keeps the largest inputs of a plan: in a heap until largest_sort(), then in order of size until
 * largest_keep_fed(), then in order of path. */
#include "batch/largest.h"

#include "common/order.h"

#include <stdlib.h>
#include <string.h>

static void drop(struct largest_input *input)
{
	walk_address_fini(&input->address);
}

void largest_fini(struct largest *largest)
{
	for (size_t i = 0; i < largest->n; i++)
		drop(&largest->inputs[i]);
	free(largest->inputs);
	*largest = (struct largest){0};
}

/* The order in which inputs are fed. */
static int compare_sizes(const void *a, const void *b)
{
	const struct largest_input *x = a, *y = b;
	int order = ORDER(y->n_bytes, x->n_bytes);

	return order != 0 ? order : ORDER(x->number, y->number);
}

static int compare_places(const char *x_path, size_t x_input, const char *y_path,
                          size_t y_input)
{
	int order = ORDER(x_input, y_input);

	return order != 0 ? order : strcmp(x_path, y_path);
}

static int compare_addresses(const void *a, const void *b)
{
	const struct walk_address *x = &((const struct largest_input *)a)->address;
	const struct walk_address *y = &((const struct largest_input *)b)->address;

	return compare_places(x->path, x->input, y->path, y->input);
}

/* ---- the heap of inputs; its root is the input that is fed last ---- */

static void swap(struct largest_input *a, struct largest_input *b)
{
	const struct largest_input kept = *a;

	*a = *b;
	*b = kept;
}

static void move_up(struct largest_input *inputs, size_t at)
{
	while (at > 0 && compare_sizes(&inputs[(at - 1) / 2], &inputs[at]) < 0) {
		swap(&inputs[(at - 1) / 2], &inputs[at]);
		at = (at - 1) / 2;
	}
}

static void move_down(struct largest_input *inputs, size_t n)
{
	size_t at = 0, last;

	while (2 * at + 1 < n) {
		last = 2 * at + 1;
		if (last + 1 < n && compare_sizes(&inputs[last], &inputs[last + 1]) < 0)
			last++;
		if (compare_sizes(&inputs[at], &inputs[last]) >= 0)
			return;
		swap(&inputs[at], &inputs[last]);
		at = last;
	}
}

void largest_add(struct largest *largest, const struct walk_item *item, uint64_t n_bytes)
{
	struct largest_input input = {.n_bytes = n_bytes, .number = largest->n_added++};

	if (item->is_standard_input || strlen(item->path) >= LARGEST_PATH_BYTES)
		return;
	if (!largest->inputs)
		largest->inputs = calloc(LARGEST_INPUTS, sizeof(*largest->inputs));
	if (!largest->inputs ||
	    (largest->n == LARGEST_INPUTS && n_bytes <= largest->inputs[0].n_bytes))
		return;
	if (!walk_address_of(item, &input.address))
		return;
	if (largest->n < LARGEST_INPUTS) {
		largest->inputs[largest->n++] = input;
		move_up(largest->inputs, largest->n - 1);
		return;
	}
	drop(&largest->inputs[0]);
	largest->inputs[0] = input;
	move_down(largest->inputs, largest->n);
}

/* ---- the sorted inputs ---- */

void largest_sort(struct largest *largest)
{
	if (largest->n > 0)
		qsort(largest->inputs, largest->n, sizeof(*largest->inputs),
		      compare_sizes);
}

void largest_keep_fed(struct largest *largest)
{
	struct largest_input *inputs = largest->inputs;
	size_t n_kept = 0;

	for (size_t i = 0; i < largest->n; i++) {
		if (inputs[i].is_fed)
			inputs[n_kept++] = inputs[i];
		else
			drop(&inputs[i]);
	}
	largest->n = n_kept;
	if (n_kept > 0)
		qsort(inputs, n_kept, sizeof(*inputs), compare_addresses);
}

bool largest_was_fed(const struct largest *largest, const struct walk_item *item)
{
	size_t first = 0, end = largest->n;

	while (first < end && item->kind == WALK_FILE) {
		const size_t middle = first + (end - first) / 2;
		const struct walk_address *address = &largest->inputs[middle].address;
		const int order = compare_places(item->path, item->input, address->path,
		                                 address->input);

		if (order == 0)
			return true;
		if (order < 0)
			end = middle;
		else
			first = middle + 1;
	}
	return false;
}
