/* Reads options that a program passes. Options are structs whose first member is the size of the
 * struct. A new member must begin at the old end of the struct. It must not begin in the padding
 * before that end, because programs may leave any bytes there. */
#ifndef PXP_OPTIONS_H
#define PXP_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

/* The maximum size of an options struct. A program that passes a larger size is wrong. */
enum { OPTIONS_MAX_BYTES = 4096 };

/*
 * Copy the options of the caller from `theirs` to ret_ours, a struct of n bytes.
 *
 * A program that was built with an older header has fewer fields: the missing ones become zero. A
 * program that was built with a newer header has more: the unknown ones must be zero.
 *
 * Returns false if an unknown field is set, or if the size is below n_minimum or impossibly large.
 */
bool options_read(void *ret_ours, size_t n, const void *theirs, size_t n_minimum);

#endif
