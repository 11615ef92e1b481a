/*
 * Folders that a benchmark works in.
 */
#ifndef PXP_BENCH_SCRATCH_H
#define PXP_BENCH_SCRATCH_H

#include <stdbool.h>
#include <stddef.h>

/* A path of parts, e.g. (folder, "links"). To be freed. Ends the program when memory
 * ran out. */
char *scratch_path(const char *folder, const char *name);

/* A new, empty folder below parent, which is made when it is not there. To be freed.
 * NULL with a message on standard error when that fails. */
char *scratch_create(const char *parent);

/* Remove a folder and all that is in it; links are not followed. */
void scratch_remove(const char *folder);

/* How many files there are below a folder, but for those with a hidden name: a program
 * may keep its state beside its outputs. */
size_t scratch_count_files(const char *folder);

/*
 * Read all pictures (JPEG, PNG, WebP by suffix) below from once, so that they are in the
 * page cache, and make a link to each in the new folder links, all flat, with base names
 * that are there once. Their names, each with its final 0, are written to the file list.
 *
 * Returns how many; 0 with a message when that fails.
 */
size_t scratch_link_pictures(const char *from, const char *links, const char *list);

#endif
