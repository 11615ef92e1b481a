/* Paths as bytes: no encoding is assumed, and only '/' and the final zero are special. */
#ifndef PXP_PATH_H
#define PXP_PATH_H

#include <stdbool.h>
#include <stddef.h>

/* Join dir and name with one slash between them. If dir is "", the path is name. The caller frees
 * the path. Returns NULL if memory ran out. */
char *path_join(const char *dir, const char *name);

/* The last component of a path, without the slashes that follow it: "b.jpg" of "a/b.jpg", "a" of
 * "a/", "" of "/". Returns a pointer into path; *ret_n is the length. */
const char *path_base(const char *path, size_t *ret_n);

/* The suffix of a name without its dot: "jpg" of "a.b.jpg". "" for a name without a suffix, such as
 * ".hidden" and "a.". Returns a pointer into name. */
const char *path_suffix(const char *name);

#endif
