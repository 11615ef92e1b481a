/*
 * Names are bytes: no encoding is assumed, and nothing in a name is special but '/'
 * and the final zero.
 */
#ifndef PXP_PATH_H
#define PXP_PATH_H

#include <stdbool.h>
#include <stddef.h>

/* dir and name with one slash between them; name alone when dir is "" . The caller
 * frees it; NULL when memory ran out. */
char *path_join(const char *dir, const char *name);

/* The last part of a path, trailing slashes passed over: "b.jpg" of "a/b.jpg", "a" of
 * "a/", "" of "/". *ret_n is its length; it points into path. */
const char *path_base(const char *path, size_t *ret_n);

/* The suffix of a base name without its dot: "jpg" of "a.b.jpg"; "" where there is
 * none, as in ".hidden" and "a.". Points into name. */
const char *path_suffix(const char *name);

#endif
