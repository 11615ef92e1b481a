/*
 * The names of one folder, packed: a mark and the bytes of each name lie one after the other in one
 * block; a second block has the place where each begins. A name costs its length and six bytes.
 */
#ifndef PXP_NAMES_H
#define PXP_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A list of names. All zeros is an empty list. */
struct names {
	char *bytes;      /* mark, name, 0; mark, name, 0; ... */
	uint32_t *starts; /* of each entry, in bytes */
	size_t n_bytes, max_bytes;
	size_t n, max;
	size_t n_taken;
};

/* Append a copy of name, with a mark of the caller's. False when memory ran out, or at 4 GiB of
 * names; the list is as it was. */
bool names_add(struct names *names, char mark, const char *name);

/* Sort the list by the bytes of its names, once all are added. Drops names that are in it twice (a
 * folder that changes while it is read may give a name twice) and frees spare memory. */
void names_sort(struct names *names);

bool names_has_next(const struct names *names);

/* Take the next name; there must be one. Valid until names_fini(). */
const char *names_take(struct names *names, char *ret_mark);

/* The name that was taken last. */
const char *names_taken(const struct names *names);

/* Free the blocks; the list is empty again. */
void names_fini(struct names *names);

#endif
