/* A walk as text: a line for each item. */
#ifndef PXP_LISTING_H
#define PXP_LISTING_H

#include "walk/walk.h"

/* The line of an item, as static text: "file a/b.jpg (b.jpg)" with the relative name, "other ...",
 * or "error 13 ..."; each with "named " in front for an INPUT. Paths are cut at 300 bytes. */
const char *listing_of(const struct walk_options *options);

/* The same of inputs, up to a NULL. */
const char *listing(const char *input, ...) __attribute__((sentinel));

/* One such line, in a static buffer too. */
const char *listing_line(const struct walk_item *item);

#endif
