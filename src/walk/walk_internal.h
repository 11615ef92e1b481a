/* Internal hooks for the tests of the walk. */
#ifndef PXP_WALK_INTERNAL_H
#define PXP_WALK_INTERNAL_H

#include <stddef.h>
#include <sys/types.h>

/* How many of the deepest folders of a walk stay open. The folder of the INPUT also stays open. */
enum { LEVELS_OPEN = 16 };

/* The function that reads a folder: getdents64(). A test replaces it by a function that fails
 * halfway, or that does not report the types of entries, as some file systems do. */
extern ssize_t (*walk_getdents)(int folder, void *buffer, size_t n);

#endif
