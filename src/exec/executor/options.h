/* Options that a program passes: structs whose first member is their size. A new member must begin
 * where the struct ended before, and never in its padding, which may contain anything. */
#ifndef PXP_OPTIONS_H
#define PXP_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

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
