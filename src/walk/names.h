/*
 * The names of one folder, packed: a mark and the bytes of each name, one after the
 * other in one block, and where each begins in another. That is the length of the name
 * and six bytes more, whatever the number of files.
 */
#ifndef PXP_NAMES_H
#define PXP_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All zero is an empty list. */
struct names {
	char *bytes;      /* mark, name, 0; mark, name, 0; ... */
	uint32_t *starts; /* of each entry, in bytes */
	size_t n_bytes, max_bytes;
	size_t n, max;
	size_t n_taken;
};

/* Append a copy of name with a mark of the caller's. False when memory ran out, or
 * at 4 GiB of names; the list is as it was. */
bool names_add(struct names *names, char mark, const char *name);

/* No more will be added: sort by the bytes of the names, drop doubles (a folder that
 * changes while it is read may give a name twice), give back spare memory. */
void names_sort(struct names *names);

bool names_has_next(const struct names *names);

/* The next one, which there must be; good until names_fini(). */
const char *names_take(struct names *names, char *ret_mark);

/* The one taken last. */
const char *names_taken(const struct names *names);

/* Free all; the list is empty again. */
void names_fini(struct names *names);

#endif
