/*
 * One output on the way to its name. Until it has the name it is an unnamed file, which the kernel
 * drops with its descriptor, however the process ends. Where the file system or /proc does not
 * allow that, it is a file with a hidden name in the same folder.
 */
#ifndef PXP_PUBLISH_H
#define PXP_PUBLISH_H

#include "store/store_internal.h"

#include <stddef.h>
#include <time.h>

struct output {
	int folder;                   /* borrowed, as everything here */
	const char *name;             /* in that folder */
	int content;                  /* read by position */
	off_t offset;                 /* where the output begins in content */
	size_t n_bytes;               /* its length */
	const struct timespec *dates; /* of access and change; NULL: now */
	bool may_replace;             /* whatever has the name, unless it is a folder */
	bool is_in_root;              /* folder is the output folder itself */
	unsigned without;             /* as in struct store */
};

/* Nothing but a PUBLISHED output is left in the folder, whatever the result. Never returns
 * NOT_THIS_WAY; IN_THE_WAY only without may_replace. */
enum published output_publish(const struct output *output, struct failure *ret_failure);

#endif
