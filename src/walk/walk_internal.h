/* Hooks for the tests of this room. */
#ifndef PXP_WALK_INTERNAL_H
#define PXP_WALK_INTERNAL_H

#include <stddef.h>
#include <sys/types.h>

/* The deepest folders of a walk that stay open. */
enum { LEVELS_OPEN = 16 };

/* The function that reads a folder: getdents64(). A test replaces it to fail in the middle, or to
 * leave the type of an entry unknown, as some file systems do. */
extern ssize_t (*walk_getdents)(int folder, void *buffer, size_t n);

#endif
