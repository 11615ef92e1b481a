/*
 * The working folders of a benchmark.
 */
#ifndef PXP_BENCH_SCRATCH_H
#define PXP_BENCH_SCRATCH_H

#include <stdbool.h>
#include <stddef.h>

/* Make the path FOLDER/NAME. The caller frees it. Ends the program if there is no memory. */
char *scratch_path(const char *folder, const char *name);

/* Create a new folder in the folder `parent`, which is created if it does not exist. Returns the
 * path of the new folder, which the caller frees, or NULL with a message on standard error. */
char *scratch_create(const char *parent);

/* Remove a folder with everything in it. Links are not followed. */
void scratch_remove(const char *folder);

/* The number of files below a folder. Hidden files do not count, because a program may keep its
 * state in them. */
size_t scratch_count_files(const char *folder);

/*
 * Read all pictures below the folder `from` (files with the suffixes of JPEG, PNG and WebP) once,
 * so that they are in the page cache. Create the folder `links`, and in it a link to each picture,
 * under a unique name. Write the paths of these links to the file `list`, each terminated by a zero
 * byte.
 *
 * Returns the number of pictures, or 0 with a message.
 */
size_t scratch_link_pictures(const char *from, const char *links, const char *list);

#endif
