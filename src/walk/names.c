/* The packed list of names: two blocks that double. */
#include "walk/names.h"

#include <stdlib.h>
#include <string.h>

/* Make *block large enough for n elements of this size, by doubling. False when memory ran out. */
static bool grow(void **block, size_t *max, size_t n, size_t size)
{
	size_t new_max = *max ? *max : 16;
	void *bigger;

	if (n <= *max)
		return true;
	while (new_max < n)
		new_max *= 2;
	bigger = realloc(*block, new_max * size);
	if (!bigger)
		return false;
	*block = bigger;
	*max = new_max;
	return true;
}

bool names_add(struct names *names, char mark, const char *name)
{
	size_t n_name = strlen(name) + 1;
	void *bytes = names->bytes, *starts = names->starts;
	bool fits = names->n_bytes <= UINT32_MAX &&
	            grow(&bytes, &names->max_bytes, names->n_bytes + 1 + n_name, 1) &&
	            grow(&starts, &names->max, names->n + 1, sizeof(*names->starts));

	names->bytes = bytes;
	names->starts = starts;
	if (!fits)
		return false;

	names->starts[names->n++] = (uint32_t)names->n_bytes;
	names->bytes[names->n_bytes] = mark;
	memcpy(names->bytes + names->n_bytes + 1, name, n_name);
	names->n_bytes += 1 + n_name;
	return true;
}

static const char *name_at(const struct names *names, uint32_t start)
{
	return names->bytes + start + 1;
}

static int compare(const void *left, const void *right, void *data)
{
	const struct names *names = data;

	return strcmp(name_at(names, *(const uint32_t *)left),
	              name_at(names, *(const uint32_t *)right));
}

/* The list is sorted and not empty. */
static void drop_doubles(struct names *names)
{
	size_t n_kept = 1;

	for (size_t i = 1; i < names->n; i++) {
		if (compare(&names->starts[n_kept - 1], &names->starts[i], names) != 0)
			names->starts[n_kept++] = names->starts[i];
	}
	names->n = n_kept;
}

void names_sort(struct names *names)
{
	void *block;

	if (names->n == 0) {
		names_fini(names);
		return;
	}
	qsort_r(names->starts, names->n, sizeof(*names->starts), compare, names);
	drop_doubles(names);

	/* A block that cannot be made smaller is kept as it is. */
	block = realloc(names->bytes, names->n_bytes);
	if (block)
		names->bytes = block;
	block = realloc(names->starts, names->n * sizeof(*names->starts));
	if (block)
		names->starts = block;
}

bool names_has_next(const struct names *names)
{
	return names->n_taken < names->n;
}

const char *names_take(struct names *names, char *ret_mark)
{
	uint32_t start = names->starts[names->n_taken++];

	*ret_mark = names->bytes[start];
	return name_at(names, start);
}

const char *names_taken(const struct names *names)
{
	return name_at(names, names->starts[names->n_taken - 1]);
}

void names_fini(struct names *names)
{
	free(names->bytes);
	free(names->starts);
	*names = (struct names){0};
}
