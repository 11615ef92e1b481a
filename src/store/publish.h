/*
 * One output on its way to its name. Until it has that it is an unnamed file, which the
 * kernel drops with its descriptor however we end; or, where the file system or /proc
 * does not give us that, a file with a hidden name of its own in the same folder.
 */
#ifndef PXP_PUBLISH_H
#define PXP_PUBLISH_H

#include "store/store_internal.h"

#include <stddef.h>
#include <time.h>

struct output {
	int folder;       /* borrowed, as all here */
	const char *name; /* in it */
	int content;      /* its first n bytes, read by position */
	size_t n;
	const struct timespec *dates; /* of access and change; NULL: now */
	bool may_replace;             /* what has the name, unless it is a folder */
	bool in_root;                 /* folder is the output folder itself */
	unsigned without;
};

enum published {
	PUBLISHED,
	IN_THE_WAY, /* something has the name; never with may_replace */
	STOPPED,    /* see *ret_stop */
	NO_SUCH_WAY /* only inside: this place needs the other way */
};

/* Nothing but a PUBLISHED output is left in the folder, whatever the result. */
enum published output_publish(const struct output *output, struct stop *ret_stop);

#endif
