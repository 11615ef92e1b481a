/*
 * The working folders of a benchmark.
 */
#ifndef PXP_BENCH_SCRATCH_H
#define PXP_BENCH_SCRATCH_H

#include <stdbool.h>
#include <stddef.h>

/* Make the path FOLDER/NAME. The caller frees it. Ends the program if there is no memory. */
char *scratch_path(const char *folder, const char *name);

/* Create a folder below parent; parent is created if it does not exist. Returns its path, which the
 * caller frees, or NULL with a message on standard error. */
char *scratch_create(const char *parent);

/* Remove a folder with everything in it. Links are not followed. */
void scratch_remove(const char *folder);

/* The number of files below a folder, without hidden files: a program may keep its state there. */
size_t scratch_count_files(const char *folder);

/*
 * Read all pictures below from (JPEG, PNG, WebP by suffix) once, so that they are in the page cache.
 * Create the folder links with a link to each picture, under unique base names, and write these names
 * to the file list, each terminated by a 0.
 *
 * Returns the number of pictures, or 0 with a message.
 */
size_t scratch_link_pictures(const char *from, const char *links, const char *list);

#endif
