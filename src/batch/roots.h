/*
 * The roots of inputs. The root is the folder to which the relative name of an input belongs: an
 * INPUT that is a folder, or the folder of an INPUT that is a file. With --files-from, it is the
 * folder to which the names of the list are relative. A record has the root of its
 * input, so that --prune removes only outputs whose input was in an INPUT of this run. The root is
 * stored as a hash of the path from the output folder to that folder: it does not depend on the
 * current folder, and stays the same when both folders move together.
 */
#ifndef PXP_ROOTS_H
#define PXP_ROOTS_H

#include "walk/walk.h"

#include <stdint.h>

struct roots;

/* The inputs are borrowed. Returns NULL if memory ran out. */
struct roots *roots_create(const struct walk_options *inputs, const char *output);
void roots_destroy(struct roots *roots); /* roots may be NULL */

/* The root of an input that the walk found; 0: not known. */
uint64_t roots_of_item(struct roots *roots, const struct walk_item *item);

/* Whether `root` is the root of an INPUT of the run. Returns false if `root` is 0, or if memory ran
 * out. */
bool roots_have(struct roots *roots, uint64_t root);

#endif
