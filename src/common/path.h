/* Paths as bytes: no encoding is assumed, and only '/' and the final zero are special. */
#ifndef PXP_PATH_H
#define PXP_PATH_H

#include <stdbool.h>
#include <stddef.h>

/* Join `dir` and `name` with one slash between them. If `dir` is "", the result is `name` alone.
 * The caller frees the path. Returns NULL if memory ran out. */
char *path_join(const char *dir, const char *name);

/* Get the last component of a path. Slashes after the component are left out: the component of
 * "a/b.jpg" is "b.jpg", that of "a/" is "a", and that of "/" is "". Returns a pointer into `path`.
 * *ret_n becomes the length of the component. */
const char *path_base(const char *path, size_t *ret_n);

/* Get the suffix of a name, without the dot: the suffix of "a.b.jpg" is "jpg". A name such as
 * ".hidden" or "a." has no suffix, and the result is "". Returns a pointer into `name`. */
const char *path_suffix(const char *name);

#endif
