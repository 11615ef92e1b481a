/* A walk as text: one line for each item. */
#ifndef PXP_LISTING_H
#define PXP_LISTING_H

#include "walk/walk.h"

/* Describe an item as static text: "file a/b.jpg (b.jpg)" with the relative name, "other ...", or
 * "error 13 ..."; with "named " in front if the item is an INPUT. Paths are truncated to 300
 * bytes. */
const char *listing_of(const struct walk_options *options);

/* Walk these inputs, up to a NULL, and describe all items. */
const char *listing(const char *input, ...) __attribute__((sentinel));

/* Make one such line, also in a static buffer. */
const char *listing_line(const struct walk_item *item);

#endif
