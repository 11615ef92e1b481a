/* Options, as a program hands them over: structs that begin with their size. */
#ifndef PXP_OPTIONS_H
#define PXP_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

/*
 * A new field begins where the struct ended, never in its padding, which may hold anything.
 *
 * Copy theirs to ours, which has n bytes. A program built with an older header has fewer
 * fields: those that it lacks are zero. One built with a newer header has more: they must be
 * zero, as this library does not know them. False: that is not so, or the size is less than
 * n_least, or none that such a struct has.
 */
bool options_read(void *ret_ours, size_t n, const void *theirs, size_t n_least);

#endif
