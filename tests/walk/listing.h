/* A walk as text: one line for each item. */
#ifndef PXP_LISTING_H
#define PXP_LISTING_H

#include "walk/walk.h"

/* Walk with these options, and return static text with one line for each item: "file a/b.jpg
 * (b.jpg)" with the relative name in parentheses, "other ...", "marked ...", or "error 13 ..." with
 * the errno. The line of an item that is an INPUT begins with "named ". Paths are truncated to 300
 * bytes. */
const char *listing_of(const struct walk_options *options);

/* Walk these inputs, and return the text of listing_of(). NULL must follow the last input. */
const char *listing(const char *input, ...) __attribute__((sentinel));

/* Return the line of one item. The text is in a static buffer. */
const char *listing_line(const struct walk_item *item);

#endif
