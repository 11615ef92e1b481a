/* Options that a program passes: structs that begin with their size. A new field of such a struct
 * begins where the struct ended, never in its padding, which may hold anything. */
#ifndef PXP_OPTIONS_H
#define PXP_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Copy the options theirs to ours, which has n bytes.
 *
 * A program that was built with an older header has fewer fields: the missing ones become zero. A
 * program that was built with a newer header has more: the unknown ones must be zero.
 *
 * False: an unknown field is set, or the size is below n_minimum or impossibly large.
 */
bool options_read(void *ret_ours, size_t n, const void *theirs, size_t n_minimum);

#endif
